//! `countersign sign`: an agent seals its commits, or a person adopts them.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use crate::core::commit::{Commit, DRAFTED, Trailers, ends_in_trailers, parse_trailers};
use crate::core::id::{Id, RepositoryName};
use crate::core::marks::{Catalogue, MarkSearch, Strength, squashed_authors};
use crate::core::oid::Oid;
use crate::core::report::escape;
use crate::core::seal::AGENT_KEY;
use crate::core::seal::Root;
use crate::core::ssh::{ClaimedSignature, claimed_key};
use crate::desk::clone::{Local, is_ancestor, repository_by};
use crate::desk::person_key::{PersonKey, with_signature};
use crate::desk::sealing::{Content, Sealer, Seals, change_of, drafted_in, in_utf8, rebuild, seals_of, without_ours};
use crate::desk::unsealed;
use crate::desk::who::{Agent, Desk, agent_named, desk};
use crate::store::Objects;
use crate::system::process::git;
use crate::system::{Configuration, Exit, Failure, OnDisk as _, Result, print, say};

/// What is sealed or adopted, and by whom.
pub(crate) struct Request {
    /// The commits: OLD..HEAD, or COMMITs one by one; without any, those of HEAD that no remote-tracking branch has
    pub(crate) ranges: Vec<String>,
    /// Seal as this agent instead of the one whose process this is; with --adopt, the drafter of commits that do not say
    pub(crate) agent: Option<String>,
    /// As a person, make agents' commits yours: name the agent that drafted them, and sign
    pub(crate) adopt: bool,
    /// The step that the agent performed, on commits that another agent has sealed as their author
    pub(crate) role: Option<String>,
    /// The model that the agent ran on
    pub(crate) model: Option<String>,
    /// The task that the agent worked on
    pub(crate) task: Option<String>,
    /// Also rewrite commits that were pushed, signed, or made by others
    pub(crate) force: bool,
}

pub(crate) fn run(request: &Request) -> Result {
    let local = Local::open()?;
    refuse_mid_rebase(&local)?;
    let repository = desk_repository()?;
    let head = local.commit("HEAD")?;
    let chosen = chosen(&local, &request.ranges, head)?;
    let work = work(request, &repository)?;
    let others = match &work {
        Work::Seal(sealer) => others_work(&local.objects, &chosen, &sealer.agent)?,
        Work::Adopt { .. } => BTreeSet::new(),
    };
    let plain = match &work {
        Work::Seal(sealer) => plain(&local, &chosen, sealer)?,
        Work::Adopt { .. } => BTreeSet::new(),
    };
    let rewriter = Rewriter {
        objects: &local.objects,
        repository: &repository,
        work,
        others,
        force: if request.force { Force::Yes } else { Force::No },
        wanted: [request.model.clone(), request.task.clone()],
        own_email: own_email()?,
        published: published(&chosen.commits)?,
        plain,
    };
    let rewritten = rewriter.rewrite(&chosen)?;
    let new_head = rewritten.get(&head).copied().unwrap_or(head);
    if let (Force::No, Work::Seal(sealer)) = (rewriter.force, &rewriter.work) {
        let left: Vec<&Oid> = chosen.commits.iter().filter(|id| rewriter.plain.contains(id)).collect();
        for id in left.iter().take(SHOWN) {
            let short = rewritten.get(id).copied().unwrap_or(**id).short();
            say(&format!(
                "countersign: left {short}: it shows no agent's hand; to seal it too: countersign sign {short} --agent {}",
                sealer.agent.id
            ));
        }
        if let Some(more) = left.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            say(&format!("countersign: and {more} more that show no agent's hand"));
        }
    }
    if new_head == head {
        say(match rewriter.work {
            Work::Seal(_) => "countersign: nothing to rewrite",
            Work::Adopt { .. } => {
                "countersign: nothing to adopt: no commit here shows an agent's hand; --agent ID says whose draft it was"
            }
        });
        return Ok(Exit::Accepted);
    }
    git(&["update-ref", "-m", "countersign sign", "HEAD", &new_head.to_string(), &head.to_string()]).run()?;
    unsealed::forget(&local, &chosen.commits);
    let changed =
        chosen.commits.iter().filter_map(|old| Some((old, rewritten.get(old)?))).filter(|(old, new)| old != new);
    print(&changed.map(|(old, new)| format!("{old} -> {new}\n")).collect::<String>())?;
    Ok(Exit::Accepted)
}

