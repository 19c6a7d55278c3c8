//! The tables that are in force, and what they say together.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::rc::Rc;

use super::super::refs::Each;
use super::Fault;
use super::block::Value;
use super::table::{Cursor, Source, Table};
use crate::core::limits;
use crate::core::objects::ReadError;
use crate::core::oid::ObjectFormat;

const LIST: &str = "tables.list";
/// Bytes of the list, and tables in it. Git keeps their sizes in a geometric sequence, which are some ten.
const LIST_BYTES: u64 = 64 << 10;
const TABLES: usize = 256;
/// A table of at most so many bytes is read whole, and no file is kept open for it.
const SMALL: u64 = 16 << 10;
/// Bytes of blocks that reading all tables together holds at a time.
const BLOCK_BYTES: usize = 32 << 20;
/// Bytes of the tables at the top of the stack whose refs are compared one by one: a thousand moves or more.
const RECENT_BYTES: u64 = 64 << 10;
/// How often the list may change while its tables are being opened.
const TRIES: usize = 32;

/// A directory of tables.
pub(super) struct Stack {
    directory: PathBuf,
    format: ObjectFormat,
    loaded: RefCell<Option<Rc<Loaded>>>,
}

/// The tables that a list named.
pub(super) struct Loaded {
    directory: PathBuf,
    /// The list, if there is one. While it is held open, no other file can be taken for it.
    list: Option<File>,
    stamp: Option<Stamp>,
    /// The oldest first.
    tables: Vec<Rc<Named>>,
}

type Stamp = (u64, u64, u64, i64, i64);

struct Named {
    name: String,
    size: u64,
    table: Table,
}

impl Stack {
    pub(super) fn at(directory: PathBuf, format: ObjectFormat) -> Self {
        Self { directory, format, loaded: RefCell::new(None) }
    }

    /// What the newest table that names a ref says of it.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Value>, ReadError> {
        let loaded = self.loaded()?;
        for named in loaded.tables.iter().rev() {
            if let Some(value) = named.table.find(name).map_err(|fault| loaded.failed(&named.name, &fault))? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The tables that are in force now.
    pub(super) fn loaded(&self) -> Result<Rc<Loaded>, ReadError> {
        let failed =
            |error: std::io::Error| ReadError::Refs(format!("{}: {error}", self.directory.join(LIST).display()));
        let before = self.loaded.borrow().clone();
        if let Some(loaded) = &before {
            let now = match std::fs::symlink_metadata(self.directory.join(LIST)) {
                Ok(metadata) => Some(stamp(&metadata)),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(failed(error)),
            };
            if now == loaded.stamp {
                return Ok(loaded.clone());
            }
        }
        let known = before.as_ref().map_or(&[][..], |loaded| &loaded.tables);
        let loaded = Rc::new(self.load(known)?);
        *self.loaded.borrow_mut() = Some(loaded.clone());
        Ok(loaded)
    }

    fn load(&self, known: &[Rc<Named>]) -> Result<Loaded, ReadError> {
        let mut missing = None;
        for _ in 0..TRIES {
            let (list, text) = self.list()?;
            let mut loaded = Loaded { directory: self.directory.clone(), stamp: None, list, tables: Vec::new() };
            if let Some(list) = &loaded.list {
                let metadata = list.metadata().map_err(|error| loaded.failed(LIST, &error.into()))?;
                loaded.stamp = Some(stamp(&metadata));
            }
            match self.open(&mut loaded, &text, known)? {
                None => return Ok(loaded),
                // Its table has been made one with others since, and the list says which; or it is lost.
                Some(_) if missing.as_ref() != Some(&text) => missing = Some(text),
                Some(name) => return Err(loaded.failed(&name, &std::io::Error::from(ErrorKind::NotFound).into())),
            }
        }
        Err(ReadError::Refs(format!("{} changes too fast to be read", self.directory.join(LIST).display())))
    }

    /// The list and its text. Git takes a list that is not there for an empty one.
    fn list(&self) -> Result<(Option<File>, String), ReadError> {
        let failed = |error: &dyn std::fmt::Display| {
            ReadError::Refs(format!("{}: {error}", self.directory.join(LIST).display()))
        };
        let file = match open(&self.directory.join(LIST)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((None, String::new())),
            Err(error) => return Err(failed(&error)),
        };
        let mut text = String::new();
        (&file).take(LIST_BYTES).read_to_string(&mut text).map_err(|error| failed(&error))?;
        let is_whole = u64::try_from(text.len()).is_ok_and(|size| size < LIST_BYTES);
        if !is_whole || text.lines().count() > TABLES {
            return Err(failed(&format!("it names more than {TABLES} tables; git pack-refs --all makes one of them")));
        }
        Ok((Some(file), text))
    }

    /// Opens the tables of a list. Returns the name of one that is not there.
    fn open(&self, loaded: &mut Loaded, text: &str, known: &[Rc<Named>]) -> Result<Option<String>, ReadError> {
        for name in text.lines() {
            if let Some(known) = known.iter().find(|known| known.name == name) {
                loaded.tables.push(known.clone());
                continue;
            }
            let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            if !is_plain || !name.ends_with(".ref") {
                return Err(loaded.failed(LIST, &Fault::Malformed("it names what is no table")));
            }
            match self.table(name) {
                Ok(table) => loaded.tables.push(Rc::new(table)),
                Err(Fault::Io(error)) if error.kind() == ErrorKind::NotFound => return Ok(Some(name.to_owned())),
                Err(fault) => return Err(loaded.failed(name, &fault)),
            }
        }
        Ok(None)
    }

    fn table(&self, name: &str) -> Result<Named, Fault> {
        let file = open(&self.directory.join(name))?;
        let size = file.metadata()?.len();
        let source = if size <= SMALL {
            let mut bytes = Vec::new();
            file.take(SMALL).read_to_end(&mut bytes)?;
            Source::Memory(bytes)
        } else {
            Source::File(file, size)
        };
        let table = Table::open(source)?;
        if table.format() != self.format {
            return Err(Fault::Malformed("its ids are of another kind than the repository's"));
        }
        Ok(Named { name: name.to_owned(), size, table })
    }
}

impl Loaded {
    /// Hands over what the tables from one on say of the refs whose names begin so, by name: the newest word on each.
    pub(super) fn each(&self, prefix: &[u8], from: usize, each: Each<'_, Value>) -> Result<(), ReadError> {
        let limit = BLOCK_BYTES.checked_div(self.tables.len()).unwrap_or(BLOCK_BYTES);
        let mut heads = Vec::new();
        // The newest first, so that of several with the same name it is the first.
        for named in self.tables.iter().skip(from).rev() {
            let cursor = named.table.seek(prefix, limit).map_err(|fault| self.failed(&named.name, &fault))?;
            let Some(cursor) = cursor else { continue };
            let mut head = Head { named, cursor, value: Value::Deletion };
            if self.advance(&mut head)? {
                heads.push(head);
            }
        }
        let mut name = Vec::new();
        while let Some(first) = heads.iter().map(|head| head.cursor.name()).min() {
            if !first.starts_with(prefix) {
                break;
            }
            name.clear();
            name.extend_from_slice(first);
            if let Some(value) = self.take(&name, &mut heads)? {
                each(checked(&name).map_err(|fault| self.failed(LIST, &fault))?, value)?;
            }
        }
        Ok(())
    }

