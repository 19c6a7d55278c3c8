//! GitLab's merge request events (docs.gitlab.com, user/project/integrations/webhook_events, "Merge request events") and its answer
//! about approvals (api/merge_request_approvals, "Get configuration": `GET /projects/:id/merge_requests/:iid/approvals`).

use serde::Deserialize;

use super::{Event, EventError, Forge, Happened, Review, Reviews, Word, account, commit, last_words, name, path, read};

#[derive(Deserialize)]
struct Kind {
    object_kind: String,
}

#[derive(Deserialize)]
struct MergeRequestEvent {
    user: User,
    project: Project,
    object_attributes: Attributes,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: String,
}

#[derive(Deserialize)]
struct Attributes {
    target_branch: String,
    last_commit: LastCommit,
    url: String,
    /// Absent where the event is none of those that have one, such as a test of the hook.
    action: Option<String>,
    /// The last commit before, where the event is about new ones.
    oldrev: Option<String>,
    /// Whether GitLab did it by itself: then the user is who pushed.
    #[serde(default)]
    system: bool,
}

#[derive(Deserialize)]
struct LastCommit {
    id: String,
}

pub(super) fn event(json: &[u8]) -> Result<Event, EventError> {
    let Kind { object_kind } = read(Forge::GitLab, json)?;
    if object_kind != "merge_request" {
        return Err(EventError::Kind(object_kind));
    }
    let MergeRequestEvent { user, project, object_attributes: request } = read(Forge::GitLab, json)?;
    let head = commit(&request.last_commit.id, "object_attributes.last_commit.id")?;
    let user = || account(user.username, "user.username");
    let happened = match request.action.as_deref() {
        Some("approved" | "approval") if !request.system => Happened::Approved { account: user()?, commit: Some(head) },
        Some("unapproved" | "unapproval") if !request.system => Happened::Withdrawn { account: user()? },
        Some("approved" | "approval" | "unapproved" | "unapproval") => Happened::Reset,
        Some("update") if request.oldrev.is_some() => Happened::Moved,
        _ => Happened::Other,
    };
    Ok(Event {
        repository: name(project.path_with_namespace, "project.path_with_namespace")?,
        request: path(&request.url, "object_attributes.url")?,
        target: name(request.target_branch, "object_attributes.target_branch")?,
        head,
        happened,
    })
}

#[derive(Deserialize)]
struct Approvals {
    approved_by: Vec<ApprovedBy>,
}

#[derive(Deserialize)]
struct ApprovedBy {
    user: User,
}

pub(super) fn reviews(json: &[u8]) -> Result<Reviews, EventError> {
    let Approvals { approved_by } = read(Forge::GitLab, json)?;
    let word = |one: ApprovedBy| {
        let account = account(one.user.username, "approved_by.user.username")?;
        Ok(Word { number: 0, account, review: Review { approves: true, commit: None } })
    };
    Ok(last_words(approved_by.into_iter().map(word).collect::<Result<Vec<_>, EventError>>()?))
}
