//! The object store of one push: the quarantine first, then the repository with its packs and alternates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::environment::{GitDir, Quarantine};
use crate::core::limits;
use crate::core::objects::{Contents, ObjectKind, ReadError, Trees};
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::tree::empty_tree;
use gix::objs::{Exists as _, Find as _, FindHeader as _};

/// Where the objects of one repository and one push lie, for threads to open them again.
#[derive(Clone, Debug)]
pub struct Stores {
    format: ObjectFormat,
    incoming: Option<PathBuf>,
    stored: Vec<PathBuf>,
    /// Tree entries read so far, by all who opened these stores.
    entries_read: Arc<AtomicU64>,
    /// Bytes read to be merged, and what else merging costs.
    bytes_merged: Arc<AtomicU64>,
}

impl Stores {
    /// Opens the stores. Nothing is read yet.
    ///
    /// # Errors
    /// [`ReadError::Open`] if an object directory is not readable.
    pub fn open(&self) -> Result<Objects, ReadError> {
        let open = |path: &PathBuf| open(path.clone(), self.format);
        let mut incoming = self.incoming.as_ref().map(open).transpose()?;
        if let Some(incoming) = &mut incoming {
            // Nothing is added to the quarantine while a hook runs, so what is not there will not come.
            incoming.refresh_never();
        }
        Ok(Objects {
            places: self.clone(),
            incoming,
            stored: self.stored.iter().map(open).collect::<Result<_, _>>()?,
            kept: RefCell::default(),
            too_large: RefCell::default(),
        })
    }
}

/// Reads objects of one repository and one push.
pub struct Objects {
    places: Stores,
    incoming: Option<gix::odb::Handle>,
    stored: Vec<gix::odb::Handle>,
    kept: RefCell<Kept>,
    /// What was over its ceiling, and the size: many refs can name it, and each reading would cost again.
    too_large: RefCell<HashMap<Oid, (ObjectKind, u64)>>,
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
        Stores { format, incoming, stored, entries_read: Arc::default(), bytes_merged: Arc::default() }.open()
    }

    /// Where these objects lie.
    pub fn stores(&self) -> &Stores {
        &self.places
    }

    /// The repository's hash function.
    pub fn format(&self) -> ObjectFormat {
        self.places.format
    }

    /// Whether this push brought the object and the repository did not have it before: then no ref reached it.
    /// An object that both have is not incoming: clients may send again what the server has.
    pub fn is_incoming(&self, id: Oid) -> bool {
        let id = gix_id(id);
        let Some(incoming) = &self.incoming else { return false };
        // The usual answer is no, for each new commit, and a refreshed no would list the pack directory each time. If packs
        // are replaced meanwhile, the indices mapped at the first question still answer; at worst an object that both have
        // counts as incoming, and more commits are looked at, never fewer.
        incoming.exists(&id) && !self.stored.iter().any(|store| store.exists_without_refresh(&id))
    }

    /// The type of an object.
    ///
    /// # Errors
    /// [`ReadError`] if it is missing or unreadable.
    pub fn kind(&self, id: Oid) -> Result<ObjectKind, ReadError> {
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

    /// The raw bytes of a commit. Those last read are kept: the walk and the look at each commit and its children need them.
    ///
    /// # Errors
    /// [`ReadError`], also where the object is no commit or larger than [`limits::COMMIT_BYTES`].
    pub fn commit(&self, id: Oid) -> Result<Rc<Vec<u8>>, ReadError> {
        self.read_kept(id, ObjectKind::Commit, limits::COMMIT_BYTES)
    }

    /// The raw bytes of an annotated tag.
    ///
    /// # Errors
    /// As [`Objects::commit`].
    pub fn tag(&self, id: Oid) -> Result<Vec<u8>, ReadError> {
        self.read(id, ObjectKind::Tag, limits::COMMIT_BYTES)
    }

    /// The raw bytes of a blob of at most `limit` bytes.
    ///
    /// # Errors
    /// As [`Objects::commit`].
    pub fn blob(&self, id: Oid, limit: u64) -> Result<Vec<u8>, ReadError> {
        self.read(id, ObjectKind::Blob, limit)
    }

    /// Stores a commit as a loose object. Only a desk does so, never the enforcing path.
    ///
    /// # Errors
    /// [`ReadError::Write`] if the object directory cannot be written.
    pub fn write_commit(&self, raw: &[u8]) -> Result<Oid, ReadError> {
        self.write(gix::objs::Kind::Commit, raw)
    }

    /// Stores a blob in the same way.
    ///
    /// # Errors
    /// As [`Objects::write_commit`].
    pub fn write_blob(&self, raw: &[u8]) -> Result<Oid, ReadError> {
        self.write(gix::objs::Kind::Blob, raw)
    }

    fn write(&self, kind: gix::objs::Kind, raw: &[u8]) -> Result<Oid, ReadError> {
        use gix::objs::Write as _;
        let store = self.stored.first().ok_or_else(|| ReadError::Write("no object directory is open".into()))?;
        let written = store.write_buf(kind, raw);
        written.map(|id| own_id(&id)).map_err(|error| ReadError::Write(error.to_string()))
    }

    fn read_kept(&self, id: Oid, wanted: ObjectKind, limit: u64) -> Result<Rc<Vec<u8>>, ReadError> {
        if let Some((kind, raw)) = self.kept.borrow().objects.get(&id) {
            check_kind(id, *kind, wanted)?;
            return Ok(Rc::clone(raw));
        }
        let raw = Rc::new(self.read(id, wanted, limit)?);
        self.kept.borrow_mut().keep(id, wanted, &raw);
        Ok(raw)
    }

    fn read(&self, id: Oid, wanted: ObjectKind, limit: u64) -> Result<Vec<u8>, ReadError> {
        if let Some((kind, size)) = self.too_large.borrow().get(&id) {
            check_kind(id, *kind, wanted)?;
            return Err(ReadError::TooLarge { id, size: *size, limit });
        }
        let checked = |kind: gix::objs::Kind, size: u64| {
            check_kind(id, own_kind(kind), wanted)?;
            if size <= limit {
                return Ok(());
            }
            self.too_large.borrow_mut().insert(id, (wanted, size));
            Err(ReadError::TooLarge { id, size, limit })
        };
        let mut buffer = Vec::new();
        for store in self.handles() {
            match store.try_find(&gix_id(id), &mut buffer) {
                Ok(None) => {}
                Ok(Some(object)) => {
                    checked(object.kind, u64::try_from(object.data.len()).unwrap_or(u64::MAX))?;
                    return Ok(buffer);
                }
                Err(error) => {
                    // Over the limit of an allocation there are no bytes, but the header still tells the size.
                    if let Ok(Some(header)) = store.try_header(&gix_id(id)) {
                        checked(header.kind, header.size)?;
                    }
                    return Err(ReadError::Unreadable(id, error.to_string()));
                }
            }
        }
        Err(ReadError::Missing(id))
    }

    fn header(&self, id: Oid) -> Result<(ObjectKind, u64), ReadError> {
        for store in self.handles() {
            let header = store.try_header(&gix_id(id));
            if let Some(header) = header.map_err(|error| ReadError::Unreadable(id, error.to_string()))? {
                return Ok((own_kind(header.kind), header.size));
            }
        }
        Err(ReadError::Missing(id))
    }

    fn handles(&self) -> impl Iterator<Item = &gix::odb::Handle> {
        self.incoming.iter().chain(&self.stored)
    }
}