/// How many commits are named that are left.
const SHOWN: usize = 10;

/// The name that seals made on this desk are bound to.
pub(crate) fn desk_repository() -> Result<RepositoryName> {
    let top = git(&["rev-parse", "--show-toplevel"]).line().ok();
    repository_by(&Configuration::load()?, &Local::open()?, top.as_deref().map(Path::new))
}

fn refuse_mid_rebase(local: &Local) -> Result<()> {
    let busy = ["rebase-merge", "rebase-apply"].iter().any(|name| local.dir.git_dir.join(name).on_disk().exists());
    if busy {
        return Err(Failure::new("a rebase is under way").hint("finish it, then sign:\ngit rebase --continue"));
    }
    Ok(())
}

/// The commits to look at, oldest first: those to work on, and all after them up to HEAD.
#[derive(Default)]
struct Chosen {
    commits: Vec<Oid>,
    work_on: BTreeSet<Oid>,
    /// Those of them that were named one by one.
    named: BTreeSet<Oid>,
}

fn chosen(local: &Local, ranges: &[String], head: Oid) -> Result<Chosen> {
    match ranges {
        [] => {
            let commits = rev_list(&["HEAD", "--not", "--remotes"])?;
            if commits.is_empty() {
                return Err(Failure::new("every commit of HEAD is on a remote-tracking branch")
                    .hint("name the commits:\ncountersign sign OLD..HEAD --force"));
            }
            Ok(Chosen { work_on: commits.iter().copied().collect(), commits, named: BTreeSet::new() })
        }
        [range] => chosen_by(local, range, head),
        several => {
            let mut all = Chosen::default();
            for range in several {
                let one = chosen_by(local, range, head)?;
                all.commits.extend(one.commits);
                all.work_on.extend(one.work_on);
                all.named.extend(one.named);
            }
            let found: BTreeSet<Oid> = all.commits.iter().copied().collect();
            // Oldest first, over all that were named.
            let mut ordered = rev_list(&[&head.to_string()])?;
            ordered.retain(|id| found.contains(id));
            Ok(Chosen { commits: ordered, ..all })
        }
    }
}

fn chosen_by(local: &Local, range: &str, head: Oid) -> Result<Chosen> {
    let head_text = head.to_string();
    match range.split_once("..") {
        Some((old, new)) => {
            if local.commit(if new.is_empty() { "HEAD" } else { new })? != head {
                return Err(Failure::new("only commits up to HEAD are rewritten")
                    .hint(format!("switch to it, then sign:\ngit switch {new}")));
            }
            let commits = rev_list(&[&head_text, "--not", &local.commit(old)?.to_string()])?;
            Ok(Chosen { work_on: commits.iter().copied().collect(), commits, named: BTreeSet::new() })
        }
        None => {
            let one = local.commit(range)?;
            if !is_ancestor(one, head)? {
                return Err(Failure::new(format!("{range} is not part of HEAD")));
            }
            let mut commits = rev_list(&["--ancestry-path", &head_text, &format!("^{one}")])?;
            commits.insert(0, one);
            Ok(Chosen { commits, work_on: BTreeSet::from([one]), named: BTreeSet::from([one]) })
        }
    }
}

fn rev_list(arguments: &[&str]) -> Result<Vec<Oid>> {
    let output = git(&[&["rev-list", "--topo-order", "--reverse"], arguments].concat()).run()?;
    let parse =
        |line: &[u8]| Oid::parse(line).ok_or_else(|| Failure::new("git rev-list printed something that is no id"));
    output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(parse).collect()
}

/// Which of the commits a remote-tracking branch already has.
fn published(commits: &[Oid]) -> Result<BTreeSet<Oid>> {
    let unpublished: BTreeSet<Oid> = rev_list(&["HEAD", "--not", "--remotes"])?.into_iter().collect();
    Ok(commits.iter().copied().filter(|commit| !unpublished.contains(commit)).collect())
}

