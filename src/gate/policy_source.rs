//! Where policies come from: an admin's file, or a file in the repository at a ref's value before the push.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::core::commit::Commit;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::objects::ReadError;
use crate::core::oid::Oid;
use crate::core::policy::{self, Loaded, Problem, Source};
use crate::core::text::plural;
use crate::core::tree::{EntryMode, entry_at};
use crate::gate::ref_values::RefValues;
use crate::store::{Objects, peel};
use crate::system::{OnDisk as _, disk};

/// A policy argument: `FILE`, or `ref:REF:PATH[@sha256:DIGEST]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PolicyArg {
    /// A file of the admin's.
    File(PathBuf),
    /// A file in the repository.
    InRepository(InRepository),
}

/// A policy that lives in the repository it governs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InRepository {
    /// The full name of the ref whose value before the push counts.
    pub(crate) name: String,
    /// The path in that ref's tree.
    pub(crate) path: String,
    /// What the first policy must be while the ref does not exist.
    pub(crate) pin: Option<Digest>,
}

impl std::str::FromStr for PolicyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix("ref:") else {
            return if text.is_empty() {
                Err("the policy's file name is empty".into())
            } else {
                Ok(Self::File(text.into()))
            };
        };
        let (rest, pin) = match rest.rsplit_once("@sha256:") {
            Some((rest, hex)) => {
                let pin = Digest::parse(hex.as_bytes()).ok_or("what follows @sha256: is not 64 hexadecimal digits")?;
                (rest, Some(pin))
            }
            None => (rest, None),
        };
        let (name, path) =
            rest.split_once(':').ok_or("write ref:REF:PATH, as in ref:refs/heads/main:.countersign/policy.toml")?;
        if !name.starts_with("refs/") || path.is_empty() || path.starts_with('/') || path.ends_with('/') {
            return Err("REF must be a full name (refs/heads/...) and PATH a file path in the repository".into());
        }
        Ok(Self::InRepository(InRepository { name: name.to_owned(), path: path.to_owned(), pin }))
    }
}

impl std::fmt::Display for PolicyArg {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::InRepository(place) => {
                write!(out, "ref:{}:{}", place.name, place.path)?;
                place.pin.map_or(Ok(()), |pin| write!(out, "@sha256:{pin}"))
            }
        }
    }
}

/// Why there is no policy to decide with.
#[derive(Debug, Error)]
pub(crate) enum PolicyError {
    /// A file cannot be read.
    #[error("cannot read the policy {0}: {1}")]
    File(PathBuf, #[source] std::io::Error),
    /// The file is too large.
    #[error("the policy {0} is larger than {limit} bytes", limit = limits::POLICY_BYTES)]
    TooLarge(String),
    /// The repository cannot be read.
    #[error("cannot read the policy in the repository: {0}")]
    Read(#[from] ReadError),
    /// The policy's ref or path does not exist.
    #[error("there is no policy at {0}")]
    Absent(String),
    /// Two policies are given under one name.
    #[error("two policies are called {0}: give each once, and each in the repository at a path of its own")]
    Twice(String),
    /// The first policy in the repository has not been pushed.
    #[error("there is no policy yet: push {0} with the policy whose digest is {1} first")]
    NotYet(String, String),
    /// The first policy in the repository is another than the admin pinned.
    #[error("the first policy pushed has the digest sha256:{0}, and the one pinned at install is {1}")]
    NotPinned(Digest, String),
    /// The policy has errors.
    #[error("the policy has {}", plural(.0.len(), "problem"))]
    Invalid(Vec<Problem>),
}

/// Reads policies with what they include, each at one place.
pub(crate) struct PolicyReader<'a> {
    /// Where policies in the repository are read from; without it only files can be.
    pub(crate) repository: Option<(&'a Objects, &'a dyn RefValues)>,
}

/// Where one source was read.
enum Place {
    Directory(PathBuf),
    Tree { tree: Oid, directory: String },
}

impl PolicyReader<'_> {
    /// Loads the policies in force together: files as they are, those in the repository at their ref's value.
    pub(crate) fn load(&self, args: &[PolicyArg]) -> Result<Loaded, PolicyError> {
        self.load_where(args, |place| self.at_ref(place))
    }

    /// Loads what would be the policy if the ref `name` were at `commit`, beside the other policies.
    pub(crate) fn load_at(&self, args: &[PolicyArg], name: &str, commit: Oid) -> Result<Loaded, PolicyError> {
        self.load_where(
            args,
            |place| if place.name == name { self.at_commit(place, commit) } else { self.at_ref(place) },
        )
    }