impl Trees for Objects {
    fn format(&self) -> ObjectFormat {
        self.places.format
    }

    /// Those last read are kept: a commit's tree is the next one's parent.
    fn tree(&self, id: Oid) -> Result<Rc<Vec<u8>>, ReadError> {
        if id == empty_tree(self.places.format) {
            Ok(Rc::default())
        } else {
            self.read_kept(id, ObjectKind::Tree, limits::TREE_BYTES)
        }
    }

    fn within_budget(&self, entries: usize) -> bool {
        // Far from wrapping: a tree within its ceiling has under a million entries, and counting ends soon above the limit.
        let entries = u64::try_from(entries).unwrap_or(limits::TREE_ENTRIES);
        let before = self.places.entries_read.fetch_add(entries, Ordering::Relaxed);
        before.saturating_add(entries) <= limits::TREE_ENTRIES
    }
}

impl Contents for Objects {
    fn content(&self, id: Oid, limit: u64) -> Result<Rc<Vec<u8>>, ReadError> {
        self.blob(id, limit).map(Rc::new)
    }

    fn size(&self, id: Oid) -> Result<u64, ReadError> {
        let (kind, size) = self.header(id)?;
        check_kind(id, kind, ObjectKind::Blob)?;
        Ok(size)
    }

    fn tree_of(&self, commit: Oid) -> Result<Oid, ReadError> {
        let raw = self.commit(commit)?;
        let tree = raw.strip_prefix(b"tree ").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
        tree.and_then(Oid::parse).ok_or_else(|| ReadError::Unreadable(commit, "it names no tree".to_owned()))
    }