/// The commits that show no agent's hand, and that nobody named one by one: a person's, as far as anybody can tell. Those that this
/// agent's process made here and could not seal are its own.
fn plain(local: &Local, chosen: &Chosen, sealer: &Sealer) -> Result<BTreeSet<Oid>> {
    let recorded = unsealed::recorded(local);
    let mut plain = BTreeSet::new();
    for id in chosen.work_on.iter().filter(|id| !chosen.named.contains(id)) {
        let raw = local.objects.commit(*id).map_err(Failure::new)?;
        let Ok(commit) = Commit::parse(&raw, local.objects.format()) else { continue };
        let own = recorded.get(id).is_some_and(|agent| sealer.agent.is_called(agent));
        let signature = commit.signature.as_ref().and_then(|signature| claimed_key(&signature.armor));
        if is_plain(&commit) && !own && signature.as_ref() != Some(sealer.key.public()) {
            plain.insert(*id);
        }
    }
    Ok(plain)
}

/// Of commits of which some show the hand of this agent, those that show only another's. Where none does, whoever asks knows best.
fn others_work(objects: &Objects, chosen: &Chosen, agent: &Agent) -> Result<BTreeSet<Oid>> {
    let (mut others, mut own) = (BTreeSet::new(), false);
    for id in &chosen.work_on {
        let raw = objects.commit(*id).map_err(Failure::new)?;
        let Ok(commit) = Commit::parse(&raw, objects.format()) else { continue };
        let marks = authored_marks(&commit);
        if marks.iter().any(|mark| agent.is_called(mark)) {
            own = true;
        } else if !marks.is_empty() && drafters(commit.message).is_empty() {
            others.insert(*id);
        }
    }
    Ok(if own { others } else { BTreeSet::new() })
}

fn own_email() -> Result<Vec<u8>> {
    let ident = git(&["var", "GIT_AUTHOR_IDENT"]).run()?;
    let email = ident.split(|byte| *byte == b'<').nth(1).and_then(|rest| rest.split(|byte| *byte == b'>').next());
    Ok(email.unwrap_or_default().to_vec())
}

