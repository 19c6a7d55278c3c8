//! What commands about servers have in common: which repositories, and whose.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::core::policy::Glob;
use crate::server::{self, Layout, Owners, pattern};

#[derive(Args)]
pub(super) struct Exclude {
    /// Leave out what matches, by its path below ROOT, with all below it: `*` within one component, `**` across
    #[arg(long = "exclude", value_name = "PATTERN", requires = "servers", value_parser = pattern)]
    patterns: Vec<Glob>,
}

impl From<Exclude> for server::Exclude {
    fn from(Exclude { patterns }: Exclude) -> Self {
        Self { patterns }
    }
}

/// The option by which root tells a process that it started.
#[derive(Args)]
pub(super) struct OwnOnly {
    /// Only repositories that this user owns: root sees to each owner's as that owner
    #[arg(long, hide = true)]
    own_only: bool,
}

impl From<OwnOnly> for Owners {
    fn from(OwnOnly { own_only }: OwnOnly) -> Self {
        if own_only { Self::This } else { Self::All }
    }
}

/// Those of a command that does the same to each.
#[derive(Args)]
pub(super) struct Repositories {
    /// Repositories, or directories that hold them
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1.., required = true)]
    servers: Vec<PathBuf>,
    #[command(flatten)]
    own_only: OwnOnly,
    /// The directory below which they were found
    #[arg(long, hide = true, value_name = "DIR", requires = "own_only")]
    root: Option<PathBuf>,
}

impl From<Repositories> for server::ledgers::Repositories {
    fn from(Repositories { servers, own_only, root }: Repositories) -> Self {
        Self { servers, owners: own_only.into(), root }
    }
}

impl ValueEnum for Layout {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.word()).help(self.about()))
    }
}
