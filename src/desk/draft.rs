//! A commit that is being made, as its hooks see it before it is there: its message, tree, parents and author.

use std::path::Path;

use crate::core::commit::{Commit, names_utf8, parse_trailers};
use crate::core::id::RepositoryName;
use crate::core::oid::Oid;
use crate::core::seal::Root;
use crate::desk::ancestry::{amends, runs_commit_msg, subcommand};
use crate::desk::clone::{Local, is_ancestor, repository_by};
use crate::desk::maker::{Candidate, Made, Replaced, maker_over};
use crate::desk::note::Note;
use crate::desk::sealing::{Content, Sealer, change_of, drafted_in, without_ours};
use crate::desk::who::Agent;
use crate::store::{peel, written_tree};
use crate::system::process::git;
use crate::system::{Failure, Result, disk, env};

/// What the hooks of one commit know of it.
pub(crate) struct Draft<'a> {
    pub(crate) local: &'a Local,
    pub(crate) note: &'a Note,
}

impl Draft<'_> {
    /// The name that its seal is bound to. Hooks run at the top of the worktree.
    pub(crate) fn repository(&self) -> Result<RepositoryName> {
        repository_by(&self.note.configuration, self.local, Some(Path::new(".")))
    }

    /// The tree that the commit will have: git has written it before it runs hooks.
    pub(crate) fn tree(&self) -> Result<Oid> {
        let named = env::var_os("GIT_INDEX_FILE").map(Into::into);
        let index = named.unwrap_or_else(|| self.local.dir.git_dir.join("index"));
        match written_tree(&index, self.local.objects.format()) {
            Some(tree) if self.local.objects.contains(tree).map_err(Failure::new)? => Ok(tree),
            _ => object_id(&git(&["write-tree"]).line()?),
        }
    }

    /// Whether the hook that is given the message now is the last one before git makes the commit of it.
    pub(crate) fn is_last_to_see_the_message(&self) -> bool {
        !self.note.git.words.is_empty() && !runs_commit_msg(&self.note.git.words) && !is_edited()
    }

    fn command(&self) -> Option<(&str, &[std::ffi::OsString])> {
        subcommand(&self.note.git.words)
    }

    fn amends(&self) -> bool {
        self.command().is_some_and(|(name, options)| name == "commit" && amends(options))
    }

    /// The parents that the commit will have. MERGE_HEAD may name annotated tags. Where HEAD is contained in what is merged, as with
    /// several branches that all stand on it, git leaves it out, unless the merge may not be a fast-forward (builtin/merge.c,
    /// reduce_parents; builtin/commit.c, reduce_heads_replace).
    pub(crate) fn parents(&self) -> Result<Vec<Oid>> {
        let (local, head) = (self.local, self.note.head);
        if let Some(head) = head.filter(|_| self.amends()) {
            let raw = local.objects.commit(head).map_err(Failure::new)?;
            return Ok(Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?.parents);
        }
        let state = |name: &str| disk::read(local.dir.git_dir.join(name)).unwrap_or_default();
        let mut merged = Vec::new();
        for id in state("MERGE_HEAD").split(|byte| *byte == b'\n').filter_map(Oid::parse) {
            merged.extend(peel(&local.objects, id).map_err(Failure::new)?);
        }
        let Some(head) = head else { return Ok(merged) };
        if state("MERGE_MODE").trim_ascii() != b"no-ff" {
            for other in &merged {
                if is_ancestor(head, *other)? {
                    return Ok(merged);
                }
            }
        }
        merged.insert(0, head);
        Ok(merged)
    }

    /// The author that the commit will have; `None` where it cannot be told.
    fn author(&self) -> Result<Option<Vec<u8>>> {
        match self.command() {
            // Git says to the hooks of a commit whom it has made out (builtin/commit.c, determine_author_info).
            Some(("commit", _)) | None => Ok(exported_author()),
            Some(("revert", _)) => Ok(Some(git(&["var", "GIT_AUTHOR_IDENT"]).line()?.into_bytes())),
            Some(("cherry-pick" | "rebase", _)) => {
                let picked = disk::read(self.local.dir.git_dir.join("CHERRY_PICK_HEAD")).unwrap_or_default();
                let Some(id) = Oid::parse(picked.trim_ascii()) else { return Ok(None) };
                let raw = self.local.objects.commit(id).map_err(Failure::new)?;
                let commit = Commit::parse(&raw, self.local.objects.format()).map_err(Failure::new)?;
                Ok(Some(commit.author.raw.to_vec()))
            }
            // The date that a merge writes is that of its start: post-merge sees it.
            Some(_) => Ok(None),
        }
    }

    /// Whose work the commit will be.
    fn maker(
        &self,
        repository: &RepositoryName,
        agent: &Agent,
        message: &[u8],
        candidate: Candidate<'_>,
    ) -> Result<Made> {
        match self.command() {
            Some(("cherry-pick" | "rebase", _)) => {
                let trailers = parse_trailers(message).unwrap_or_default();
                Ok(match trailers.blocks.first().map(|block| &block.claim.agent) {
                    Some(author) if *author == agent.id => Made::ByAgent { drafted: drafted_in(message) },
                    // What it is becomes clear when it is there.
                    _ => Made::Unclear,
                })
            }
            _ => {
                let before = self.note.head.filter(|_| self.amends());
                maker_over(self.local, repository, agent, Replaced::One(before.as_slice()), candidate)
            }
        }
    }

    /// Seals the message in a file as this agent's, if what will become of it can be told and it is the agent's work. Returns what the
    /// file holds now, where it was sealed.
    pub(crate) fn seal(&self, file: &Path, agent: Agent) -> Result<Option<Vec<u8>>> {
        let configuration = &self.note.configuration;
        let read = disk::read(file).map_err(Failure::new)?;
        let comment = ["core.commentstring", "core.commentchar"].iter().find_map(|key| configuration.value(key));
        let comment = comment.unwrap_or("#");
        let commented = read.split(|byte| *byte == b'\n').any(|line| line.starts_with(comment.as_bytes()));
        let message = without_ours(&read);
        let encoded = configuration.value("i18n.commitencoding").is_some_and(|name| !names_utf8(name.as_bytes()));
        if encoded || commented || message.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let Some(author) = self.author()? else { return Ok(None) };
        let (tree, parents) = (self.tree()?, self.parents()?);
        let repository = self.repository()?;
        let made = self.maker(&repository, &agent, &read, Candidate { tree, parents: &parents, commit: None })?;
        let Made::ByAgent { drafted } = made else { return Ok(None) };
        let sealer = Sealer::open(agent, repository, None)?;
        let content = Content {
            change: change_of(&self.local.objects, &parents, tree)?,
            author: &author,
            merges: parents.get(1..).unwrap_or_default(),
            root: Root::of(&parents),
        };
        let sealed = sealer.seal_message(&message, &drafted, &content);
        disk::write(file, &sealed).map_err(Failure::new)?;
        Ok(Some(sealed))
    }
}

/// Whether an editor is to come for the message. Git says that none is by one that does nothing (builtin/commit.c, run_commit_hook).
pub(crate) fn is_edited() -> bool {
    env::var_os("GIT_EDITOR").is_none_or(|editor| editor != ":")
}

/// `NAME <EMAIL> SECONDS ZONE`, of the variables that git sets for the hooks of a commit; the date is `@SECONDS ZONE`.
fn exported_author() -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt as _;
    let value = |name: &str| env::var_os(name).map(std::ffi::OsString::into_vec);
    let (name, email, date) = (value("GIT_AUTHOR_NAME")?, value("GIT_AUTHOR_EMAIL")?, value("GIT_AUTHOR_DATE")?);
    let date = date.strip_prefix(b"@")?;
    Some([&name[..], b" <", &email, b"> ", date].concat())
}

pub(crate) fn object_id(hex: &str) -> Result<Oid> {
    Oid::parse(hex.as_bytes()).ok_or_else(|| Failure::new("git printed something that is no id"))
}
