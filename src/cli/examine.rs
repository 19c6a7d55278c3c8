//! One commit after another from its raw bytes to facts: read, compared with its parents, its seals and signature verified.

use std::num::NonZeroUsize;
use std::sync::LazyLock;

use super::deadline;
use crate::core::commit::{Address, Block, Commit, RawSignature, above_our_lines, parse_trailers};
use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, Doubt, Form, MergeFact, SealFact, SignatureFact};
use crate::core::id::RepositoryName;
use crate::core::marks::Catalogue;
use crate::core::oid::Oid;
use crate::core::policy::{Below, Policy, Rule};
use crate::core::seal::{self, Root};
use crate::core::ssh::{ClaimedSignature, claimed_key};
use crate::store::{Change, ChangeError, EntryMode, MalformedTree, Objects, ReadError, Stores, changes, digest};

/// Commits for which another thread is worth starting. Below it, opening the stores again costs more than it saves.
const COMMITS_PER_THREAD: usize = 64;

/// Threads at most: each has caches of its own, within the memory budget of design.md 6.
const THREADS: usize = 4;

/// The main thread's stack on Linux: trees are followed by recursion, to the depth of a limit.
const STACK_BYTES: usize = 8 << 20;

/// Everything that examining a commit depends on besides its objects.
#[derive(Clone, Copy)]
pub(super) struct Standard<'a> {
    pub(super) policy: &'a Policy,
    pub(super) repository: &'a RepositoryName,
    pub(super) marks: &'a LazyLock<Catalogue>,
}

/// Examines commits.
pub(super) struct Examiner<'a> {
    standard: Standard<'a>,
    objects: &'a Objects,
}

/// What was found in one commit.
pub(super) struct Examined {
    pub(super) facts: CommitFacts,
    /// Its change against its first parent, as far as some rule's paths cover it.
    pub(super) sensitive: Vec<Change>,
}

impl<'a> Examiner<'a> {
    pub(super) fn new(standard: Standard<'a>, objects: &'a Objects) -> Self {
        Self { standard, objects }
    }

    /// Examines all commits, many of them on several threads. The answer is that of one after the other: it ends at the first
    /// commit, in their order, that leaves a doubt.
    pub(super) fn examine_all(&self, commits: &[Oid]) -> Vec<Result<Examined, Doubt>> {
        let threads = commits.len() / COMMITS_PER_THREAD;
        if threads < 2 {
            return self.examine_in_turn(commits);
        }
        let threads = threads.min(THREADS).min(std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
        let mut shares = commits.chunks(commits.len().div_ceil(threads));
        let first = shares.next().unwrap_or_default();
        std::thread::scope(|scope| {
            let (standard, stores) = (self.standard, self.objects.stores());
            let others: Vec<_> = shares
                .map(|share| {
                    let work = move || examine_share(standard, stores, share);
                    (share, std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work))
                })
                .collect();
            let mut examined = self.examine_in_turn(first);
            for (share, thread) in others {
                // Where no thread can be started, or one fails, this one does its work.
                let done = thread.ok().and_then(|thread| thread.join().ok());
                examined.extend(done.unwrap_or_else(|| self.examine_in_turn(share)));
            }
            examined
        })
    }

    fn examine_in_turn(&self, commits: &[Oid]) -> Vec<Result<Examined, Doubt>> {
        let mut examined = Vec::with_capacity(commits.len());
        for commit in commits {
            examined.push(self.examine(*commit));
            if examined.last().is_some_and(Result::is_err) {
                break;
            }
        }
        examined
    }

    /// Reads and verifies one commit. Its position is the caller's to say.
    fn examine(&self, id: Oid) -> Result<Examined, Doubt> {
        deadline::examined();
        let raw = self.objects.commit(id).map_err(unreadable)?;
        let mut facts = CommitFacts {
            id,
            summary: summary(&raw),
            author: Address::default(),
            committer: Address::default(),
            change: None,
            is_empty: false,
            message: Digest::of(b""),
            approves: Vec::new(),
            position: 0,
            form: Form::Canonical,
            tree_fault: None,
            seals: Ok(Vec::new()),
            drafted: Vec::new(),
            signature: SignatureFact::None,
            marks: Vec::new(),
            unsigned_service: None,
            merge: MergeFact::Unexamined,
        };
        let mut sensitive = Vec::new();
        match Commit::parse(&raw, self.objects.format()) {
            Ok(commit) => sensitive = self.read_commit(&commit, &mut facts)?,
            Err(reason) => facts.form = Form::Malformed(reason),
        }
        Ok(Examined { facts, sensitive })
    }