/// What to do with each commit.
enum Work {
    Seal(Box<Sealer>),
    Adopt { key: PersonKey, drafter: Option<Id> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Force {
    Yes,
    No,
}

fn work(request: &Request, repository: &RepositoryName) -> Result<Work> {
    let at_desk = desk()?;
    if request.adopt {
        if let Desk::Agent(_) | Desk::Unknown(_) | Desk::Ambiguous(_) = at_desk {
            return Err(Failure::new("an agent's process cannot adopt: adopting is a person's answer for the work")
                .hint("a person runs this in a terminal of their own; an agent runs:\ncountersign sign"));
        }
        let parse =
            |id: &String| Id::parse(id.as_bytes()).ok_or_else(|| Failure::new("an id is [a-z0-9][a-z0-9._-]{0,63}"));
        let drafter = request.agent.as_ref().map(parse).transpose()?;
        return Ok(Work::Adopt { key: PersonKey::configured()?, drafter });
    }
    let mut agent = match (&request.agent, at_desk) {
        (Some(id), _) => agent_named(id)?,
        (None, Desk::Agent(agent)) => agent,
        (None, Desk::Person) => {
            return Err(Failure::new("no agent runs this process").hint(
                "as an agent, or to make its work yours:\ncountersign sign --agent ID\ncountersign sign --adopt",
            ));
        }
        (None, Desk::Unknown(tool)) => return Err(unknown_agent(&tool)),
        (None, Desk::Ambiguous(tools)) => return Err(ambiguous(&tools)),
        (None, Desk::Doubted(tool)) => return Err(doubted(&tool)),
    };
    agent.model = request.model.clone().or(agent.model);
    agent.task = request.task.clone().or(agent.task);
    for value in [&agent.model, &agent.task].into_iter().flatten() {
        if crate::core::seal::plain_value(value.as_bytes()).is_none() {
            return Err(Failure::new(format!("\"{}\" cannot stand in a seal", escape(value.as_bytes(), 120)))
                .hint("use 1 to 100 printable ASCII characters"));
        }
    }
    let role = request.role.as_ref().map(|role| {
        let parsed = Id::parse(role.as_bytes()).filter(|role| role.as_str() != crate::core::seal::AUTHOR);
        parsed.ok_or_else(|| Failure::new("a role is [a-z0-9][a-z0-9._-]{0,63} and not author"))
    });
    Ok(Work::Seal(Box::new(Sealer::open(agent, repository.clone(), role.transpose()?)?)))
}

/// An agent that this clone does not know cannot seal.
pub(crate) fn unknown_agent(tool: &str) -> Failure {
    let id = if Id::parse(tool.as_bytes()).is_some() { tool } else { "ID" };
    Failure::new(format!("this process is {}'s, and this clone has no key for it", escape(tool.as_bytes(), 80))).hint(
        format!(
            "set COUNTERSIGN_AGENT to one that git config knows, or register this one:\ncountersign agent add {id}"
        ),
    )
}

/// Two agents' marks at once: sealing as either could be wrong.
pub(crate) fn ambiguous(tools: &BTreeSet<String>) -> Failure {
    let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
    Failure::new(format!("this process bears the marks of several agents: {}", tools.join(", ")))
        .hint("set COUNTERSIGN_AGENT to the one that is at work")
}

/// What the environment says may be a remnant.
pub(crate) fn doubted(tool: &str) -> Failure {
    let shown = escape(tool.as_bytes(), 80);
    Failure::new(format!("the environment says {shown}, but whoever set it is gone, and a person may be at work here"))
        .hint(format!("say which it is, {shown} or none:\nexport COUNTERSIGN_AGENT={shown}"))
}

struct Rewriter<'a> {
    objects: &'a Objects,
    repository: &'a RepositoryName,
    work: Work,
    force: Force,
    /// The model and the task that the command line names.
    wanted: [Option<String>; 2],
    own_email: Vec<u8>,
    published: BTreeSet<Oid>,
    /// Commits without a trace of an agent: a person's, as far as anybody can tell.
    plain: BTreeSet<Oid>,
    /// Commits that show another agent's hand, among others that show this one's.
    others: BTreeSet<Oid>,
}

impl Rewriter<'_> {
    /// Writes new objects; nothing refers to them until all are there.
    fn rewrite(&self, chosen: &Chosen) -> Result<HashMap<Oid, Oid>> {
        let mut rewritten: HashMap<Oid, Oid> = HashMap::new();
        for id in &chosen.commits {
            let raw = self.objects.commit(*id).map_err(Failure::new)?;
            let commit = Commit::parse(&raw, self.objects.format()).map_err(|error| {
                Failure::new(format!("commit {id}: {error}")).hint("make it again:\ngit rebase --force-rebase")
            })?;
            let parents: Vec<Oid> =
                commit.parents.iter().map(|parent| rewritten.get(parent).copied().unwrap_or(*parent)).collect();
            let worked = if chosen.work_on.contains(id) { self.worked(*id, &raw, &commit, &parents)? } else { None };
            let object = match worked {
                None if parents == commit.parents => {
                    rewritten.insert(*id, *id);
                    continue;
                }
                None => self.carried_along(*id, &raw, &commit, &parents)?,
                Some(object) => object,
            };
            if self.published.contains(id) && self.force == Force::No {
                return Err(Failure::new(format!("{} is on a remote-tracking branch already", id.short()))
                    .hint("add --force to rewrite it all the same; others who have it will need to follow"));
            }
            rewritten.insert(*id, self.objects.write_commit(&object).map_err(Failure::new)?);
        }
        Ok(rewritten)
    }

    /// The commit that the work makes of one; `None` where it stays.
    fn worked(&self, id: Oid, raw: &[u8], commit: &Commit<'_>, parents: &[Oid]) -> Result<Option<Vec<u8>>> {
        match &self.work {
            Work::Seal(sealer) => {
                let base = self.to_be_sealed(sealer, id, commit, parents)?;
                // A person's signature adds nothing to a sealed commit.
                let drafted = match base {
                    Some(Base::WithoutOurs) => drafted_in(commit.message),
                    Some(Base::Whole) | None => BTreeSet::new(),
                };
                base.map(|base| sealed(self.objects, sealer, (id, raw, commit), (parents, &drafted), base)).transpose()
            }
            Work::Adopt { key, drafter } => {
                let message = Self::adopted(commit, drafter.as_ref());
                message.map(|message| self.signed(key, &rebuild(raw, commit, parents, &message))).transpose()
            }
        }
    }

