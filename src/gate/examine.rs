//! One commit after another from its raw bytes to facts: read, compared with its parents, its seals and signature verified.

use std::cell::OnceCell;
use std::num::NonZeroUsize;

use crate::core::commit::{Address, Commit, Ident, RawSignature, SealBlock, message_digest, parse_trailers};
use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, Doubt, MergeFact, ObjectForm, SealFact, SignatureFact};
use crate::core::grant::{self, Grant};
use crate::core::id::{Id, RepositoryName};
use crate::core::limits;
use crate::core::marks::{MarkSearch, unreadable_encoding};
use crate::core::objects::{Contents as _, ReadError};
use crate::core::oid::Oid;
use crate::core::openpgp;
use crate::core::policy::{Below, Policy, Principal, PrincipalKind, Rule};
use crate::core::seal::SealOutcome;
use crate::core::signature::{ObjectSignature, SigningKey};
use crate::core::ssh::{ClaimedSignature, claimed_key, claimed_key_id};
use crate::core::tree::{
    ChangeDigest, ChangeError, EntryDifference, EntryMode, Lineage, MergeTrees, NewCommits, Value, WalkError,
    WalkLimits, each_change, each_own_entry,
};
use crate::gate::session::Session;
use crate::store::{GitDir, History, Objects, Stores};
use crate::system::{Failure, threads};

/// Commits for which another thread is worth starting. Below it, opening the stores again costs more than it saves.
const COMMITS_PER_THREAD: usize = 64;

/// Threads at most: each has caches of its own, within the memory budget (`limits`).
const THREADS: usize = 4;

/// The same where new commits are many, and finding them again takes half the memory budget.
const THREADS_AMONG_MANY: usize = 2;

/// The main thread's stack on Linux: trees are followed by recursion, to the depth of a limit.
const STACK_BYTES: usize = 8 << 20;

/// Everything that examining a commit depends on besides its objects.
#[derive(Clone, Copy)]
pub(crate) struct Standard<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) dir: &'a GitDir,
    pub(crate) repository: &'a RepositoryName,
    /// Files whose changes an admin has approved by a pin: no rule with paths is about them.
    pub(crate) pinned: &'a [String],
    pub(crate) session: &'a Session,
}

/// Examines commits.
pub(crate) struct Examiner<'a> {
    standard: Standard<'a>,
    objects: &'a Objects,
    history: History<'a>,
    /// Made when the first commit is searched: a push that brings none needs no list of marks.
    search: OnceCell<MarkSearch<'a>>,
}

impl<'a> Examiner<'a> {
    pub(crate) fn new(standard: Standard<'a>, objects: &'a Objects) -> Self {
        Self { standard, objects, history: History::new(objects, standard.dir), search: OnceCell::new() }
    }

    /// Leaves changes to these files to the pin.
    pub(crate) fn with_pinned(mut self, files: &'a [String]) -> Self {
        self.standard.pinned = files;
        self
    }

