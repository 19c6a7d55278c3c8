//! Asks the server who pushes: the variables of its kind, the session of ssh, or the certificate of the push. Only variables of the
//! kind that the admin named are read; others may hold secrets, such as the password of a CGI request, and nobody looks at them.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::core::id::RepositoryName;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::submitter::push_cert::{CertifiedUpdate, ClaimedPushCert, Expected};
use crate::core::submitter::{Adapter, Answer, Said, Submitter, Via, Who, account, login};
use crate::store::{GitDir, Objects};
use crate::system::{OnDisk as _, disk, env};

/// What a certificate is held against.
pub(crate) struct Pushed<'a> {
    /// The updates as git handed them over, for a kind of server that reads certificates.
    pub(crate) updates: &'a BTreeSet<CertifiedUpdate>,
    pub(crate) dir: &'a GitDir,
    pub(crate) objects: Option<&'a Objects>,
    pub(crate) repository: Option<&'a RepositoryName>,
}

/// Who pushes, as this kind of server says it.
pub(crate) fn submitter(adapter: Adapter, pushed: &Pushed<'_>) -> Submitter {
    let proven = match adapter.ask(&variable) {
        Answer::Told(submitter) => return submitter,
        Answer::Session => by_session(),
        Answer::Certificate => by_certificate(pushed),
    };
    proven.unwrap_or_else(Submitter::Unknown)
}

fn variable(name: &'static str) -> Option<Vec<u8>> {
    env::var_os(name).map(OsStringExt::into_vec)
}

/// The variables of an ssh session that this program reads.
const SESSION: [&str; 2] = ["SSH_USER_AUTH", "COUNTERSIGN_USER"];

/// By the key that opened the ssh session, or the account that the server's configuration gives to it. Both count only below an
/// sshd that root runs, and only as it set them: anybody can set a variable for a push to a local path.
fn by_session() -> Result<Submitter, String> {
    let [auth, user] = SESSION.map(|name| variable(name).filter(|value| !value.is_empty()));
    if auth.is_none() && user.is_none() {
        return Err("neither SSH_USER_AUTH nor COUNTERSIGN_USER is set".to_owned());
    }
    let set_by_sshd = session_environment()?;
    let given = |name: &str| {
        let values = set_by_sshd
            .split(|byte| *byte == 0)
            .filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        values.filter(|value| !value.is_empty()).map(<[u8]>::to_vec).next()
    };
    // A forced command may set the account on the way; nothing but sshd knows the key.
    for (name, value) in SESSION.iter().zip([&auth, &user]) {
        let set = given(name);
        if set != *value && !(*name == "COUNTERSIGN_USER" && set.is_none()) {
            return Err(format!("{name} is not as the ssh session set it"));
        }
    }
    if let Some(path) = auth {
        let text = read_auth_info(Path::new(std::ffi::OsStr::from_bytes(&path)))?;
        let key = login::key(&text).map_err(|error| error.to_string());
        match (key, &user) {
            (Ok(Who::Certificate(certificate, _)), user) => {
                // A session of a person's certificate has an account as before.
                let who = Who::Certificate(certificate, user.as_deref().and_then(account));
                return Ok(Submitter::Said(Said { who, via: Via::Push }));
            }
            (Ok(who), _) => return Ok(Submitter::Said(Said { who, via: Via::Push })),
            (Err(error), None) => return Err(error),
            (Err(_), Some(_)) => {}
        }
    }
    let user = user.and_then(|user| account(&user)).ok_or("COUNTERSIGN_USER does not hold the name of an account")?;
    Ok(Submitter::Said(Said { who: Who::Account(user), via: Via::Push }))
}

/// The file that `SSH_USER_AUTH` names: sshd(8) makes it for the session, readable by its user alone.
fn read_auth_info(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("the file that SSH_USER_AUTH names cannot be read: {}", error.kind());
    let not_sshds = || "the file that SSH_USER_AUTH names is not one that sshd makes".to_owned();
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| cannot(error.into()))?;
    let file = std::fs::File::from(file);
    let metadata = file.metadata().map_err(cannot)?;
    let own = rustix::process::geteuid().as_raw();
    if !metadata.is_file() || ![0, own].contains(&metadata.uid()) || metadata.mode() & 0o077 != 0 {
        return Err(not_sshds());
    }
    let mut text = Vec::new();
    file.take(u64::try_from(login::BYTES).unwrap_or(u64::MAX) + 1).read_to_end(&mut text).map_err(cannot)?;
    if text.len() > login::BYTES { Err(not_sshds()) } else { Ok(text) }
}

