//! The repository of a rehearsal: for each case what its ref holds before, and what is pushed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use super::cast::{Cast, Role};
use crate::core::approval::{
    self, Approval, ApprovalPlace, ApprovedCommit, Decision, pre_authentication, seal_envelope,
};
use crate::core::canonical::{CanonicalOid, Sha256, Time};
use crate::core::commit::{DRAFTED, message_digest};
use crate::core::decide::{Timestamp, Verdict};
use crate::core::id::{Id, RepositoryName};
use crate::core::objects::ReadError;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::policy::{Case, Policy, PrincipalKind, Proof, Step};
use crate::core::seal::Root;
use crate::core::ssh::armor;
use crate::core::submitter::{Said, Submitter, Via, Who};
use crate::desk::sealing::{Content, Sealer, change_of};
use crate::desk::who::Agent;
use crate::gate::engine::{NoMemory, PushContext, judge_by};
use crate::gate::push::{Push, RefUpdate};
use crate::gate::ref_values::RefValues;
use crate::gate::session::Session;
use crate::store::{GitDir, Objects, Quarantine, SymbolicRef, peel};
use crate::system::process::git;
use crate::system::{Failure, Result, now};

/// Seconds before the push at which its commits were made.
const MADE: i64 = 3600;

/// Seconds before the push at which they were approved.
const APPROVED: i64 = 60;

/// Seconds for which an approval is given.
const APPROVED_FOR: i64 = 86_400;

/// A repository of its own that goes away with it.
pub(super) struct Stage {
    dir: GitDir,
    objects: Objects,
    _directory: tempfile::TempDir,
    /// For each case, the commit that its ref holds before, and the tree that it is to hold.
    trees: Vec<(Oid, Oid)>,
}

impl Stage {
    /// Stores the files of all cases, in one run of git.
    pub(super) fn set(cases: &[Case]) -> Result<Self> {
        let directory = tempfile::tempdir().map_err(Failure::new)?;
        let path = directory.path().to_owned();
        git(&["init", "--quiet", "--bare", "--template=", "--object-format=sha1", "."]).apart(&path).run()?;
        let stream: String = cases.iter().enumerate().map(|(number, case)| imported(number, case)).collect();
        git(&["fast-import", "--quiet"]).apart(&path).input(stream.as_bytes()).run()?;
        let dir = GitDir::at(&path).map_err(Failure::new)?;
        let objects = Objects::open(&dir, &Quarantine::default(), ObjectFormat::Sha1).map_err(Failure::new)?;
        let named = git(&["for-each-ref", "--format=%(refname) %(objectname) %(tree)", "refs/rehearsal"]);
        let trees = trees(&named.apart(&path).line()?, cases.len())?;
        Ok(Self { dir, objects, _directory: directory, trees })
    }

    pub(super) fn scene<'a>(
        &'a self,
        policy: &'a Policy,
        cast: &'a Cast,
        repository: Option<&'a RepositoryName>,
    ) -> Scene<'a> {
        Scene { stage: self, policy, cast, repository }
    }
}

/// What git imports for a case: its files as they are, and as they are to be (git-fast-import(1)).
fn imported(number: usize, case: &Case) -> String {
    let mut stream = String::new();
    for (state, content) in [("old", "old"), ("new", "new")] {
        let _ = write!(
            stream,
            "commit refs/rehearsal/{number}/{state}\ncommitter r <r@rehearsal.invalid> 0 +0000\ndata 0\n"
        );
        for path in &case.paths {
            let quoted = path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(stream, "M 100644 inline \"{quoted}\"\ndata {}\n{content}\n", content.len());
        }
        stream.push('\n');
    }
    stream
}

fn trees(listed: &str, cases: usize) -> Result<Vec<(Oid, Oid)>> {
    let mut found: BTreeMap<&str, (Option<Oid>, Option<Oid>)> = BTreeMap::new();
    for line in listed.lines() {
        if let [name, commit, tree] = line.split(' ').collect::<Vec<_>>().as_slice() {
            found.insert(name, (Oid::parse(commit.as_bytes()), Oid::parse(tree.as_bytes())));
        }
    }
    let of = |number: usize| {
        let (old, _) = found.get(format!("refs/rehearsal/{number}/old").as_str())?;
        let (_, new) = found.get(format!("refs/rehearsal/{number}/new").as_str())?;
        Some(((*old)?, (*new)?))
    };
    let trees: Option<Vec<_>> = (0..cases).map(of).collect();
    trees.ok_or_else(|| Failure::new("git did not store the files of the cases"))
}

/// Where cases are played.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    stage: &'a Stage,
    policy: &'a Policy,
    cast: &'a Cast,
    repository: Option<&'a RepositoryName>,
}

