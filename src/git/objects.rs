//! The object store of one push: the quarantine first, then the repository with its packs and alternates.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use gix::objs::{Exists as _, Find as _, FindHeader as _};
use thiserror::Error;

use super::environment::{GitDir, Quarantine};
use crate::limits;
use crate::oid::{ObjectFormat, Oid};

/// The type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// File content.
    Blob,
    /// A directory.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl Kind {
    /// Git's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }
}

/// Why something could not be read. It always means that no decision is possible.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The object database itself cannot be opened.
    #[error("cannot open the object directory {0}")]
    Open(PathBuf, #[source] std::io::Error),
    /// No store has the object.
    #[error("object {0} is missing")]
    Missing(Oid),
    /// A store has the object but reading it failed.
    #[error("object {0} cannot be read: {1}")]
    Unreadable(Oid, String),
    /// The object is of another type than its use requires.
    #[error("object {id} is a {found}, not a {wanted}")]
    WrongKind {
        /// The object.
        id: Oid,
        /// What it is.
        found: &'static str,
        /// What it had to be.
        wanted: &'static str,
    },
    /// The object is over its ceiling.
    #[error("object {id} has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The object.
        id: Oid,
        /// Its size.
        size: u64,
        /// The ceiling, from [`limits`].
        limit: u64,
    },
    /// An object cannot be stored.
    #[error("the object cannot be stored: {0}")]
    Write(String),
    /// Refs cannot be read.
    #[error("refs cannot be read: {0}")]
    Refs(String),
}

/// Reads objects of one repository and one push.
pub struct Objects {
    format: ObjectFormat,
    incoming: Option<gix::odb::Handle>,
    stored: Vec<gix::odb::Handle>,
    trees: RefCell<TreeCache>,
    entries_read: Cell<u64>,
}

impl Objects {
    /// Opens the quarantine, if there is one, and the stores behind it. Nothing is read yet.
    ///
    /// # Errors
    /// [`ReadError::Open`] if an object directory is not readable.
    pub fn open(dir: &GitDir, quarantine: &Quarantine, format: ObjectFormat) -> Result<Self, ReadError> {
        let canonical = |path: &PathBuf| path.canonicalize().map_err(|error| ReadError::Open(path.clone(), error));
        let mut stored = vec![canonical(&dir.common_dir.join("objects"))?];
        for alternate in &quarantine.alternates {
            let path = canonical(alternate)?;
            if !stored.contains(&path) {
                stored.push(path);
            }
        }
        let incoming = quarantine.incoming.as_ref().map(canonical).transpose()?.filter(|path| !stored.contains(path));
        Ok(Self {
            format,
            incoming: incoming.map(|path| open(path, format)).transpose()?,
            stored: stored.into_iter().map(|path| open(path, format)).collect::<Result<_, _>>()?,
            trees: RefCell::default(),
            entries_read: Cell::new(0),
        })
    }

    /// The repository's hash function.
    pub fn format(&self) -> ObjectFormat {
        self.format
    }

    /// Whether this push brought the object and the repository did not have it before: then no ref reached it.
    /// An object that both have is not incoming: clients may send again what the server has.
    pub fn is_incoming(&self, id: Oid) -> bool {
        let id = gix_id(id);
        let Some(incoming) = &self.incoming else { return false };
        incoming.exists(&id) && !self.stored.iter().any(|store| store.exists(&id))
    }

    /// The type of an object.
    ///
    /// # Errors
    /// [`ReadError`] if it is missing or unreadable.
    pub fn kind(&self, id: Oid) -> Result<Kind, ReadError> {
        self.header(id).map(|(kind, _)| kind)
    }