    /// Fills in the facts. Returns the commit's change as far as some rule's paths cover it.
    fn read_commit(&self, commit: &Commit<'_>, facts: &mut CommitFacts) -> Result<Vec<Change>, Doubt> {
        facts.author = commit.author.address();
        facts.committer = commit.committer.address();
        facts.message = Digest::of(above_our_lines(commit.message));
        let mut sensitive = Vec::new();
        let parent_tree = commit.parents.first().map(|parent| self.tree_of(*parent)).transpose()?;
        match changes(self.objects, parent_tree, commit.tree) {
            Ok(changes) => {
                facts.is_empty = changes.is_empty();
                facts.change = Some(digest(&changes, commit.tree));
                sensitive = self.sensitive(changes);
            }
            Err(error @ ChangeError::Malformed { reason: MalformedTree::TooDeep, .. }) => {
                return Err(Doubt::Limit(error.to_string()));
            }
            Err(error @ ChangeError::Malformed { .. }) => {
                facts.tree_fault = Some(error.to_string());
            }
            Err(error) => return Err(change_doubt(error)),
        }
        facts.marks = commit.author.marks(self.standard.marks, commit.message);
        match parse_trailers(commit.message) {
            Err(fault) => facts.seals = Err(fault),
            Ok(trailers) => {
                facts.drafted = trailers.drafted;
                facts.approves = trailers.approves;
                // Without a change there is nothing to hold a seal against; the tree fault refuses the commit.
                let blocks = trailers.blocks.iter().filter_map(|block| Some((block, facts.change?)));
                let verify = |(block, change)| self.verify_seal(commit, block, change);
                // Facts of every commit are held at once, so they take no more room than they need.
                let mut seals: Vec<SealFact> = blocks.map(verify).collect();
                seals.shrink_to_fit();
                facts.seals = Ok(seals);
            }
        }
        if !facts.seals.as_ref().is_ok_and(|seals| !seals.is_empty()) {
            facts.signature = signature_fact(commit.signature.as_ref());
        }
        Ok(sensitive)
    }

    fn sensitive(&self, mut changes: Vec<Change>) -> Vec<Change> {
        let path_rules = || self.standard.policy.rules().iter().filter(|rule| rule.is_path_rule());
        changes.retain(|change| path_rules().any(|rule| touches(rule, change)));
        changes.shrink_to_fit();
        changes
    }

    fn verify_seal(&self, commit: &Commit<'_>, block: &Block, change: Digest) -> SealFact {
        let outcome = seal::verify(
            &block.claim,
            &seal::Subject {
                repository: self.standard.repository,
                author: commit.author.raw,
                merges: commit.parents.get(1..).unwrap_or_default(),
                root: if commit.parents.is_empty() { Root::Yes } else { Root::No },
                change,
                message: Digest::of(commit.message.get(..block.covered).unwrap_or_default()),
            },
        );
        // A sealed message has one reading only in UTF-8.
        let outcome = if commit.encoding.is_some() { seal::Outcome::Bad(seal::BadSeal::Encoding) } else { outcome };
        SealFact { agent: block.claim.agent.clone(), role: block.claim.role.clone(), outcome }
    }

    /// The name that seals are bound to.
    pub(super) fn repository(&self) -> &'a RepositoryName {
        self.standard.repository
    }

    /// The tree of a commit, well formed or not.
    pub(super) fn tree_of(&self, commit: Oid) -> Result<Oid, Doubt> {
        let raw = self.objects.commit(commit).map_err(unreadable)?;
        let tree = raw.strip_prefix(b"tree ").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
        tree.and_then(Oid::parse).ok_or_else(|| Doubt::Unreadable(format!("commit {commit} has no tree")))
    }
}

/// The work of another thread, which needs objects of its own.
fn examine_share(standard: Standard<'_>, stores: &Stores, commits: &[Oid]) -> Vec<Result<Examined, Doubt>> {
    match stores.open() {
        Ok(objects) => Examiner::new(standard, &objects).examine_in_turn(commits),
        Err(error) => vec![Err(unreadable(error))],
    }
}

/// Reads a signature and verifies it, as git signs: namespace `git` (git-commit(1), gpg.format ssh).
pub(super) fn signature_fact(signature: Option<&RawSignature>) -> SignatureFact {
    let Some(signature) = signature else { return SignatureFact::None };
    if !signature.armor.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
        let openpgp = signature.armor.starts_with(b"-----BEGIN PGP");
        return SignatureFact::Unsupported(if openpgp { "OpenPGP" } else { "X.509" });
    }
    let verify = |claimed: ClaimedSignature| claimed.verify("git", &signature.payload);
    match ClaimedSignature::from_armor(&signature.armor).and_then(verify) {
        Ok(verified) => SignatureFact::Good(verified),
        Err(reason) => SignatureFact::Bad { reason, claimed: claimed_key(&signature.armor) },
    }
}

/// Whether a change is of the rule's paths. What is behind a link or a submodule is not in this tree.
pub(super) fn touches(rule: &Rule, change: &Change) -> bool {
    let opaque = |side: Option<(EntryMode, Oid)>| matches!(side, Some((EntryMode::Symlink | EntryMode::Submodule, _)));
    let below = if opaque(change.old) || opaque(change.new) { Below::Anything } else { Below::Named };
    rule.touches(&change.path, below).is_some()
}

/// The first line of a commit's message, capped.
fn summary(raw: &[u8]) -> Vec<u8> {
    let message =
        raw.windows(2).position(|pair| pair == b"\n\n").and_then(|end| raw.get(end + 2..)).unwrap_or_default();
    message.split(|byte| *byte == b'\n').next().unwrap_or_default().iter().take(120).copied().collect()
}

pub(super) fn unreadable(error: ReadError) -> Doubt {
    match error {
        ReadError::TooLarge { .. } => Doubt::Limit(error.to_string()),
        error => {
            let mut reason = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                reason = format!("{reason}: {cause}");
                source = cause.source();
            }
            Doubt::Unreadable(reason)
        }
    }
}

pub(super) fn change_doubt(error: ChangeError) -> Doubt {
    match error {
        ChangeError::Read(error) => unreadable(error),
        error @ ChangeError::Malformed { .. } => Doubt::Unreadable(error.to_string()),
        error @ (ChangeError::TooMany | ChangeError::OverBudget) => Doubt::Limit(error.to_string()),
    }
}
