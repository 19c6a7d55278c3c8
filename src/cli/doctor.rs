//! `countersign doctor`: whether the gate runs, here or on a server.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::servers::{Exclude, OwnOnly};
use crate::doctor;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    /// Repositories of a server, or directories that hold them; without any, this clone is looked at
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    servers: Vec<PathBuf>,
    #[command(flatten)]
    exclude: Exclude,
    /// The configuration of the sshd that people push through
    #[arg(long, value_name = "FILE", requires = "servers", default_value = "/etc/ssh/sshd_config")]
    sshd_config: PathBuf,
    /// How to print
    #[arg(long, default_value = "text")]
    format: Format,
    #[command(flatten)]
    own_only: OwnOnly,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl From<Format> for doctor::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Arguments { servers, exclude, sshd_config, format, own_only } = arguments;
    let (exclude, format, owners) = (exclude.into(), format.into(), own_only.into());
    doctor::run(&doctor::Request { servers, exclude, sshd_config, format, owners })
}