    /// The message to seal, without what stands in it of ours unless a step is added to it; `None` where the commit is left.
    fn to_be_sealed(&self, sealer: &Sealer, id: Oid, commit: &Commit<'_>, parents: &[Oid]) -> Result<Option<Base>> {
        let seals = seals_of(self.objects, self.repository, commit)?;
        let short = id.short();
        let base = match (&seals, &sealer.role) {
            (Seals::Hold(author, key), None)
                if *author == sealer.agent.id
                    && key == sealer.signer()
                    && parents.get(1..) == commit.parents.get(1..)
                    && self.agrees(commit) =>
            {
                return Ok(None);
            }
            (Seals::Hold(author, _), None) if *author != sealer.agent.id && self.force == Force::No => {
                say(&format!(
                    "countersign: left {short}: {author} has sealed it; --role adds a step, --force replaces the seal"
                ));
                return Ok(None);
            }
            (Seals::Hold(_, key), None) if key != sealer.signer() && self.force == Force::No && has_steps(commit) => {
                say(&format!(
                    "countersign: left {short}: others have sealed it after a seal with another key; --force drops theirs"
                ));
                return Ok(None);
            }
            (Seals::Hold(..), Some(_)) => Base::Whole,
            (_, Some(_)) => {
                return Err(Failure::new(format!("{short} has no author's seal that holds, so no step can be added")));
            }
            _ => Base::WithoutOurs,
        };
        if sealer.role.is_none() && self.force == Force::No && !self.is_agents_work(commit, &seals) {
            let author = escape(commit.author.name, 60);
            say(&format!("countersign: left {short}: {author} made it; --force seals it all the same"));
            return Ok(None);
        }
        let adopted = |trailers: Trailers| trailers.blocks.is_empty() && !trailers.drafted.is_empty();
        if self.force == Force::No && parse_trailers(commit.message).is_ok_and(adopted) {
            say(&format!("countersign: left {short}: a person has adopted it; --force seals it all the same"));
            return Ok(None);
        }
        if self.force == Force::No && is_signed(commit, sealer) && is_plain(commit) {
            say(&format!(
                "countersign: left {short}: it is signed, and shows no agent's hand; --force drops the signature"
            ));
            return Ok(None);
        }
        if self.others.contains(&id) && self.force == Force::No {
            let agents = escape(authored_marks(commit).join(" and ").as_bytes(), 80);
            say(&format!("countersign: left {short}: it bears the mark of {agents}; --force seals it all the same"));
            return Ok(None);
        }
        if self.plain.contains(&id) && self.force == Force::No {
            return Ok(None);
        }
        Ok(Some(base))
    }

    /// Whether the author's seal says what the command line wants it to say.
    fn agrees(&self, commit: &Commit<'_>) -> bool {
        let claim = parse_trailers(commit.message).ok().and_then(|trailers| trailers.blocks.into_iter().next());
        let Some(claim) = claim.map(|block| block.claim) else { return false };
        let [model, task] = &self.wanted;
        (model.is_none() || *model == claim.model) && (task.is_none() || *task == claim.task)
    }

    /// An agent seals what is committed under this desk's name, or shows that an agent made it.
    fn is_agents_work(&self, commit: &Commit<'_>, seals: &Seals) -> bool {
        commit.author.email == self.own_email || *seals != Seals::None || !authored_marks(commit).is_empty()
    }

    /// A person's claim in place of the seals, one line for each agent. Commits that show no agent's hand are left.
    fn adopted(commit: &Commit<'_>, drafter: Option<&Id>) -> Option<Vec<u8>> {
        let mut agents = drafters(commit.message);
        if agents.is_empty() {
            let marked = authored_marks(commit).into_iter().find_map(|agent| Id::parse(agent.as_bytes()));
            agents.insert(drafter.cloned().or(marked)?);
        }
        let mut message = without_ours(commit.message);
        if !message.ends_with(b"\n") {
            message.push(b'\n');
        }
        if !ends_in_trailers(&message) {
            message.push(b'\n');
        }
        for agent in agents {
            message.extend_from_slice(format!("{DRAFTED}: {agent}\n").as_bytes());
        }
        Some(message)
    }

    /// A commit above a rewritten one, which only moves along.
    fn carried_along(&self, id: Oid, raw: &[u8], commit: &Commit<'_>, parents: &[Oid]) -> Result<Vec<u8>> {
        let object = rebuild(raw, commit, parents, commit.message);
        let own = commit.committer.email == self.own_email;
        match (&self.work, &commit.signature) {
            (_, None) => Ok(object),
            (Work::Adopt { key, .. }, Some(_)) if own => self.signed(key, &object),
            (_, Some(_)) if self.force == Force::Yes => Ok(object),
            (_, Some(_)) => Err(Failure::new(format!(
                "{} stands above a rewritten commit and would lose its signature",
                id.short()
            ))
            .hint(
                "--force drops the signature; its signer can sign again:\ngit rebase --force-rebase --exec 'git commit --amend --no-edit -S'",
            )),
        }
    }