    /// A policy in the repository keeps its path as its name, because the commits that change it are known by that path.
    /// A file of the same name is called by its whole path.
    fn load_where(
        &self,
        args: &[PolicyArg],
        in_repository: impl Fn(&InRepository) -> Result<(Source, Place), PolicyError>,
    ) -> Result<Loaded, PolicyError> {
        let mut read = Vec::new();
        for arg in args {
            let source = match arg {
                PolicyArg::File(path) => read_file(path)?,
                PolicyArg::InRepository(place) => in_repository(place)?,
            };
            read.push((arg, source));
        }
        let names: Vec<String> = read.iter().map(|(_, (source, _))| source.name.clone()).collect();
        let mut sources = Vec::new();
        let mut places = HashMap::new();
        for (arg, (mut source, place)) in read {
            let collides = names.iter().filter(|name| **name == source.name).count() > 1;
            if collides && matches!(arg, PolicyArg::File(_)) {
                source.name = arg.to_string();
            }
            if places.insert(source.name.clone(), place).is_some() {
                return Err(PolicyError::Twice(source.name));
            }
            sources.push(source);
        }
        self.compose(sources, places)
    }

    fn compose(&self, sources: Vec<Source>, mut places: HashMap<String, Place>) -> Result<Loaded, PolicyError> {
        let mut include = |from: &Source, path: &str| -> Result<Source, String> {
            let place = places.get(&from.name).ok_or("its place is unknown")?;
            let (source, place) = match place {
                Place::Directory(directory) => read_file(&directory.join(path)),
                Place::Tree { tree, directory } => self.in_tree(*tree, &join(directory, path)),
            }
            .map_err(|error| error.to_string())?;
            let source = Source { name: join(&parent(&from.name), path), text: source.text };
            places.insert(source.name.clone(), place);
            Ok(source)
        };
        policy::load(sources, &mut include).map_err(PolicyError::Invalid)
    }

    fn at_ref(&self, place: &InRepository) -> Result<(Source, Place), PolicyError> {
        let (_, refs) = self.repository.ok_or_else(|| PolicyError::Absent(place.name.clone()))?;
        let value = refs.value(&place.name)?;
        self.at_commit(place, value.ok_or_else(|| PolicyError::Absent(place.name.clone()))?)
    }

    fn at_commit(&self, place: &InRepository, value: Oid) -> Result<(Source, Place), PolicyError> {
        let (objects, _) = self.repository.ok_or_else(|| PolicyError::Absent(place.name.clone()))?;
        let absent = || PolicyError::Absent(format!("{}:{}", place.name, place.path));
        let commit = peel(objects, value)?.ok_or_else(absent)?;
        let raw = objects.commit(commit)?;
        let tree = Commit::parse(&raw, objects.format()).map_err(|_| absent())?.tree;
        self.in_tree(tree, &place.path)
    }

    fn in_tree(&self, tree: Oid, path: &str) -> Result<(Source, Place), PolicyError> {
        let (objects, _) = self.repository.ok_or_else(|| PolicyError::Absent(path.to_owned()))?;
        let absent = || PolicyError::Absent(path.to_owned());
        let entry = entry_at(objects, tree, path.as_bytes()).map_err(|_| absent())?;
        let Some((EntryMode::Blob | EntryMode::Executable, id)) = entry else { return Err(absent()) };
        let bytes = objects.blob(id, limits::POLICY_BYTES.try_into().unwrap_or(u64::MAX))?;
        let not_text = || PolicyError::Absent(format!("{path} (it is not UTF-8)"));
        let source = Source::of_bytes(path.to_owned(), bytes).ok_or_else(not_text)?;
        Ok((source, Place::Tree { tree, directory: parent(path) }))
    }
}

/// Reads a file of the admin's. Reports call it by its name alone: where it lies is not the pusher's business.
fn read_file(path: &Path) -> Result<(Source, Place), PolicyError> {
    let failed = |error| PolicyError::File(path.to_owned(), error);
    let size = path.on_disk().metadata().map_err(failed)?.len();
    if usize::try_from(size).map_or(true, |size| size > limits::POLICY_BYTES) {
        return Err(PolicyError::TooLarge(path.display().to_string()));
    }
    let bytes = disk::read(path).map_err(failed)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    let not_text = || failed(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"));
    let source = Source::of_bytes(name, bytes).ok_or_else(not_text)?;
    Ok((source, Place::Directory(directory)))
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').map(|(directory, _)| directory.to_owned()).unwrap_or_default()
}

fn join(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_print_as_they_are_read() {
        let pin = format!("ref:refs/heads/main:.countersign/policy.toml@sha256:{}", "a".repeat(64));
        for good in ["policy.toml", "/etc/countersign/policy.toml", "ref:refs/heads/main:p.toml", &pin] {
            assert_eq!(good.parse::<PolicyArg>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "ref:",
            "ref:main:p.toml",
            "ref:refs/heads/main",
            "ref:refs/heads/main:",
            "ref:refs/heads/main:/p",
            "ref:refs/heads/main:p@sha256:xyz",
        ] {
            assert!(bad.parse::<PolicyArg>().is_err(), "{bad}");
        }
    }
}