/// Processes that are asked for their parents, from the hook upwards.
const GENERATIONS: usize = 64;

/// What is known of a process (proc(5)).
struct Process {
    id: u32,
    name: String,
    parent: u32,
    /// Its real user.
    user: u32,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        let text = String::from_utf8_lossy(&disk::read(format!("/proc/{id}/status")).ok()?).into_owned();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            Some(line.trim().to_owned())
        };
        let number = |text: String| text.split_whitespace().next()?.parse().ok();
        Some(Self { id, name: field("Name")?, parent: number(field("PPid")?)?, user: number(field("Uid")?)? })
    }

    /// Whether it is a server of ssh sessions that root installed or runs. A program of that name is not enough: anybody can write
    /// one.
    fn is_sshd(&self) -> bool {
        let called_so = |name: &str| name == "sshd" || name == "sshd-session";
        if !called_so(&self.name) {
            return false;
        }
        let exe = PathBuf::from(format!("/proc/{}/exe", self.id));
        let roots = |metadata: &std::fs::Metadata| metadata.uid() == 0 && metadata.mode() & 0o022 == 0;
        if let (Ok(target), Ok(metadata)) = (disk::read_link(&exe), exe.on_disk().metadata()) {
            // The name that it was started from, also after an upgrade put another file there.
            let target = target.to_string_lossy().trim_end_matches(" (deleted)").to_owned();
            let target = Path::new(&target);
            let named = target.file_name().is_some_and(|name| called_so(&name.to_string_lossy()));
            let mut directories = target.ancestors().skip(1).map(|directory| directory.on_disk().metadata());
            return named && roots(&metadata) && directories.all(|directory| directory.is_ok_and(|one| roots(&one)));
        }
        // It keeps others from looking, as anything may do that has given up root. Then root runs it, or its parent.
        let is_roots = |process: &Self| process.user == 0 && called_so(&process.name);
        is_roots(self) || Self::read(self.parent).is_some_and(|parent| is_roots(&parent))
    }
}

/// The environment that sshd gave to the session that this process is part of.
fn session_environment() -> Result<Vec<u8>, String> {
    let own = std::process::id();
    let hidden = || "the system does not show whose session this is: the hook needs /proc, without hidepid".to_owned();
    let mut child = Process::read(own).ok_or_else(hidden)?;
    for _ in 0..GENERATIONS {
        if child.parent == 0 {
            break;
        }
        let parent = Process::read(child.parent).ok_or_else(hidden)?;
        if parent.is_sshd() {
            return disk::read(format!("/proc/{}/environ", child.id))
                .map_err(|error| format!("the ssh session cannot be looked at: {}", error.kind()));
        }
        child = parent;
    }
    Err("no ssh session pushes; SSH_USER_AUTH and COUNTERSIGN_USER count in one only".to_owned())
}

/// By the certificate of `git push --signed`, which git stores as a blob (githooks(5), pre-receive).
fn by_certificate(pushed: &Pushed<'_>) -> Result<Submitter, String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let blob = set("GIT_PUSH_CERT").ok_or("the push has no certificate")?;
    let status = set("GIT_PUSH_CERT_NONCE_STATUS").unwrap_or_default();
    if status != b"OK" {
        return Err(match status.as_slice() {
            b"" | b"UNSOLICITED" => {
                "the push certificate answers no nonce; an admin sets receive.certNonceSeed".to_owned()
            }
            _ => "the push certificate does not hold the nonce of this push".to_owned(),
        });
    }
    let nonce = set("GIT_PUSH_CERT_NONCE").unwrap_or_default();
    let unreadable = |reason: &dyn std::fmt::Display| format!("the push certificate cannot be read: {reason}");
    let blob = Oid::parse(&blob).ok_or_else(|| unreadable(&"GIT_PUSH_CERT is no object id"))?;
    let objects = pushed.objects.ok_or_else(|| unreadable(&"the objects cannot be opened"))?;
    let bytes = objects.blob(blob, limits::PUSH_CERT_BYTES).map_err(|error| unreadable(&error))?;
    let repository = pushed.repository.ok_or("the hook was installed without --repository")?;
    let path = pushed.dir.git_dir.on_disk().canonicalize().map_err(|error| unreadable(&error))?;
    let updates = pushed.updates;
    let expected = Expected { nonce: &nonce, repository, path: path.as_os_str().as_bytes(), updates };
    let claimed = ClaimedPushCert::parse(&bytes).map_err(|error| error.to_string())?;
    let who = claimed.verify(expected).map_err(|error| error.to_string())?;
    Ok(Submitter::Said(Said { who, via: Via::Push }))
}