    fn signed(&self, key: &PersonKey, object: &[u8]) -> Result<Vec<u8>> {
        Ok(with_signature(object, self.objects.format().signature_header(), &key.sign("git", object)?))
    }
}

/// The agents that a message names as its authors. Squashing leaves blocks in the middle, where they have no reading but
/// still tell.
pub(crate) fn drafters(message: &[u8]) -> BTreeSet<Id> {
    if let Ok(trailers) = parse_trailers(message) {
        let author = trailers.blocks.into_iter().next().map(|block| block.claim.agent);
        let own: BTreeSet<Id> = author.into_iter().chain(trailers.drafted).collect();
        return if own.is_empty() { squashed_authors(message) } else { own };
    }
    let named = |line: &[u8]| {
        let value = [AGENT_KEY, DRAFTED].iter().find_map(|key| line.strip_prefix(key.as_bytes()))?;
        Id::parse(value.strip_prefix(b":")?.trim_ascii())
    };
    message.split(|byte| *byte == b'\n').filter_map(named).collect()
}

/// Whether a commit shows no agent's hand.
fn is_plain(commit: &Commit<'_>) -> bool {
    authored_marks(commit).is_empty() && drafters(commit.message).is_empty()
}

/// Whether a commit has a signature, other than one of the key that seals which does not verify: that is the agent's work, and
/// nobody accepts it as it stands.
fn is_signed(commit: &Commit<'_>, sealer: &Sealer) -> bool {
    let Some(signature) = &commit.signature else { return false };
    let verifies = |claimed: ClaimedSignature| claimed.verify("git", &signature.payload).is_ok();
    claimed_key(&signature.armor).as_ref() != Some(sealer.key.public())
        || ClaimedSignature::certified_from_armor(&signature.armor).is_ok_and(verifies)
}

/// Whether there are seals besides the author's.
fn has_steps(commit: &Commit<'_>) -> bool {
    parse_trailers(commit.message).is_ok_and(|trailers| trailers.blocks.len() > 1)
}

/// The agents whose marks of authorship a commit bears.
fn authored_marks(commit: &Commit<'_>) -> Vec<String> {
    let marks = commit.author.marks(&MarkSearch::new(Catalogue::builtin()), commit.message, commit.encoding);
    marks.into_iter().filter(|mark| mark.strength == Strength::Authored).map(|mark| mark.agent).collect()
}

/// What of a message a new seal stands under.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// All of it: another agent's step.
    Whole,
    /// What is not ours.
    WithoutOurs,
}

/// A commit with a seal, and with other parents where those were rewritten.
fn sealed(
    objects: &Objects,
    sealer: &Sealer,
    (id, raw, commit): (Oid, &[u8], &Commit<'_>),
    (parents, drafted): (&[Oid], &BTreeSet<Id>),
    base: Base,
) -> Result<Vec<u8>> {
    let plain = in_utf8(id, raw, commit)?;
    let commit = Commit::parse(&plain, objects.format()).map_err(Failure::new)?;
    let message = match base {
        Base::Whole => commit.message.to_vec(),
        Base::WithoutOurs => without_ours(commit.message),
    };
    if message.iter().all(u8::is_ascii_whitespace) {
        return Err(Failure::new(format!("{} has no message that could be sealed", id.short()))
            .hint("git commit --amend -m MESSAGE"));
    }
    let content = Content {
        change: change_of(objects, parents, commit.tree)?,
        author: commit.author.raw,
        merges: parents.get(1..).unwrap_or_default(),
        root: Root::of(parents),
    };
    Ok(rebuild(&plain, &commit, parents, &sealer.seal_message(&message, drafted, &content)))
}

/// Seals one commit that this desk's agent has just made, of what these have drafted. Returns the new object.
pub(crate) fn reseal(
    objects: &Objects,
    repository: &RepositoryName,
    agent: Agent,
    (id, raw, commit): (Oid, &[u8], &Commit<'_>),
    drafted: &BTreeSet<Id>,
) -> Result<Vec<u8>> {
    let sealer = Sealer::open(agent, repository.clone(), None)?;
    sealed(objects, &sealer, (id, raw, commit), (&commit.parents, drafted), Base::WithoutOurs)
}
