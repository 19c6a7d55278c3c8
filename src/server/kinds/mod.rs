//! The layouts of hooks, one file each: where a kind of server has its hooks, and how git comes to run them. A new layout is a file, a
//! row of [`Layout`], and the kinds of server that use it in [`Layout::of`]; what it does not say does not compile.

mod bitbucket;
pub(super) mod config;
mod ghes;
mod gitea;
mod gitlab;
mod gitolite;
mod hooks;

use std::path::{Path, PathBuf};

use super::Install;
use super::repository::Repository;
use crate::core::submitter::Adapter;
use crate::system::Result;

/// What is known of one layout.
pub(super) struct Kind {
    /// Which repositories the hooks serve that are installed once.
    pub(super) serves: Serves,
    /// Where a hook of one repository is looked for.
    path: fn(&Path, &str) -> PathBuf,
    /// Makes sure that the server runs the hooks of a repository from there.
    check: fn(&Repository) -> Result<()>,
    /// Who runs them.
    run_by: RunBy,
}

/// Which repositories the hooks serve that are installed once.
pub(super) enum Serves {
    /// The one in whose directory they lie.
    One,
    /// All below a directory.
    All(Shared),
    /// Those of a server that has none of its repositories here: this writes what is to be uploaded to it.
    Elsewhere(fn(&Install) -> Result),
}

/// One hook for all repositories.
pub(super) struct Shared {
    /// Where it stands.
    pub(super) stands: Stands,
    /// Makes sure that it can serve repositories of other users than this one.
    pub(super) serve_others: fn() -> Result<()>,
    /// What is done once its files are there, given each hook with the command that git's configuration names.
    pub(super) finish: fn(&[(&'static str, String)]) -> Result<()>,
    /// Takes it away from the repositories below a directory.
    pub(super) remove: fn(&Path) -> Result<()>,
}

/// Where a hook for all repositories stands.
pub(super) enum Stands {
    /// In a directory of the server's, which links it into the repositories below the one that is given.
    Linked(fn(&Path) -> Result<PathBuf>),
    /// In a directory from which an admin uploads it.
    Uploaded,
    /// In git's configuration.
    Configured,
}

/// Who runs the hook of a repository.
#[derive(Clone, Copy)]
pub(crate) enum RunBy {
    /// Git, from where it looks for hooks.
    Git,
    /// A hook of the server's own, which stands where git looks and runs what lies beside it. This tells whether it does.
    Delegate(fn(&Path) -> bool),
    /// The server, which sends git to hooks of its own: from the repository this cannot be seen.
    Server,
    /// Git, from its configuration.
    Configuration,
}

macro_rules! layouts {
    ($(#[doc = $about:literal] $variant:ident $file:ident)*) => {
        /// Where the hooks go.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Layout {
            $(#[doc = $about] $variant,)*
        }

        impl Layout {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word for it on the command line.
            pub(crate) fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($file),)*
                }
            }

            /// What is said of it there.
            pub(crate) fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => $about.trim_ascii(),)*
                }
            }

            pub(super) fn kind(self) -> &'static Kind {
                match self {
                    $(Self::$variant => &$file::KIND,)*
                }
            }
        }
    };
}

layouts! {
    /// In each repository's hooks/, beside git's samples
    Hooks hooks
    /// In each repository's custom_hooks/, which GitLab runs
    Gitlab gitlab
    /// In each repository's hooks/NAME.d/, which Gitea and Forgejo run
    Gitea gitea
    /// Once, in gitolite's local code, for all its repositories
    Gitolite gitolite
    /// Once, in git's system configuration, for all repositories (git 2.54 or later)
    Config config
    /// In an environment and a script to upload to GitHub Enterprise Server
    Ghes ghes
    /// In scripts to upload to Bitbucket Data Center, once for all its repositories
    Bitbucket bitbucket
}

impl Layout {
    /// The layout of a kind of server.
    pub(crate) fn of(adapter: Option<Adapter>) -> Self {
        match adapter {
            Some(Adapter::Gitlab) => Self::Gitlab,
            Some(Adapter::Gitea) => Self::Gitea,
            Some(Adapter::Gitolite) => Self::Gitolite,
            Some(Adapter::Ghes) => Self::Ghes,
            Some(Adapter::Bitbucket) => Self::Bitbucket,
            Some(Adapter::Ssh | Adapter::Http | Adapter::PushCert | Adapter::None) | None => Self::Hooks,
        }
    }

    /// Those with a place of their own in each repository.
    pub(crate) fn in_repository() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|layout| matches!(layout.kind().serves, Serves::One))
    }

    /// What one hook for all repositories is, where this layout has one.
    pub(super) fn shared(self) -> Option<&'static Shared> {
        match &self.kind().serves {
            Serves::All(shared) => Some(shared),
            Serves::One | Serves::Elsewhere(_) => None,
        }
    }

    /// Whether one hook serves all repositories.
    pub(crate) fn is_shared(self) -> bool {
        self.shared().is_some()
    }

    /// Whether none of the server's repositories are here.
    pub(crate) fn is_elsewhere(self) -> bool {
        matches!(self.kind().serves, Serves::Elsewhere(_))
    }

    /// Whether the server links its hook into each repository.
    pub(super) fn is_linked(self) -> bool {
        matches!(self.shared(), Some(Shared { stands: Stands::Linked(_), .. }))
    }

    /// Whether what is installed is written to a directory, from which an admin uploads it.
    pub(super) fn is_uploaded(self) -> bool {
        self.is_elsewhere() || matches!(self.shared(), Some(Shared { stands: Stands::Uploaded, .. }))
    }

    /// Where a hook of one repository lies.
    pub(crate) fn path(self, git_dir: &Path, hook: &str) -> PathBuf {
        (self.kind().path)(git_dir, hook)
    }

    /// Makes sure that the server runs the hooks of a repository from there.
    pub(super) fn check(self, repository: &Repository) -> Result<()> {
        (self.kind().check)(repository)
    }

    /// Who runs the hook of a repository.
    pub(crate) fn run_by(self) -> RunBy {
        self.kind().run_by
    }
}

/// The word for it on the command line.
impl std::fmt::Display for Layout {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.word())
    }
}

/// Where git looks by itself (githooks(5)).
fn in_hooks(git_dir: &Path, hook: &str) -> PathBuf {
    git_dir.join("hooks").join(hook)
}