    /// What finds the marks of agents.
    pub(crate) fn search(&self) -> &MarkSearch<'a> {
        self.search.get_or_init(|| MarkSearch::new(self.standard.policy.marks()))
    }

    /// Examines all commits, many of them on several threads, and answers in their order. `among` are the new ones that they are of: with
    /// them, telling what a merge merged costs less.
    pub(crate) fn examine_all(&self, commits: &[Oid], among: Option<&NewCommits>) -> Vec<Result<CommitFacts, Doubt>> {
        let threads = commits.len() / COMMITS_PER_THREAD;
        if threads < 2 {
            return self.examine_in_turn(commits, among);
        }
        let most = if among.is_some_and(|new| new.len() > limits::COMMITS) { THREADS_AMONG_MANY } else { THREADS };
        let threads = threads.min(most).min(std::thread::available_parallelism().map_or(1, NonZeroUsize::get));
        let mut shares = commits.chunks(commits.len().div_ceil(threads));
        let first = shares.next().unwrap_or_default();
        threads::scope(|scope| {
            let (standard, stores) = (self.standard, self.objects.stores());
            let others: Vec<_> = shares
                .map(|share| {
                    let work = move || examine_share(standard, stores, share, among);
                    (share, std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work))
                })
                .collect();
            let mut examined = self.examine_in_turn(first, among);
            for (share, thread) in others {
                // Where no thread can be started, or one fails, this one does its work.
                let done = thread.ok().and_then(|thread| thread.join().ok());
                examined.extend(done.unwrap_or_else(|| self.examine_in_turn(share, among)));
            }
            examined
        })
    }

    /// The last one first: packs store what is old as a difference from what is new, so that each tree leads to the next.
    fn examine_in_turn(&self, commits: &[Oid], among: Option<&NewCommits>) -> Vec<Result<CommitFacts, Doubt>> {
        let lineage = Lineage::new(&self.history, among, WalkLimits::PUSH);
        let mut examined: Vec<_> = commits.iter().rev().map(|commit| self.examine(*commit, &lineage)).collect();
        examined.reverse();
        examined
    }

    /// Reads and verifies one commit. Its position is the caller's to say.
    fn examine(&self, id: Oid, lineage: &Lineage<'_>) -> Result<CommitFacts, Doubt> {
        self.standard.session.examined();
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
            form: ObjectForm::Canonical,
            tree_fault: None,
            touched: Vec::new(),
            seals: Ok(Vec::new()),
            drafted: Vec::new(),
            signature: SignatureFact::None,
            marks: Vec::new(),
            unreadable_encoding: None,
            unsigned_service: None,
            merge: MergeFact::Unexamined,
            outside: Vec::new(),
        };
        match Commit::parse(&raw, self.objects.format()) {
            Ok(commit) => self.read_commit(&commit, lineage, &mut facts)?,
            Err(reason) => facts.form = ObjectForm::Malformed(reason),
        }
        Ok(facts)
    }

    /// Fills in the facts.
    fn read_commit(&self, commit: &Commit<'_>, lineage: &Lineage<'_>, facts: &mut CommitFacts) -> Result<(), Doubt> {
        facts.author = address(&commit.author);
        facts.committer = address(&commit.committer);
        facts.message = message_digest(commit.message);
        match self.read_change(commit, lineage, facts) {
            Ok(()) => {}
            Err(ChangeError::Malformed { tree, reason }) if !reason.is_limit() => {
                facts.tree_fault = Some(ChangeError::Malformed { tree, reason }.to_string());
            }
            Err(error) => return Err(change_doubt(error)),
        }
        facts.unreadable_encoding = unreadable_encoding(commit.encoding);
        facts.marks = commit.author.marks(self.search(), commit.message, commit.encoding);
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
        let sealed = facts.seals.as_ref().is_ok_and(|seals| !seals.is_empty());
        if !sealed || self.is_a_service_s(commit.signature.as_ref()) {
            facts.signature = signature_fact(commit.signature.as_ref(), Some(self.standard.policy));
        }
        self.read_outside(commit, lineage, facts).map_err(change_doubt)
    }

    /// For each grant that the commit was made under and that limits its paths, the first path that it leaves them by: of what the commit
    /// changes, or at a merge of what is the merge's own.
    fn read_outside(
        &self,
        commit: &Commit<'_>,
        lineage: &Lineage<'_>,
        facts: &mut CommitFacts,
    ) -> Result<(), ChangeError> {
        let policy = self.standard.policy;
        let certificates = facts.received().filter_map(|(key, _)| match key {
            SigningKey::Certified(certificate) if policy.is_granted(certificate) => Some(certificate),
            SigningKey::Certified(_) | SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => None,
        });
        let grants = certificates.filter_map(|certificate| Some((certificate.digest(), Grant::of(certificate).ok()?)));
        let grants: Vec<(Digest, Grant)> =
            grants.filter(|(_, grant)| grant::bounds(policy, grant).any(|scope| scope.paths.is_some())).collect();
        if grants.is_empty() || facts.tree_fault.is_some() {
            return Ok(());
        }
        let mut outside: Vec<(Digest, Vec<u8>)> = Vec::new();
        let mut meet = |change: EntryDifference<'_>| {
            for (digest, grant) in &grants {
                let covered = grant::bounds(policy, grant).all(|scope| scope.covers_path(change.path));
                if !covered && outside.iter().all(|(known, _)| known != digest) {
                    outside.push((*digest, change.path.iter().take(limits::PATH_BYTES).copied().collect()));
                }
            }
        };
        let parents =
            commit.parents.iter().map(|parent| self.objects.tree_of(*parent)).collect::<Result<Vec<_>, _>>()?;
        if parents.len() > 1 {
            let bases = lineage.merge_bases(&commit.parents)?;
            let bases = bases.into_iter().map(|base| self.objects.tree_of(base)).collect::<Result<Vec<_>, _>>()?;
            each_own_entry(self.objects, &MergeTrees { merge: commit.tree, parents, bases }, &mut meet)?;
        } else {
            each_change(self.objects, parents.first().copied(), commit.tree, &mut meet)?;
        }
        facts.outside = outside;
        Ok(())
    }

    /// Compares a commit with its parents: its change, and which rules with paths it touches.
    fn read_change(
        &self,
        commit: &Commit<'_>,
        lineage: &Lineage<'_>,
        facts: &mut CommitFacts,
    ) -> Result<(), ChangeError> {
        let parents =
            commit.parents.iter().map(|parent| self.objects.tree_of(*parent)).collect::<Result<Vec<_>, _>>()?;
        let mut digest = ChangeDigest::new(self.objects.format());
        let mut touched = Touched::new(&self.standard);
        let (mut is_empty, is_merge) = (true, parents.len() > 1);
        each_change(self.objects, parents.first().copied(), commit.tree, &mut |change| {
            is_empty = false;
            digest.add(change);
            if !is_merge {
                touched.meet(change);
            }
        })?;
        if is_merge && touched.is_asked_for() {
            let bases = lineage.merge_bases(&commit.parents)?;
            let bases = bases.into_iter().map(|base| self.objects.tree_of(base)).collect::<Result<Vec<_>, _>>()?;
            let trees = MergeTrees { merge: commit.tree, parents, bases };
            each_own_entry(self.objects, &trees, &mut |entry| touched.meet(entry))?;
        }
        (facts.change, facts.is_empty, facts.touched) = (Some(digest.finish()), is_empty, touched.paths);
        Ok(())
    }

    /// Whether a signature names the key of a service.
    fn is_a_service_s(&self, signature: Option<&RawSignature>) -> bool {
        let (policy, Some(signature)) = (self.standard.policy, signature) else { return false };
        let is_service = |holder: &Principal| holder.kind == PrincipalKind::Service;
        if is_openpgp(signature) {
            let claimed = openpgp::ClaimedSignature::from_armor(&signature.armor);
            return claimed
                .is_ok_and(|claimed| policy.certificates_of(claimed.issuer()).any(|(holder, _)| is_service(holder)));
        }
        let claimed = ClaimedSignature::certified_from_armor(&signature.armor).ok();
        claimed.and_then(|claimed| policy.by_key(claimed.key())).is_some_and(is_service)
    }

    fn verify_seal(&self, commit: &Commit<'_>, block: &SealBlock, change: Digest) -> SealFact {
        let outcome = block.verify(commit, self.standard.repository, change);
        let task = match &outcome {
            SealOutcome::Holds(seal) if matches!(seal.signer(), SigningKey::Certified(_)) => block.claim.task.clone(),
            SealOutcome::Holds(_) | SealOutcome::Stale(_) | SealOutcome::Bad(_) => None,
        };
        SealFact { agent: block.claim.agent.clone(), role: block.claim.role.clone(), task, outcome }
    }

    /// The tree of a commit, well formed or not.
    pub(crate) fn tree_of(&self, commit: Oid) -> Result<Oid, Doubt> {
        self.objects.tree_of(commit).map_err(unreadable)
    }
}

