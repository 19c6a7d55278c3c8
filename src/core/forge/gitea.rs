//! Gitea's and Forgejo's events about pull requests (docs.gitea.com, usage/webhooks; modules/structs/hook.go, `PullRequestPayload`) and
//! their list of reviews (the API's `GET /repos/{owner}/{repo}/pulls/{index}/reviews`, `PullReview`).
//!
//! An event does not say which commit was approved, and none is sent where a review is dismissed: the list says both.

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
    sender: User,
    review: Option<ReviewKind>,
}

#[derive(Deserialize)]
struct PullRequest {
    html_url: String,
    head: Branch,
    base: Branch,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(rename = "ref")]
    name: String,
    sha: String,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct ReviewKind {
    #[serde(rename = "type")]
    kind: String,
}

pub(super) fn event(json: &[u8]) -> Result<Event, EventError> {
    let kind: Kind = read(Forge::Gitea, json)?;
    if kind.pull_request.is_null() {
        return Err(EventError::Kind(kind.action));
    }
    let PullRequestEvent { action, pull_request, repository, sender, review } = read(Forge::Gitea, json)?;
    let sender = || account(sender.login, "sender.login");
    // Older versions wrote `pull_request_approved`.
    let happened = match (action.as_str(), review.as_ref().map(|review| review.kind.as_str())) {
        ("reviewed", Some("pull_request_review_approved" | "pull_request_approved")) => {
            Happened::Approved { account: sender()?, commit: None }
        }
        ("reviewed", Some("pull_request_review_rejected" | "pull_request_rejected")) => {
            Happened::Withdrawn { account: sender()? }
        }
        ("synchronized", None) => Happened::Moved,
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

#[derive(Deserialize)]
struct ListedReview {
    id: u64,
    /// `null` where a team is asked.
    user: Option<User>,
    state: String,
    #[serde(default)]
    commit_id: String,
    #[serde(default)]
    dismissed: bool,
}

pub(super) fn reviews(json: &[u8]) -> Result<Reviews, EventError> {
    let listed: Vec<ListedReview> = read(Forge::Gitea, json)?;
    let mut words = Vec::new();
    for review in listed {
        let approves = match review.state.as_str() {
            "APPROVED" => !review.dismissed,
            "REQUEST_CHANGES" => false,
            // A comment, or that somebody is asked, takes nothing back.
            _ => continue,
        };
        let Some(user) = review.user else { continue };
        let said = if approves { Some(commit(&review.commit_id, "commit_id")?) } else { None };
        let account = account(user.login, "user.login")?;
        words.push(Word { number: review.id, account, review: Review { approves, commit: said } });
    }
    Ok(last_words(words))
}