    /// What the newest of the tables says that are at this name. All of them go on.
    fn take(&self, name: &[u8], heads: &mut Vec<Head<'_>>) -> Result<Option<Value>, ReadError> {
        let (mut newest, mut position) = (None, 0);
        while let Some(head) = heads.get_mut(position) {
            let mut stays = true;
            if head.cursor.name() == name {
                let value = std::mem::replace(&mut head.value, Value::Deletion);
                newest.get_or_insert(value);
                stays = self.advance(head)?;
            }
            if stays {
                position += 1;
            } else {
                heads.remove(position);
            }
        }
        Ok(newest)
    }

    /// Whether there is a next ref in a table; its head is then there.
    fn advance(&self, head: &mut Head<'_>) -> Result<bool, ReadError> {
        let next = head.cursor.next(&head.named.table).map_err(|fault| self.failed(&head.named.name, &fault))?;
        let is_there = next.is_some();
        head.value = next.unwrap_or(Value::Deletion);
        Ok(is_there)
    }

    /// The names of refs that any table calls symbolic, of those that begin so.
    pub(super) fn symbolic_names(&self, prefix: &[u8], found: &mut BTreeSet<Vec<u8>>) -> Result<(), ReadError> {
        for named in &self.tables {
            let mut add = |name: &[u8]| found.extend([name.to_vec()]);
            named.table.symbolic_names(prefix, &mut add).map_err(|fault| self.failed(&named.name, &fault))?;
        }
        Ok(())
    }

    /// The names of the tables below the small ones at the top of the stack, and how many they are.
    pub(super) fn older(&self) -> (String, usize) {
        let mut size: u64 = 0;
        let mut older = self.tables.as_slice();
        while let Some((last, rest)) = older.split_last() {
            size = size.saturating_add(last.size);
            if size > RECENT_BYTES {
                break;
            }
            older = rest;
        }
        (older.iter().map(|named| named.name.as_str()).collect::<Vec<_>>().join(" "), older.len())
    }

    fn failed(&self, name: &str, fault: &Fault) -> ReadError {
        ReadError::Refs(format!("{}: {fault}", self.directory.join(name).display()))
    }
}

/// The next ref of one table.
struct Head<'t> {
    named: &'t Named,
    cursor: Cursor,
    value: Value,
}

/// A name as git makes them (git-check-ref-format(1)).
fn checked(name: &[u8]) -> Result<&[u8], Fault> {
    let is_name = name.len() <= limits::REF_BYTES && gix::refs::FullName::try_from(gix::bstr::BStr::new(name)).is_ok();
    is_name.then_some(name).ok_or(Fault::Malformed("a ref has a name that git gives to none"))
}

/// Opens a file for reading, and nothing that a link, a pipe or a device is.
fn open(path: &std::path::Path) -> std::io::Result<File> {
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is no file")) }
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    (metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
}