    /// Whether any store has the object.
    ///
    /// # Errors
    /// [`ReadError`] if it is there but unreadable.
    pub fn contains(&self, id: Oid) -> Result<bool, ReadError> {
        match self.header(id) {
            Ok(_) => Ok(true),
            Err(ReadError::Missing(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The raw bytes of a commit.
    ///
    /// # Errors
    /// [`ReadError`], also where the object is no commit or larger than [`limits::COMMIT_BYTES`].
    pub fn commit(&self, id: Oid) -> Result<Vec<u8>, ReadError> {
        self.read(id, Kind::Commit, limits::COMMIT_BYTES)
    }

    /// The raw bytes of an annotated tag.
    ///
    /// # Errors
    /// As [`Objects::commit`].
    pub fn tag(&self, id: Oid) -> Result<Vec<u8>, ReadError> {
        self.read(id, Kind::Tag, limits::COMMIT_BYTES)
    }

    /// The raw bytes of a blob of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Objects::commit`].
    pub fn blob(&self, id: Oid, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.read(id, Kind::Blob, limit)
    }

    /// The raw bytes of a tree. The trees last read are kept: a commit's tree is the next one's parent.
    ///
    /// # Errors
    /// [`ReadError`], also where the object is no tree or larger than [`limits::TREE_BYTES`].
    pub fn tree(&self, id: Oid) -> Result<Rc<Vec<u8>>, ReadError> {
        if let Some(tree) = self.trees.borrow().kept.get(&id) {
            return Ok(Rc::clone(tree));
        }
        let tree = Rc::new(if id == empty_tree(self.format) {
            Vec::new()
        } else {
            self.read(id, Kind::Tree, limits::TREE_BYTES)?
        });
        self.trees.borrow_mut().keep(id, &tree);
        Ok(tree)
    }

    /// Counts tree entries that were read. False once there are more than [`limits::TREE_ENTRIES`].
    pub(super) fn within_budget(&self, entries: usize) -> bool {
        let total = self.entries_read.get().saturating_add(u64::try_from(entries).unwrap_or(u64::MAX));
        self.entries_read.set(total);
        total <= limits::TREE_ENTRIES
    }

    /// Stores a commit as a loose object. Only a desk does so, never the enforcing path.
    ///
    /// # Errors
    /// [`ReadError::Write`] if the object directory cannot be written.
    pub fn write_commit(&self, raw: &[u8]) -> Result<Oid, ReadError> {
        use gix::objs::Write as _;
        let store = self.stored.first().ok_or_else(|| ReadError::Write("no object directory is open".into()))?;
        let written = store.write_buf(gix::objs::Kind::Commit, raw);
        written.map(|id| own_id(&id)).map_err(|error| ReadError::Write(error.to_string()))
    }

    fn read(&self, id: Oid, wanted: Kind, limit: u64) -> Result<Vec<u8>, ReadError> {
        let (found, size) = self.header(id)?;
        if found != wanted {
            return Err(ReadError::WrongKind { id, found: found.name(), wanted: wanted.name() });
        }
        if size > limit {
            return Err(ReadError::TooLarge { id, size, limit });
        }
        let mut buffer = Vec::new();
        for store in self.stores() {
            let found = store.try_find(&gix_id(id), &mut buffer);
            if found.map_err(|error| ReadError::Unreadable(id, error.to_string()))?.is_some() {
                return Ok(buffer);
            }
        }
        Err(ReadError::Missing(id))
    }

    fn header(&self, id: Oid) -> Result<(Kind, u64), ReadError> {
        for store in self.stores() {
            let header = store.try_header(&gix_id(id));
            if let Some(header) = header.map_err(|error| ReadError::Unreadable(id, error.to_string()))? {
                let kind = match header.kind {
                    gix::objs::Kind::Blob => Kind::Blob,
                    gix::objs::Kind::Tree => Kind::Tree,
                    gix::objs::Kind::Commit => Kind::Commit,
                    gix::objs::Kind::Tag => Kind::Tag,
                };
                return Ok((kind, header.size));
            }
        }
        Err(ReadError::Missing(id))
    }

    fn stores(&self) -> impl Iterator<Item = &gix::odb::Handle> {
        self.incoming.iter().chain(&self.stored)
    }
}

/// A bounded memory of trees.
#[derive(Default)]
struct TreeCache {
    kept: HashMap<Oid, Rc<Vec<u8>>>,
    bytes: usize,
}

impl TreeCache {
    /// Enough for the directories of a large project at two commits; an eighth of the memory budget of design.md 6.
    const BYTES: usize = 8 << 20;

    fn keep(&mut self, id: Oid, tree: &Rc<Vec<u8>>) {
        if self.bytes + tree.len() > Self::BYTES {
            *self = Self::default();
        }
        self.bytes += tree.len();
        self.kept.insert(id, Rc::clone(tree));
    }
}

/// The id of the tree without entries, which git knows without storing it.
pub(super) fn empty_tree(format: ObjectFormat) -> Oid {
    own_id(&gix::ObjectId::empty_tree(gix_format(format)))
}

fn open(path: PathBuf, format: ObjectFormat) -> Result<gix::odb::Handle, ReadError> {
    let options = gix::odb::store::init::Options {
        // What we read is capped far below; this stops a delta whose base is huge.
        alloc_limit_bytes: Some(64 << 20),
        ..Default::default()
    };
    gix::odb::at_opts(path.clone(), gix_format(format), None, options).map_err(|error| ReadError::Open(path, error))
}

pub(super) fn gix_format(format: ObjectFormat) -> gix::hash::Kind {
    match format {
        ObjectFormat::Sha1 => gix::hash::Kind::Sha1,
        ObjectFormat::Sha256 => gix::hash::Kind::Sha256,
    }
}

pub(super) fn gix_id(id: Oid) -> gix::ObjectId {
    gix::ObjectId::try_from(id.as_bytes()).unwrap_or_else(|_| gix::ObjectId::null(gix_format(id.format())))
}

pub(super) fn own_id(id: &gix::hash::oid) -> Oid {
    // gix ids are 20 or 32 bytes, the only lengths that `from_bytes` takes.
    Oid::from_bytes(id.as_bytes()).unwrap_or_else(|| unreachable!("gix id of {} bytes", id.as_bytes().len()))
}
