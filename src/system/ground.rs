//! Who can change what a path leads to. Root runs and writes nothing that others could have put in the place of what was looked at: each
//! directory from `/` down is opened below the one above it, without following links, and asked itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat, readlinkat};

use super::users::Owner;

/// Links on one way: as many as Linux follows (path_resolution(7)).
const LINKS: usize = 40;

/// A group's own number and the names of who is in it.
type Groups = BTreeMap<u32, Group>;

#[derive(Clone)]
struct Group {
    name: String,
    members: Vec<u32>,
}

/// What root and one owner alone may change.
pub(crate) struct Ground {
    owner: Owner,
    groups: RefCell<Groups>,
}

/// What others can change, who they are, and how that is mended.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Changeable {
    pub(crate) path: PathBuf,
    pub(crate) by: By,
}

/// Who can change it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    /// Who owns it, which is neither root nor the owner of the repository.
    Owner(String),
    /// The members of a group, whose name this is.
    Group(String),
    /// Everybody.
    Everybody,
    /// Everybody, but what is others' already (inode(7), the sticky bit).
    Newcomers,
    /// Whom an access control list names (acl(5)).
    List,
}

impl Ground {
    pub(crate) fn of(owner: Owner) -> Self {
        Self { owner, groups: RefCell::default() }
    }

    /// What on the way to a path, or at its end, others can change most; links on the way are gone along, each from a directory that was
    /// looked at. What is not there, nobody can change but in its directory.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn changeable(&self, path: &Path) -> io::Result<Option<Changeable>> {
        self.along(Way::to(&std::path::absolute(path)?)?, Path::new("/"))
    }

    /// As [`Ground::changeable`], of what lies below a directory.
    fn along(&self, mut way: Way, from: &Path) -> io::Result<Option<Changeable>> {
        let mut least = None;
        loop {
            if let Some(by) = self.changer(&way.here, &way.stat)?.filter(|_| way.path.starts_with(from)) {
                let found = Changeable { path: way.path.clone(), by };
                if found.by != By::Newcomers {
                    return Ok(Some(found));
                }
                least = least.or(Some(found));
            }
            if !way.step()? {
                return Ok(least);
            }
        }
    }

    /// Who else may write to it.
    fn changer(&self, file: &OwnedFd, stat: &Stat) -> io::Result<Option<By>> {
        if stat.st_uid != 0 && !self.owner.is(stat.st_uid) {
            return Ok(Some(By::Owner(Owner::from(stat.st_uid).to_string())));
        }
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.contains(Mode::WOTH) {
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let keeps = is_directory && mode.contains(Mode::SVTX);
            return Ok(Some(if keeps { By::Newcomers } else { By::Everybody }));
        }
        if !mode.contains(Mode::WGRP) {
            return Ok(None);
        }
        // With a list, the bits of the group are those that the list gives at most.
        if has_list(file) {
            return Ok(Some(By::List));
        }
        let group = self.group(stat.st_gid);
        let alone = group.members.iter().all(|member| *member == 0 || self.owner.is(*member));
        Ok((!alone).then_some(By::Group(group.name)))
    }

    /// A group, looked up once.
    fn group(&self, gid: u32) -> Group {
        self.groups.borrow_mut().entry(gid).or_insert_with(|| Group::find(gid)).clone()
    }
}

/// How far a path has been gone along.
struct Way {
    here: OwnedFd,
    stat: Stat,
    path: PathBuf,
    above: Vec<(OwnedFd, Stat, PathBuf)>,
    /// What is left of the path, the next component last.
    left: Vec<OsString>,
    links: usize,
}

impl Way {
    fn to(path: &Path) -> io::Result<Self> {
        let here = rustix::fs::open("/", flags() | OFlags::DIRECTORY, Mode::empty())?;
        let stat = fstat(&here)?;
        let mut way = Self { here, stat, path: PathBuf::from("/"), above: Vec::new(), left: Vec::new(), links: 0 };
        way.add(path);
        Ok(way)
    }

