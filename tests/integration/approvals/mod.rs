//! Approvals behind real pushes: what they survive, what voids them, and who may give them.

mod landings;
mod matrix;
mod merges;
mod records;
mod rules;

use std::time::{SystemTime, UNIX_EPOCH};

use countersign::core::approval::{
    Approval, ApprovalPlace, ApprovedCommit, Decision, NAMESPACE, pre_authentication, seal_envelope,
};
use countersign::core::canonical::{CanonicalOid, Sha256, Time};
use countersign::core::decide::Timestamp;
use countersign::core::digest::Digest;
use countersign::core::oid::Oid;

use crate::world::{Actor, BOB, CLAUDE, Pushed, REPOSITORY, World, registry};

pub const CAROL: Actor = Actor { id: "carol", seed: 3 };
/// Carol's other key.
pub const CAROLS_SECOND: Actor = Actor { id: "carol", seed: 4 };

/// A rule on main that asks for one approval of agents' work.
pub const ONE_APPROVAL: &str = r#"
[[rule]]
name = "branches"
refs = ["refs/heads/**"]
identity = "agents"

[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "agents"
force-push = "deny"
delete = "deny"
[rule.approvals]
from = ["maintainers"]
"#;

/// A protected server, with people who approve.
pub struct ProtectedServer {
    pub world: World,
}

/// An approval that can be spoiled before it is signed.
#[derive(Clone)]
pub struct Draft {
    pub approval: Approval,
    pub place: ApprovalPlace,
    pub signer: Actor,
}

impl Draft {
    pub fn at(mut self, issued: i64) -> Self {
        self.approval.issued = Time(Timestamp(issued));
        self
    }

    pub fn expiring(mut self, expires: i64) -> Self {
        self.approval.expires = Time(Timestamp(expires));
        self
    }

    pub fn withdrawn(mut self) -> Self {
        self.approval.decision = Decision::Withdraw;
        self
    }

    pub fn signed_by(mut self, signer: Actor) -> Self {
        self.signer = signer;
        self
    }

    pub fn envelope(&self) -> String {
        let statement = self.approval.to_statement().unwrap();
        let signature = self.signer.key().sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
        seal_envelope(&statement, &signature).unwrap()
    }
}

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

pub fn people() -> String {
    format!(
        "{}\n[people.carol]\nemails = [\"carol@acme.dev\"]\nkeys = [\"{}\", \"{}\"]\n\n[groups]\nmaintainers = [\"alice\", \"bob\", \"carol\"]\n",
        registry(),
        CAROL.line(),
        CAROLS_SECOND.line()
    )
}

fn oid(text: &str) -> Oid {
    Oid::parse(text.as_bytes()).unwrap()
}

impl World {
    /// What a person who looks at `head` would sign for `target`, by git and FORMAT.md alone.
    pub fn draft(&self, head: &str, target: &str, by: Actor) -> Draft {
        let world = self;
        let head = world.git(&["rev-parse", head]);
        let remote = target.replace("refs/heads/", "refs/remotes/origin/");
        let known = world.git(&["for-each-ref", "--format=%(objectname)", &remote]);
        // Where there is no such ref yet, all history is new.
        let (base, old, range) = if known.is_empty() {
            ("0".repeat(head.len()), world.empty_tree(), head.clone())
        } else {
            let base = world.git(&["merge-base", &head, &remote]);
            (base.clone(), base.clone(), format!("{base}..{head}"))
        };
        let listed = world.git(&["rev-list", "--topo-order", "--reverse", &range]);
        let commits: Vec<ApprovedCommit> = listed.lines().map(|id| self.approved(id)).collect();
        let messages: Vec<String> = listed.lines().map(|id| world.git(&["log", "-1", "--format=%B", id])).collect();
        let sealed = messages.iter().flat_map(|message| message.lines());
        let mut agents: Vec<String> =
            sealed.filter_map(|line| line.strip_prefix("Countersign-Agent: ").map(str::to_owned)).collect();
        agents.sort();
        agents.dedup();
        let change = world.change_digest(&old, &head);
        let approval = Approval {
            decision: Decision::Approve,
            repository: REPOSITORY.into(),
            name: target.into(),
            base: Oid::parse(base.as_bytes()).map(CanonicalOid),
            head: CanonicalOid(oid(&head)),
            change: Sha256(change),
            commits,
            agents,
            approver: by.id.into(),
            attested: None,
            issued: Time(Timestamp(now() - 10)),
            expires: Time(Timestamp(now() + 7 * 86_400)),
            policy: Sha256(Digest::of(b"policy")),
            comment: None,
        };
        let approver = countersign::core::id::Id::parse(by.id.as_bytes()).unwrap();
        Draft { approval, place: ApprovalPlace { target: target.into(), change, approver, service: None }, signer: by }
    }

    fn approved(&self, id: &str) -> ApprovedCommit {
        let raw = String::from_utf8(self.raw("commit", id)).unwrap();
        let (_, message) = raw.split_once("\n\n").unwrap();
        let end = message.find("Countersign-").unwrap_or(message.len());
        let parents = self.git(&["rev-list", "--parents", "-n", "1", id]);
        let parent = parents.split(' ').nth(1).map_or_else(|| self.empty_tree(), str::to_owned);
        ApprovedCommit {
            id: CanonicalOid(oid(id)),
            change: Sha256(self.change_digest(&parent, id)),
            message: Sha256(Digest::of(&message.as_bytes()[..end])),
        }
    }

    /// Stores a record in the clone. Returns what pushes it.
    pub fn refspec(&self, draft: &Draft) -> String {
        self.refspec_of(&draft.envelope(), &draft.place.to_string())
    }

    pub fn refspec_of(&self, envelope: &str, place: &str) -> String {
        let blob = self.git_with(&["hash-object", "-w", "--stdin"], envelope.as_bytes());
        format!("+{blob}:{place}")
    }
}

impl std::ops::Deref for ProtectedServer {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl ProtectedServer {
    /// A server under `rules` whose main has three files.
    pub fn new(rules: &str) -> Self {
        Self::with(&format!("{}{rules}", people()), "sha1")
    }

    pub fn with(policy: &str, format: &'static str) -> Self {
        Self::over(World::with(policy, format))
    }

    /// A protected server over what has been laid out.
    pub fn over(world: World) -> Self {
        world.commit("shared.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "Begin\n");
        world.commit("other.txt", "other\n", "More\n");
        world.sign_head(crate::world::ALICE);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.push(&["HEAD:refs/heads/main"]).accepted();
        let (server, file) = (world.server().display().to_string(), world.policy_path().display().to_string());
        let output = world.countersign(&["install", "--server", &server, "--policy", &file, "--baseline"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        world.git(&["fetch", "-q", "origin"]);
        world.git(&["checkout", "-q", "-b", "work"]);
        Self { world }
    }

    /// A server under [`ONE_APPROVAL`] with two commits of claude-code on the branch `work`.
    pub fn at_work() -> Self {
        let setup = Self::new(ONE_APPROVAL);
        setup.agent("a.txt", "a\n", "Add a\n");
        setup.agent("b.txt", "b\n", "Add b\n");
        setup
    }

    pub fn agent(&self, file: &str, content: &str, message: &str) -> String {
        self.world.commit(file, content, message);
        self.world.seal_head(CLAUDE)
    }

    /// Approves `head` for main, as bob, and pushes that.
    pub fn approve(&self, head: &str) {
        self.world.push(&[&self.refspec(&self.draft(head, "refs/heads/main", BOB))]).accepted();
    }

    pub fn push_main(&self, what: &str) -> Pushed {
        let pushed = self.world.push(&[&format!("{what}:refs/heads/main")]);
        self.world.git(&["fetch", "-q", "origin"]);
        pushed
    }

    /// Somebody else's work on main, which needs nobody's approval.
    pub fn main_moves(&self, file: &str, content: &str) {
        let branch = self.world.git(&["symbolic-ref", "--short", "HEAD"]);
        self.world.git(&["checkout", "-q", "-B", "theirs", "origin/main"]);
        self.world.commit(file, content, "By hand\n");
        self.push_main("theirs").accepted();
        self.world.git(&["checkout", "-q", &branch]);
    }

    /// Merges on a branch made at `ours`, with the tree that `change` leaves. HEAD is the merge.
    pub fn merge(&self, ours: &str, theirs: &str, change: impl FnOnce(&World)) {
        self.world.git(&["checkout", "-q", "-B", "merged", ours]);
        self.world.git(&["merge", "-q", "--no-ff", "--no-commit", theirs]);
        change(&self.world);
        self.world.git(&["add", "--all"]);
        self.world.git(&["commit", "-q", "-m", "Merge"]);
    }
}