impl Scene<'_> {
    /// Judges the push of one case.
    pub(super) fn play(&self, number: usize, case: &Case) -> Result<Verdict> {
        let (before, tree) = *self.stage.trees.get(number).ok_or_else(|| Failure::new("there is no such case"))?;
        let repository = self.repository.ok_or_else(|| Failure::new("the repository has no name"))?;
        let now = case.on.and_then(|day| day.noon()).map_or_else(now, Ok)?;
        let parent = (case.step != Step::Create).then_some(before);
        let mut refs = CaseRefs { objects: &self.stage.objects, values: BTreeMap::new() };
        let new = match case.step {
            Step::Delete => None,
            Step::Forward | Step::Create | Step::Force => {
                let made = Made { parent, tree, at: Timestamp(now.0 - MADE) };
                let commit = self.commit(case, &made, repository)?;
                for approver in &case.approvals {
                    let (place, blob) = self.approve((case, approver), (&made, commit), repository)?;
                    refs.values.insert(place.to_string(), blob);
                }
                Some(case.squashed_by.as_ref().map_or(Ok(commit), |by| self.squash(by, &made))?)
            }
        };
        let old = match case.step {
            Step::Create => None,
            Step::Forward | Step::Delete => Some(before),
            // What the push drops stands beside what it brings.
            Step::Force => Some(self.store(
                &Made { parent, tree: self.tree(before)?, at: now },
                "r <r@rehearsal.invalid>",
                None,
                b"Dropped\n",
            )?),
        };
        refs.values.extend(old.map(|old| (case.target.clone(), old)));
        let update = RefUpdate { name: case.target.as_bytes().into(), old, new, claimed: None };
        let push = Push { updates: vec![update], format: ObjectFormat::Sha1 };
        let context = PushContext {
            dir: &self.stage.dir,
            objects: &self.stage.objects,
            refs: &refs,
            memory: &NoMemory,
            stores: &[],
            submitter: &self.submitter(case)?,
            now,
            session: &Session::on_desk(),
        };
        Ok(judge_by(self.policy, repository, &push, context))
    }

    /// Who pushes. Where a service lands what somebody else asks for, its pages were used.
    fn submitter(&self, case: &Case) -> Result<Submitter> {
        let Some(pusher) = &case.pusher else { return Ok(Submitter::Unknown("the case says so".to_owned())) };
        let role = self.cast.role(pusher)?;
        let carried = case.squashed_by.is_some() && role.kind != PrincipalKind::Service;
        let via = if carried { Via::Forge } else { Via::Push };
        Ok(Submitter::Said(Said { who: Who::Key(role.public().clone()), via }))
    }

    /// The commit as its maker leaves it.
    fn commit(&self, case: &Case, made: &Made, repository: &RepositoryName) -> Result<Oid> {
        let role = case.maker.as_ref().map(|maker| self.cast.role(maker)).transpose()?;
        let ident = role.map_or("nobody <nobody@rehearsal.invalid>", |role| &role.ident);
        let mut message = case.message.clone().unwrap_or_else(|| SUBJECT.to_owned());
        if !message.ends_with('\n') {
            message.push('\n');
        }
        if let Some(agent) = &case.adopts {
            let _ = write!(message, "\n{DRAFTED}: {agent}\n");
        }
        let message = message.into_bytes();
        match (case.proof, case.maker.as_ref(), role) {
            (Proof::Seal, Some(agent), Some(role)) => {
                let sealed = self.seal((agent, role), made, (ident, &message), repository)?;
                self.store(made, ident, None, &sealed)
            }
            (Proof::Signature, _, signer) => self.store(made, ident, signer, &message),
            (Proof::Seal | Proof::None, ..) => self.store(made, ident, None, &message),
        }
    }

    fn seal(
        &self,
        (agent, role): (&Id, &Role),
        made: &Made,
        (ident, message): (&str, &[u8]),
        repository: &RepositoryName,
    ) -> Result<Vec<u8>> {
        let agent =
            Agent { id: agent.clone(), key: PathBuf::new(), model: None, task: None, env: None, below: Vec::new() };
        let sealer =
            Sealer { agent, key: role.sealing_key()?, certificate: None, repository: repository.clone(), role: None };
        let author = made.dated(ident);
        let content = Content {
            change: change_of(&self.stage.objects, made.parent.as_slice(), made.tree)?,
            author: author.as_bytes(),
            merges: &[],
            root: Root::of(made.parent.as_slice()),
        };
        Ok(sealer.seal_message(message, &BTreeSet::new(), &content))
    }

    /// Stores somebody's approval of the commit.
    fn approve(
        &self,
        (case, approver): (&Case, &Id),
        (made, commit): (&Made, Oid),
        repository: &RepositoryName,
    ) -> Result<(ApprovalPlace, Oid)> {
        let objects = &self.stage.objects;
        let raw = objects.commit(commit).map_err(Failure::new)?;
        let parsed = crate::core::commit::Commit::parse(&raw, ObjectFormat::Sha1);
        let parsed = parsed.map_err(|error| Failure::new(error.to_string()))?;
        let change = change_of(objects, made.parent.as_slice(), made.tree)?;
        let issued = made.at.0 + MADE - APPROVED;
        let agent = case.maker.as_ref().filter(|_| case.proof == Proof::Seal).or(case.adopts.as_ref());
        let approval = Approval {
            decision: Decision::Approve,
            repository: repository.to_string(),
            name: case.target.clone(),
            base: made.parent.map(CanonicalOid),
            head: CanonicalOid(commit),
            change: Sha256(change),
            commits: vec![ApprovedCommit {
                id: CanonicalOid(commit),
                change: Sha256(change),
                message: Sha256(message_digest(parsed.message)),
            }],
            agents: agent.map(ToString::to_string).into_iter().collect(),
            approver: approver.to_string(),
            attested: None,
            issued: Time(Timestamp(issued)),
            expires: Time(Timestamp(issued + APPROVED_FOR)),
            policy: Sha256(self.policy.digest()),
            comment: None,
        };
        let statement = approval.to_statement().map_err(Failure::new)?;
        let authenticated = pre_authentication(statement.as_bytes());
        let signature = self.cast.role(approver)?.sign(approval::NAMESPACE, &authenticated);
        let envelope = seal_envelope(&statement, &signature).map_err(Failure::new)?;
        let blob = objects.write_blob(envelope.as_bytes()).map_err(Failure::new)?;
        Ok((ApprovalPlace { target: case.target.clone(), change, approver: approver.clone(), service: None }, blob))
    }

    /// What a service lands in its place, as forges word it.
    fn squash(&self, service: &Id, made: &Made) -> Result<Oid> {
        let role = self.cast.role(service)?;
        self.store(made, &role.ident, Some(role), format!("{} (#1)\n", SUBJECT.trim_end()).as_bytes())
    }

    fn tree(&self, commit: Oid) -> Result<Oid> {
        crate::desk::sealing::tree_of(&self.stage.objects, commit)
    }

    /// Stores a commit, signed as git signs it (gitformat-signature(5)).
    fn store(&self, made: &Made, ident: &str, signer: Option<&Role>, message: &[u8]) -> Result<Oid> {
        let mut head = format!("tree {}\n", made.tree);
        if let Some(parent) = made.parent {
            let _ = writeln!(head, "parent {parent}");
        }
        let dated = made.dated(ident);
        let _ = writeln!(head, "author {dated}\ncommitter {dated}");
        let unsigned = [head.as_bytes(), b"\n", message].concat();
        let raw = match signer {
            None => unsigned,
            Some(signer) => {
                let signature = armor(&signer.sign("git", &unsigned));
                let folded = signature.trim_end().replace('\n', "\n ");
                [head.as_bytes(), format!("gpgsig {folded}\n\n").as_bytes(), message].concat()
            }
        };
        self.stage.objects.write_commit(&raw).map_err(Failure::new)
    }
}