    /// Puts a path in front of what is left.
    fn add(&mut self, path: &Path) {
        let names = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        });
        self.left.extend(names);
    }

    /// Goes on to the next thing that has an owner and a mode of its own. Whether there was one.
    fn step(&mut self) -> io::Result<bool> {
        while let Some(name) = self.left.pop() {
            if name == ".." {
                if let Some((here, stat, path)) = self.above.pop() {
                    (self.here, self.stat, self.path) = (here, stat, path);
                }
                continue;
            }
            let next = match openat(&self.here, &name, flags(), Mode::empty()) {
                Ok(next) => next,
                Err(rustix::io::Errno::NOENT) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let stat = fstat(&next)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                self.follow(&next)?;
                continue;
            }
            let path = self.path.join(name);
            let before = std::mem::replace(&mut self.here, next);
            self.above.push((before, std::mem::replace(&mut self.stat, stat), std::mem::replace(&mut self.path, path)));
            return Ok(true);
        }
        Ok(false)
    }

    /// Goes along a link, which who can change its directory can change.
    fn follow(&mut self, link: &OwnedFd) -> io::Result<()> {
        self.links += 1;
        if self.links > LINKS {
            return Err(io::Error::other("it leads through too many links"));
        }
        let target = PathBuf::from(OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes()));
        if target.is_absolute()
            && let Some((root, stat, path)) = self.above.drain(..).next()
        {
            (self.here, self.stat, self.path) = (root, stat, path);
        }
        self.add(&target);
        Ok(())
    }
}