    fn id_of(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, ReadError> {
        let id = gix::objs::compute_hash(gix_format(self.places.format), gix_kind(kind), content);
        id.map(|id| own_id(&id)).map_err(|error| ReadError::Write(error.to_string()))
    }

    fn within_merge_budget(&self, bytes: u64) -> bool {
        let before = self.places.bytes_merged.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= limits::MERGED_BYTES_IN_ALL
    }
}

fn check_kind(id: Oid, found: ObjectKind, wanted: ObjectKind) -> Result<(), ReadError> {
    if found == wanted {
        return Ok(());
    }
    Err(ReadError::WrongKind { id, found: found.name(), wanted: wanted.name() })
}

fn own_kind(kind: gix::objs::Kind) -> ObjectKind {
    match kind {
        gix::objs::Kind::Blob => ObjectKind::Blob,
        gix::objs::Kind::Tree => ObjectKind::Tree,
        gix::objs::Kind::Commit => ObjectKind::Commit,
        gix::objs::Kind::Tag => ObjectKind::Tag,
    }
}

fn gix_kind(kind: ObjectKind) -> gix::objs::Kind {
    match kind {
        ObjectKind::Blob => gix::objs::Kind::Blob,
        ObjectKind::Tree => gix::objs::Kind::Tree,
        ObjectKind::Commit => gix::objs::Kind::Commit,
        ObjectKind::Tag => gix::objs::Kind::Tag,
    }
}

/// A bounded memory of commits and trees.
#[derive(Default)]
struct Kept {
    objects: HashMap<Oid, (ObjectKind, Rc<Vec<u8>>)>,
    bytes: usize,
}

impl Kept {
    /// Enough for the directories of a large project at two commits. Each thread that examines commits has as much, all of
    /// them a quarter of the memory budget (`limits`).
    const BYTES: usize = 4 << 20;
    /// What a small object costs besides its bytes.
    const OVERHEAD: usize = 128;

    fn keep(&mut self, id: Oid, kind: ObjectKind, raw: &Rc<Vec<u8>>) {
        let cost = raw.capacity().saturating_add(Self::OVERHEAD);
        if self.bytes.saturating_add(cost) > Self::BYTES {
            *self = Self::default();
        }
        self.bytes = self.bytes.saturating_add(cost);
        self.objects.insert(id, (kind, Rc::clone(raw)));
    }
}

/// Bytes of delta bases that each store keeps: a chain of 50 trees of 40 KiB.
const DELTA_BASE_BYTES: usize = 2 << 20;

fn open(path: PathBuf, format: ObjectFormat) -> Result<gix::odb::Handle, ReadError> {
    let options = gix::odb::store::init::Options {
        // What we read is capped far below; this stops a delta whose base is huge.
        alloc_limit_bytes: Some(64 << 20),
        ..Default::default()
    };
    let opened = gix::odb::at_opts(path.clone(), gix_format(format), None, options);
    let mut store = opened.map_err(|error| ReadError::Open(path, error))?;
    // Packs store trees as differences from each other, up to 50 in a row.
    store.set_pack_cache(|| Box::new(gix::odb::pack::cache::lru::MemoryCappedHashmap::new(DELTA_BASE_BYTES)));
    Ok(store)
}

pub(super) fn gix_format(format: ObjectFormat) -> gix::hash::Kind {
    match format {
        ObjectFormat::Sha1 => gix::hash::Kind::Sha1,
        ObjectFormat::Sha256 => gix::hash::Kind::Sha256,
    }
}

/// The id of a commit of these bytes.
///
/// # Errors
/// [`ReadError::Write`] where they hold what an attack on SHA-1 makes.
pub fn commit_id(format: ObjectFormat, raw: &[u8]) -> Result<Oid, ReadError> {
    let id = gix::objs::compute_hash(gix_format(format), gix::objs::Kind::Commit, raw);
    id.map(|id| own_id(&id)).map_err(|error| ReadError::Write(error.to_string()))
}

pub(super) fn gix_id(id: Oid) -> gix::ObjectId {
    gix::ObjectId::try_from(id.as_bytes()).unwrap_or_else(|_| gix::ObjectId::null(gix_format(id.format())))
}

pub(super) fn own_id(id: &gix::hash::oid) -> Oid {
    // gix ids are 20 or 32 bytes, the only lengths that `from_bytes` takes.
    Oid::from_bytes(id.as_bytes()).unwrap_or_else(|| unreachable!("gix id of {} bytes", id.as_bytes().len()))
}