/// Which rules with paths a commit touches, each by the first path that is met.
struct Touched<'p> {
    pinned: &'p [String],
    open: Vec<(usize, &'p Rule)>,
    paths: Vec<(usize, Vec<u8>)>,
}

impl<'p> Touched<'p> {
    fn new(standard: &Standard<'p>) -> Self {
        let rules = standard.policy.rules().iter().enumerate();
        Self {
            pinned: standard.pinned,
            open: rules.filter(|(_, rule)| rule.is_path_rule()).collect(),
            paths: Vec::new(),
        }
    }

    fn is_asked_for(&self) -> bool {
        !self.open.is_empty()
    }

    fn meet(&mut self, change: EntryDifference<'_>) {
        if self.pinned.iter().any(|file| file.as_bytes() == change.path) {
            return;
        }
        let paths = &mut self.paths;
        self.open.retain(|(position, rule)| {
            let touched = touches(rule, change);
            if touched {
                paths.push((*position, change.path.iter().take(SHOWN_PATH).copied().collect()));
            }
            !touched
        });
    }
}

/// Bytes of a path that are kept to be shown.
const SHOWN_PATH: usize = 256;

/// The work of another thread, which needs objects of its own.
fn examine_share(
    standard: Standard<'_>,
    stores: &Stores,
    commits: &[Oid],
    among: Option<&NewCommits>,
) -> Vec<Result<CommitFacts, Doubt>> {
    match stores.open() {
        Ok(objects) => Examiner::new(standard, &objects).examine_in_turn(commits, among),
        Err(error) => vec![Err(unreadable(error))],
    }
}

