//! Events in the shapes that the forges document, cut down to what is not left out there.

use serde_json::{Value, json};

use super::*;

const HEAD: &str = "1111111111111111111111111111111111111111";
const BEFORE: &str = "2222222222222222222222222222222222222222";

fn oid(hex: &str) -> Oid {
    Oid::parse(hex.as_bytes()).unwrap()
}

/// "Merge request events" of docs.gitlab.com.
fn gitlab(action: &str, more: Value) -> Value {
    let mut event = json!({
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 1, "name": "Alice Ng", "username": "alice-ng", "email": "[REDACTED]"},
        "project": {"id": 1, "name": "Payments", "path_with_namespace": "Acme/payments", "default_branch": "main",
            "web_url": "https://gitlab.example.com/Acme/payments"},
        "object_attributes": {"id": 99, "iid": 17, "target_branch": "main", "source_branch": "retry", "state": "opened",
            "last_commit": {"id": HEAD, "message": "Retry\n", "author": {"name": "A", "email": "a@x"}},
            "url": "https://gitlab.example.com/Acme/payments/-/merge_requests/17", "action": action, "system": false},
        "labels": [], "changes": {}, "reviewers": [],
    });
    let attributes = event["object_attributes"].as_object_mut().unwrap();
    attributes.extend(more.as_object().unwrap().clone());
    event
}

