//! `countersign verify-proof`: what a proof of the record bears out.

use std::path::PathBuf;

use clap::Args;

use super::audit::As;
use crate::audit::verify_proof::{self, Requirement, requirement};
use crate::core::oid::Oid;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    /// The proof, as `countersign log prove` wrote it
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The ledger's public key, kept since install in another place: a file (key.pub), or its line
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The repository that the ledger must be of; one whose origin is opaque does not say
    #[arg(long, value_name = "NAME")]
    repository: Option<String>,
    /// The ref that must have moved
    #[arg(long = "ref", value_name = "REF")]
    name: Option<String>,
    /// The commit that must have landed: the ref's new value, or one of the commits that were accepted as somebody's work. A whole id
    #[arg(long, value_name = "COMMIT", value_parser = commit)]
    commit: Option<Oid>,
    /// What must stand behind it: approvals=N (so many persons), distinct (of persons who made none of the work), independent (and did
    /// not push it), enforced (nothing was found that enforcing refuses), witnesses=N (so many of --witness)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = requirement)]
    require: Vec<Requirement>,
    /// A witness whose cosignature counts, as its verifier key NAME+ID+KEY, or a file with such lines
    #[arg(long = "witness", value_name = "VKEY|FILE")]
    witnesses: Vec<String>,
    #[arg(long, value_enum, default_value_t = As::Text)]
    format: As,
}

fn commit(text: &str) -> std::result::Result<Oid, String> {
    Oid::parse(text.as_bytes()).ok_or_else(|| "a proof is held against a whole id: git rev-parse COMMIT".to_owned())
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Arguments { file, key, repository, name, commit, require, witnesses, format } = arguments;
    let format = format.into();
    verify_proof::run(&verify_proof::Request { file, key, repository, name, commit, require, witnesses, format })
}