/// The message of commits whose words do not matter.
const SUBJECT: &str = "Change files\n";

/// What a commit holds besides who made it.
struct Made {
    parent: Option<Oid>,
    tree: Oid,
    at: Timestamp,
}

impl Made {
    fn dated(&self, ident: &str) -> String {
        format!("{ident} {} +0000", self.at.0)
    }
}

/// The refs of a repository in which there is nothing but what a case is about.
struct CaseRefs<'a> {
    objects: &'a Objects,
    values: BTreeMap<String, Oid>,
}

impl RefValues for CaseRefs<'_> {
    fn value(&self, name: &str) -> std::result::Result<Option<Oid>, ReadError> {
        Ok(self.values.get(name).copied())
    }

    fn select(&self, wanted: &mut dyn FnMut(&[u8]) -> bool) -> std::result::Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        let mut found = Vec::new();
        for (name, id) in self.values.iter().filter(|(name, _)| wanted(name.as_bytes())) {
            found.extend(peel(self.objects, *id)?.map(|commit| (name.clone().into_bytes(), commit)));
        }
        Ok(found)
    }

    fn list(&self, prefix: &str) -> std::result::Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        let below = self.values.iter().filter(|(name, _)| name.starts_with(prefix));
        Ok(below.map(|(name, id)| (name.clone().into_bytes(), *id)).collect())
    }

    fn head_branch(&self) -> std::result::Result<Option<String>, ReadError> {
        Ok(None)
    }

    fn symbolic_refs(&self, _: &BTreeSet<String>) -> std::result::Result<Vec<SymbolicRef>, ReadError> {
        Ok(Vec::new())
    }
}