/// A descriptor that stands for a name and follows no link; nothing is read by it.
fn flags() -> OFlags {
    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Whether an access control list is there beside the mode.
fn has_list(file: impl AsFd) -> bool {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let mut value: [u8; 0] = [];
    match rustix::fs::getxattr(path, "system.posix_acl_access", &mut value) {
        Ok(_) => true,
        // What has none, and where there are none.
        Err(error) => !matches!(error, rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP),
    }
}

impl Group {
    /// The group by group(5), and those whose own group it is by passwd(5).
    fn find(gid: u32) -> Self {
        let number = gid.to_string();
        let group = database(&["group", &number], "/etc/group");
        let listed = lines(&group).find(|fields| fields.get(2) == Some(&number.as_str()));
        let names: Vec<&str> = listed.iter().flat_map(|fields| fields.get(3).unwrap_or(&"").split(',')).collect();
        let users = database(&["passwd"], "/etc/passwd");
        let mut members = Vec::new();
        for fields in lines(&users) {
            let [name, _, uid, own, ..] = fields.as_slice() else { continue };
            if *own == number || names.contains(name) {
                members.extend(uid.parse::<u32>());
            }
        }
        let name = listed.and_then(|fields| fields.first().map(|name| (*name).to_owned()));
        // Members that are no users known here could be anybody.
        let known = names
            .iter()
            .filter(|name| !name.is_empty())
            .all(|name| lines(&users).any(|user| user.first() == Some(name)));
        members.extend((!known).then_some(u32::MAX));
        Self { name: name.unwrap_or(number), members }
    }
}

/// What the databases of users say: getent(1) asks also where users are that are in no file.
fn database(words: &[&str], file: &str) -> String {
    let asked = Command::new("getent").args(words).stdin(Stdio::null()).output();
    let said = asked.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    let bytes = said.or_else(|| std::fs::read(file).ok()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

impl Changeable {
    /// What is said of it.
    pub(crate) fn message(&self) -> String {
        let path = self.path.display();
        match &self.by {
            By::Owner(user) => format!("{path} belongs to {user}"),
            By::Group(group) => format!("all of the group {group} may write to {path}"),
            By::Everybody => format!("everybody may write to {path}"),
            By::Newcomers => format!("everybody may put things into {path}"),
            By::List => format!("an access control list lets others write to {path}"),
        }
    }

    /// How it is mended.
    pub(crate) fn fix(&self) -> String {
        let path = crate::core::report::word(&self.path.display().to_string());
        match &self.by {
            By::Owner(_) => {
                format!(
                    "keep the repositories below a directory of root's such as /srv, or make this one root's:\nchown root {path}"
                )
            }
            By::Group(_) => format!(
                "let one user own the repositories and run git, as in examples/servers/ssh.md:\nchmod g-w {path}"
            ),
            By::Everybody => format!("chmod o-w {path}"),
            By::Newcomers => "keep the repositories below a directory of root's such as /srv".to_owned(),
            By::List => format!("setfacl --remove-all {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A directory below which everything is this user's alone, and the way to it as it is.
    fn ground() -> (tempfile::TempDir, Ground) {
        let directory = tempfile::tempdir().unwrap();
        (directory, Ground::of(Owner::from(rustix::process::geteuid().as_raw())))
    }

    /// What lies below a directory that is others', whoever may change those above.
    fn below(ground: &Ground, root: &Path, path: &str) -> Option<Changeable> {
        ground.along(Way::to(&root.join(path)).unwrap(), root).unwrap()
    }

    #[test]
    fn who_may_write_can_change_what_lies_below() {
        let (directory, ground) = ground();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/file"), "").unwrap();
        for (mode, by) in [
            (0o755, None),
            (0o700, None),
            (0o2755, None),
            (0o777, Some(By::Everybody)),
            (0o1777, Some(By::Newcomers)),
            (0o702, Some(By::Everybody)),
        ] {
            std::fs::set_permissions(root.join("a"), Permissions::from_mode(mode)).unwrap();
            let expected = by.map(|by| Changeable { path: root.join("a"), by });
            assert_eq!(below(&ground, &root, "a/b/file"), expected, "{mode:o}");
            assert_eq!(below(&ground, &root, "a/b/nothing/there"), expected, "{mode:o}");
        }
        std::fs::set_permissions(root.join("a"), Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(root.join("a/b/file"), Permissions::from_mode(0o666)).unwrap();
        assert_eq!(below(&ground, &root, "a/b/file").unwrap().path, root.join("a/b/file"));
        assert_eq!(below(&Ground::of(Owner::from(12345)), &root, "a").is_some(), !rustix::process::geteuid().is_root());
    }

    #[test]
    fn a_link_is_as_good_as_the_directories_that_it_lies_in_and_leads_through() {
        let (directory, ground) = ground();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("good/deep")).unwrap();
        std::fs::create_dir_all(root.join("open")).unwrap();
        std::fs::set_permissions(root.join("open"), Permissions::from_mode(0o777)).unwrap();
        symlink(root.join("good"), root.join("direct")).unwrap();
        symlink("../good/deep/..", root.join("good/relative")).unwrap();
        symlink("good/relative/deep", root.join("twice")).unwrap();
        // To what is good, by way of what is not.
        symlink(root.join("good"), root.join("open/link")).unwrap();
        symlink("open/link/deep", root.join("through")).unwrap();
        for (path, sound) in [("direct/deep", true), ("twice", true), ("through", false), ("open/link/deep", false)] {
            assert_eq!(below(&ground, &root, path).is_none(), sound, "{path}");
        }
        symlink("loop", root.join("loop")).unwrap();
        assert!(
            ground.changeable(&root.join("loop")).is_err() || ground.changeable(&root.join("loop")).unwrap().is_some()
        );
    }

    #[test]
    fn a_group_counts_unless_it_holds_the_owner_alone() {
        let (directory, ground) = ground();
        let root = directory.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        std::fs::set_permissions(root.join("a"), Permissions::from_mode(0o2775)).unwrap();
        let own = u32::MAX - 7;
        for (members, sound) in [(vec![], true), (vec![0], true), (vec![4321], false), (vec![0, 4321], false)] {
            let group = Group { name: "git".to_owned(), members };
            let gid = std::os::unix::fs::MetadataExt::gid(&root.join("a").metadata().unwrap());
            ground.groups.borrow_mut().insert(gid, group);
            let found = below(&ground, &root, "a");
            assert_eq!(found.is_none(), sound);
            assert!(sound || found.unwrap().message().contains("all of the group git may write"));
        }
        // A group that nobody knows holds nobody.
        assert!(Group::find(own).members.is_empty());
    }
}
