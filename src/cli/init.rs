//! `countersign init`: a starter policy that locks nobody out.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::core::id::RepositoryName;
use crate::core::policy::{Proposal, ProposedKey, Starter, starter};
use crate::desk::signers;
use crate::gate::command::repository_name;
use crate::system::process::{config, git};
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, files, print};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The name that seals are bound to; without it, git config countersign.repository, or the end of the remote's URL, or none where --out is given
    #[arg(long, value_name = "NAME", value_parser = repository_name)]
    repository: Option<RepositoryName>,
    /// Where to write it; without it, .countersign/policy.toml in the work tree
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: Arguments) -> Result {
    let top = || git(&["rev-parse", "--show-toplevel"]).line().map(PathBuf::from);
    let (path, name, proposals) = match arguments.out {
        // On a server one policy serves many repositories, each named by its path or at install.
        Some(path) => (path, arguments.repository, Vec::new()),
        None => {
            let top = top()?;
            let url =
                || -> Result<String> { Ok(config("remote.origin.url")?.unwrap_or_else(|| top.display().to_string())) };
            let named = config("countersign.repository")?.and_then(|name| RepositoryName::parse(name.as_bytes()));
            let name = arguments.repository.or(named).map_or_else(|| guess(&url()?), Ok)?;
            (top.join(".countersign").join("policy.toml"), Some(name), signers::recent()?)
        }
    };
    let cannot_write = |path: &Path, error: std::io::Error| {
        let failure = Failure::new(format!("cannot write {}: {error}", path.display()));
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            failure.hint("edit the policy that is there")
        } else {
            failure
        }
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let Starter { text, files } = starter(name.as_ref(), &proposals);
    // The policy is the last: what it names is there.
    if path.on_disk().exists() {
        return Err(cannot_write(&path, std::io::ErrorKind::AlreadyExists.into()));
    }
    for (path, text) in files.iter().map(|(path, text)| (directory.join(path), text)).chain([(path.clone(), &text)]) {
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            disk::create_dir_all(directory).map_err(|error| cannot_write(&path, error))?;
        }
        files::create(&path, text.as_bytes(), 0o666).map_err(|error| cannot_write(&path, error))?;
    }
    said_of(&proposals)?;
    let whose = name.map_or_else(|| "any repository".to_owned(), |name| format!("repository {name}"));
    print(&format!(
        "wrote {} for {whose}\nnext: countersign agent add ID, register it there, then: countersign policy check {}\n",
        path.display(),
        path.display()
    ))?;
    Ok(Exit::Accepted)
}

/// Says how many signers are proposed, where any are.
fn said_of(proposals: &[Proposal]) -> Result<()> {
    let is_known = |one: &&Proposal| matches!(one.key, ProposedKey::Ssh(_) | ProposedKey::OpenPgp { .. });
    let known = proposals.iter().filter(is_known).count();
    match proposals.len() {
        0 => Ok(()),
        all => print(&format!(
            "{all} keys signed recent commits; {known} of them are known here, and proposed in it with whose they are\n"
        )),
    }
}

/// The last two components of a URL or path, as forges name repositories.
fn guess(url: &str) -> Result<RepositoryName> {
    let path = url.trim_end_matches('/').trim_end_matches(".git").to_lowercase();
    let parts: Vec<&str> = path.split(['/', ':']).filter(|part| !part.is_empty()).collect();
    let name = parts.iter().rev().take(2).rev().copied().collect::<Vec<_>>().join("/");
    let name = name.trim_start_matches(|first: char| !first.is_ascii_alphanumeric());
    RepositoryName::parse(name.as_bytes())
        .ok_or_else(|| Failure::new(format!("no repository name can be made of {url}")).hint("add --repository NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_end_of_the_url() {
        for (url, name) in [
            ("git@git.acme.dev:acme/payments.git", "acme/payments"),
            ("https://git.acme.dev/Acme/Payments", "acme/payments"),
            ("/srv/git/payments.git", "git/payments"),
            ("payments", "payments"),
        ] {
            assert_eq!(guess(url).unwrap().as_str(), name);
        }
        assert!(guess("/srv/git/na me.git").is_err());
    }
}