/// Reads a signature and verifies it, as git signs: SSH in the namespace `git`, or OpenPGP (git-commit(1), gpg.format).
pub(crate) fn signature_fact(signature: Option<&RawSignature>, policy: Option<&Policy>) -> SignatureFact {
    let Some(signature) = signature else { return SignatureFact::None };
    if is_openpgp(signature) {
        return openpgp_fact(signature, policy);
    }
    if !signature.armor.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
        return SignatureFact::Unsupported("X.509");
    }
    let verify = |claimed: ClaimedSignature| claimed.verify("git", &signature.payload);
    match ClaimedSignature::certified_from_armor(&signature.armor).and_then(verify) {
        Ok(verified) => SignatureFact::Good(ObjectSignature::Ssh(verified)),
        Err(reason) => SignatureFact::Bad {
            reason: reason.into(),
            claimed: claimed_key(&signature.armor),
            named: claimed_agent(&signature.armor),
        },
    }
}

/// The agent that the certificate of a signature says it is of, whether anything of it is true.
fn claimed_agent(armor: &[u8]) -> Option<Id> {
    Id::parse(claimed_key_id(armor)?.as_bytes())
}

fn is_openpgp(signature: &RawSignature) -> bool {
    signature.armor.starts_with(b"-----BEGIN PGP ")
}

/// Of several certificates with one key id, the one that made it counts.
fn openpgp_fact(signature: &RawSignature, policy: Option<&Policy>) -> SignatureFact {
    let bad =
        |reason: openpgp::SignatureError| SignatureFact::Bad { reason: reason.into(), claimed: None, named: None };
    let claimed = match openpgp::ClaimedSignature::from_armor(&signature.armor) {
        Ok(claimed) => claimed,
        Err(reason) => return bad(reason),
    };
    let mut fact = SignatureFact::Foreign(claimed.issuer().clone());
    for (_, certificate) in policy.into_iter().flat_map(|policy| policy.certificates_of(claimed.issuer())) {
        match claimed.verify(certificate, &signature.payload) {
            Ok(verified) => return SignatureFact::Good(ObjectSignature::OpenPgp(verified)),
            Err(reason) => fact = bad(reason),
        }
    }
    fact
}

/// Whether a change is of the rule's paths. What is behind a link or a submodule is not in this tree.
pub(crate) fn touches(rule: &Rule, change: EntryDifference<'_>) -> bool {
    let opaque = |side: Option<Value>| matches!(side, Some((EntryMode::Symlink | EntryMode::Submodule, _)));
    let below = if opaque(change.old) || opaque(change.new) { Below::Anything } else { Below::Named };
    rule.touches(change.path, below).is_some()
}

/// An address as far as it can be anybody's: what is longer than mail allows (RFC 5321, 4.5.3.1) is nobody's.
pub(super) fn address(ident: &Ident<'_>) -> Address {
    let address = ident.address();
    if address.as_bytes().len() <= limits::EMAIL_BYTES { address } else { Address::default() }
}

/// The first line of a commit's message, capped.
fn summary(raw: &[u8]) -> Vec<u8> {
    let message =
        raw.windows(2).position(|pair| pair == b"\n\n").and_then(|end| raw.get(end + 2..)).unwrap_or_default();
    message.split(|byte| *byte == b'\n').next().unwrap_or_default().iter().take(120).copied().collect()
}

pub(crate) fn unreadable(error: ReadError) -> Doubt {
    match error {
        ReadError::TooLarge { .. } => Doubt::Limit(error.to_string()),
        error => Doubt::Unreadable(Failure::caused(&error).message),
    }
}

pub(crate) fn walk_doubt(error: WalkError) -> Doubt {
    match error {
        WalkError::Read(error) => unreadable(error),
        error @ (WalkError::TooMany(_) | WalkError::TooFar(_)) => Doubt::Limit(error.to_string()),
    }
}

pub(crate) fn change_doubt(error: ChangeError) -> Doubt {
    match error {
        ChangeError::Read(error) => unreadable(error),
        ChangeError::Walk(error) => walk_doubt(error),
        ChangeError::Malformed { tree, reason } if reason.is_limit() => {
            Doubt::Limit(ChangeError::Malformed { tree, reason }.to_string())
        }
        error @ ChangeError::Malformed { .. } => Doubt::Unreadable(error.to_string()),
        error @ (ChangeError::TooMany | ChangeError::OverBudget) => Doubt::Limit(error.to_string()),
    }
}
