//! GitHub's events `pull_request_review` and `pull_request` (docs.github.com, webhooks/webhook-events-and-payloads) and its list of reviews
//! (rest/pulls/reviews, `GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews`).

use serde::Deserialize;

use super::{Event, EventError, Forge, Happened, Review, Reviews, Word, account, commit, last_words, name, path, read};

#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    pull_request: serde_json::Value,
    #[serde(default)]
    action: String,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    action: String,
    pull_request: PullRequest,
    repository: Repository,
    /// Of the event `pull_request_review` alone.
    review: Option<SubmittedReview>,
}

#[derive(Deserialize)]
struct PullRequest {
    html_url: String,
    head: Head,
    base: Base,
}

#[derive(Deserialize)]
struct Head {
    sha: String,
}

#[derive(Deserialize)]
struct Base {
    #[serde(rename = "ref")]
    name: String,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct SubmittedReview {
    #[serde(default)]
    id: u64,
    user: User,
    state: String,
    commit_id: Option<String>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

pub(super) fn event(json: &[u8]) -> Result<Event, EventError> {
    let kind: Kind = read(Forge::GitHub, json)?;
    if kind.pull_request.is_null() {
        return Err(EventError::Kind(kind.action));
    }
    let PullRequestEvent { action, pull_request, repository, review } = read(Forge::GitHub, json)?;
    let happened = match (action.as_str(), review) {
        ("submitted", Some(review)) => submitted(review)?,
        ("dismissed", Some(review)) => {
            Happened::Withdrawn { account: account(review.user.login, "review.user.login")? }
        }
        ("synchronize", None) => Happened::Moved,
        _ => Happened::Other,
    };
    Ok(Event {
        repository: name(repository.full_name, "repository.full_name")?,
        request: path(&pull_request.html_url, "pull_request.html_url")?,
        target: name(pull_request.base.name, "pull_request.base.ref")?,
        head: commit(&pull_request.head.sha, "pull_request.head.sha")?,
        happened,
    })
}

/// Events write the state in lower case, the API in upper case.
fn submitted(review: SubmittedReview) -> Result<Happened, EventError> {
    let by = account(review.user.login, "review.user.login")?;
    match review.state.to_ascii_lowercase().as_str() {
        "approved" => {
            let said = review.commit_id.as_deref().ok_or(EventError::Value("review.commit_id"))?;
            Ok(Happened::Approved { account: by, commit: Some(commit(said, "review.commit_id")?) })
        }
        // Who asks for changes approves no more.
        "changes_requested" => Ok(Happened::Withdrawn { account: by }),
        _ => Ok(Happened::Other),
    }
}

pub(super) fn reviews(json: &[u8]) -> Result<Reviews, EventError> {
    let listed: Vec<Option<SubmittedReview>> = read(Forge::GitHub, json)?;
    let mut words = Vec::new();
    for review in listed.into_iter().flatten() {
        let approves = match review.state.to_ascii_lowercase().as_str() {
            "approved" => true,
            "changes_requested" | "dismissed" => false,
            // A comment takes nothing back.
            _ => continue,
        };
        let said = review.commit_id.as_deref().map(|id| commit(id, "commit_id")).transpose()?;
        if approves && said.is_none() {
            return Err(EventError::Value("commit_id"));
        }
        let account = account(review.user.login, "user.login")?;
        words.push(Word { number: review.id, account, review: Review { approves, commit: said } });
    }
    Ok(last_words(words))
}