/// `pull_request_review` and `pull_request` of docs.github.com.
fn github(action: &str, more: Value) -> Value {
    let mut event = json!({
        "action": action,
        "pull_request": {"number": 17, "state": "open", "html_url": "https://github.com/Acme/payments/pull/17",
            "user": {"login": "robot"}, "head": {"ref": "retry", "sha": HEAD}, "base": {"ref": "main", "sha": BEFORE}},
        "repository": {"id": 1, "name": "payments", "full_name": "Acme/payments", "private": true},
        "sender": {"login": "alice-ng", "type": "User"},
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn review(state: &str) -> Value {
    json!({"review": {"id": 80, "user": {"login": "alice-ng", "type": "User"}, "body": null, "state": state,
        "commit_id": HEAD, "html_url": "https://github.com/Acme/payments/pull/17#pullrequestreview-80"}})
}

/// `PullRequestPayload` of Gitea's modules/structs/hook.go, which Forgejo shares.
fn gitea(action: &str, more: Value) -> Value {
    let mut event = json!({
        "action": action, "number": 17,
        "pull_request": {"id": 1, "number": 17, "html_url": "https://gitea.example.com/Acme/payments/pulls/17", "state": "open",
            "head": {"label": "retry", "ref": "retry", "sha": HEAD}, "base": {"label": "main", "ref": "main", "sha": BEFORE}},
        "requested_reviewer": null,
        "repository": {"id": 1, "name": "payments", "full_name": "Acme/payments"},
        "sender": {"id": 1, "login": "alice-ng", "username": "alice-ng"}, "commit_id": "", "review": null,
    });
    event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    event
}

fn gitea_review(kind: &str) -> Value {
    json!({"review": {"type": kind, "content": "good"}})
}

fn parse(forge: Forge, event: &Value) -> Result<Event, EventError> {
    Event::parse(forge, event.to_string().as_bytes())
}

fn approved(commit: Option<&str>) -> Happened {
    Happened::Approved { account: "alice-ng".into(), commit: commit.map(oid) }
}

fn withdrawn() -> Happened {
    Happened::Withdrawn { account: "alice-ng".into() }
}

#[test]
fn each_forge_s_events_say_what_happened() {
    use Forge::{GitHub, GitLab, Gitea};
    let reset = json!({"system": true, "system_action": "approvals_reset_on_push"});
    let cases = [
        (GitLab, gitlab("approval", json!({})), approved(Some(HEAD))),
        (GitLab, gitlab("approved", json!({})), approved(Some(HEAD))),
        (GitLab, gitlab("unapproval", json!({})), withdrawn()),
        (GitLab, gitlab("unapproved", json!({})), withdrawn()),
        (GitLab, gitlab("unapproved", reset.clone()), Happened::Reset),
        (GitLab, gitlab("approved", reset), Happened::Reset),
        (GitLab, gitlab("update", json!({"oldrev": BEFORE})), Happened::Moved),
        (GitLab, gitlab("update", json!({})), Happened::Other),
        (GitLab, gitlab("merge", json!({})), Happened::Other),
        (GitHub, github("submitted", review("approved")), approved(Some(HEAD))),
        (GitHub, github("submitted", review("changes_requested")), withdrawn()),
        (GitHub, github("submitted", review("commented")), Happened::Other),
        (GitHub, github("dismissed", review("dismissed")), withdrawn()),
        (GitHub, github("edited", review("approved")), Happened::Other),
        (GitHub, github("synchronize", json!({"before": BEFORE, "after": HEAD})), Happened::Moved),
        (GitHub, github("opened", json!({})), Happened::Other),
        (Gitea, gitea("reviewed", gitea_review("pull_request_review_approved")), approved(None)),
        (Gitea, gitea("reviewed", gitea_review("pull_request_approved")), approved(None)),
        (Gitea, gitea("reviewed", gitea_review("pull_request_review_rejected")), withdrawn()),
        (Gitea, gitea("reviewed", gitea_review("pull_request_review_comment")), Happened::Other),
        (Gitea, gitea("synchronized", json!({})), Happened::Moved),
        (Gitea, gitea("closed", json!({})), Happened::Other),
    ];
    for (forge, event, happened) in cases {
        let read = parse(forge, &event).unwrap();
        assert_eq!(read.happened, happened, "{event}");
        assert_eq!((read.repository.as_str(), read.target.as_str()), ("Acme/payments", "main"));
        assert_eq!(read.head, oid(HEAD));
        assert!(read.request.starts_with("Acme/payments/") && read.request.ends_with("/17"), "{}", read.request);
    }
}

/// Each key that is read: taken away, of another type, and of no value that it may have.
#[test]
fn a_malformed_event_has_one_error() {
    use Forge::{GitHub, GitLab, Gitea};
    let events = [
        (
            GitLab,
            gitlab("approved", json!({})),
            vec![
                "/object_kind",
                "/user/username",
                "/project/path_with_namespace",
                "/object_attributes/target_branch",
                "/object_attributes/last_commit/id",
                "/object_attributes/url",
            ],
        ),
        (
            GitHub,
            github("submitted", review("approved")),
            vec![
                "/pull_request",
                "/pull_request/html_url",
                "/pull_request/head/sha",
                "/pull_request/base/ref",
                "/repository/full_name",
                "/review/user/login",
                "/review/commit_id",
            ],
        ),
        (
            Gitea,
            gitea("reviewed", gitea_review("pull_request_review_approved")),
            vec![
                "/pull_request",
                "/pull_request/html_url",
                "/pull_request/head/sha",
                "/pull_request/base/ref",
                "/repository/full_name",
                "/sender/login",
            ],
        ),
    ];
    for (forge, event, keys) in events {
        assert!(parse(forge, &event).is_ok());
        for key in keys {
            for value in [Value::Null, json!(7), json!(""), json!("a\nb c")] {
                let mut spoiled = event.clone();
                *spoiled.pointer_mut(key).unwrap() = value;
                let error = parse(forge, &spoiled).expect_err(key).to_string();
                assert!(!error.contains('\n'), "{error}");
            }
        }
        assert!(matches!(Event::parse(forge, b"{"), Err(EventError::Form { .. })));
        assert!(Event::parse(forge, b"[]").is_err());
    }
    let push = json!({"object_kind": "push", "user_username": "alice-ng"});
    assert_eq!(parse(GitLab, &push), Err(EventError::Kind("push".into())));
    assert_eq!(parse(GitHub, &json!({"action": "created", "issue": {}})), Err(EventError::Kind("created".into())));
    assert_eq!(Event::parse(GitHub, &vec![b' '; limits::EVENT_BYTES + 1]), Err(EventError::TooLarge));
    let no_commit = json!({"review": {"id": 80, "user": {"login": "a"}, "state": "approved"}});
    assert_eq!(parse(GitHub, &github("submitted", no_commit)), Err(EventError::Value("review.commit_id")));
}

fn listed(forge: Forge, json: &Value) -> Reviews {
    reviews(forge, json.to_string().as_bytes()).unwrap()
}

#[test]
fn the_last_word_of_each_person_counts() {
    let one = |id: u64, state: &str, commit: &str| json!({"id": id, "user": {"login": "alice-ng"}, "state": state, "commit_id": commit});
    let stands = |forge, list: Value| listed(forge, &list).approves("alice-ng", oid(HEAD));
    assert!(stands(
        Forge::GitHub,
        json!([one(1, "CHANGES_REQUESTED", HEAD), one(2, "APPROVED", HEAD), one(3, "COMMENTED", HEAD)])
    ));
    assert!(!stands(Forge::GitHub, json!([one(1, "APPROVED", HEAD), one(2, "CHANGES_REQUESTED", HEAD)])));
    assert!(!stands(Forge::GitHub, json!([one(2, "DISMISSED", HEAD), one(1, "APPROVED", HEAD)])), "in any order");
    assert!(!stands(Forge::GitHub, json!([one(1, "APPROVED", BEFORE)])), "of an older commit");
    assert!(!stands(Forge::GitHub, json!([])));
    let dismissed = |id, state, dismissed: bool| {
        json!({"id": id, "user": {"login": "alice-ng"}, "state": state, "commit_id": HEAD, "stale": false,
            "official": true, "dismissed": dismissed})
    };
    assert!(stands(Forge::Gitea, json!([dismissed(1, "APPROVED", false), dismissed(2, "COMMENT", false)])));
    assert!(!stands(Forge::Gitea, json!([dismissed(1, "APPROVED", true)])));
    assert!(!stands(Forge::Gitea, json!([dismissed(1, "APPROVED", false), dismissed(2, "REQUEST_CHANGES", false)])));
    let asked = json!([{"id": 1, "user": null, "team": {"name": "t"}, "state": "REQUEST_REVIEW", "commit_id": ""}]);
    assert!(!stands(Forge::Gitea, asked));
    let by = |names: &[&str]| {
        let users: Vec<Value> =
            names.iter().map(|name| json!({"user": {"username": name}, "approved_at": "x"})).collect();
        json!({"id": 5, "iid": 17, "approvals_required": 2, "approved_by": users})
    };
    assert!(stands(Forge::GitLab, by(&["bob", "alice-ng"])));
    assert!(!stands(Forge::GitLab, by(&["bob"])));
    for (forge, bad) in [(Forge::GitLab, "[]"), (Forge::GitHub, "{}"), (Forge::Gitea, "[{}]"), (Forge::GitHub, "")] {
        assert!(reviews(forge, bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn nobody_approves_who_does_not_approve_now() {
    let yes = listed(Forge::GitLab, &json!({"approved_by": [{"user": {"username": "alice-ng"}}]}));
    let no = Reviews::default();
    let event = parse(Forge::GitLab, &gitlab("approval", json!({}))).unwrap();
    assert_eq!(event.approval(Some(&yes)), Ok(Some("alice-ng")));
    assert_eq!(event.approval(None), Ok(Some("alice-ng")));
    assert!(matches!(event.approval(Some(&no)), Err(Unattested::Over { .. })), "played again after it was taken back");
    let mut older = github("submitted", review("approved"));
    older["review"]["commit_id"] = json!(BEFORE);
    let older = parse(Forge::GitHub, &older).unwrap();
    assert!(matches!(older.approval(None), Err(Unattested::Moved { .. })));
    let unsaid = parse(Forge::Gitea, &gitea("reviewed", gitea_review("pull_request_review_approved"))).unwrap();
    assert_eq!(unsaid.approval(None), Err(Unattested::Unsaid));
}

#[test]
fn what_holds_no_more_is_taken_back() {
    let of = |forge, event: Value| parse(forge, &event).unwrap();
    let (head, before) = (oid(HEAD), oid(BEFORE));
    let moved = of(Forge::GitHub, github("synchronize", json!({})));
    assert!(moved.takes_back("alice-ng", before, None) && !moved.takes_back("alice-ng", head, None));
    let withdrawn = of(Forge::GitLab, gitlab("unapproval", json!({})));
    assert!(withdrawn.takes_back("alice-ng", head, None) && !withdrawn.takes_back("bob", head, None));
    let reset = of(Forge::GitLab, gitlab("unapproval", json!({"system": true})));
    assert!(reset.takes_back("bob", head, None));
    // A review is dismissed without an event, and the next one, whatever it is about, tells.
    let other = of(Forge::Gitea, gitea("edited", json!({})));
    assert!(!other.takes_back("bob", head, None) && other.takes_back("bob", head, Some(&Reviews::default())));
}
