//! Whether what is asked for is known at all: what no entry is about, and neither the repository nor its policy has, is mistyped.

use std::path::Path;

use super::place::Found;
use super::show::Show;
use crate::core::id::Id;
use crate::core::oid::ObjectFormat;
use crate::core::report::escape;
use crate::desk::check::full_name;
use crate::gate::policy_source::PolicyReader;
use crate::gate::ref_values::StoredRefs;
use crate::ledger::Entry;
use crate::server::installed_policies;
use crate::store::{GitDir, Objects, Quarantine, Refs};
use crate::system::process::server_git;
use crate::system::{Failure, Result};

/// What entries were about, of what is asked for.
#[derive(Default)]
pub(super) struct Known {
    name: bool,
    principal: bool,
}

impl Known {
    pub(super) fn note(&mut self, show: &Show, entry: &Entry) {
        self.name |= show.name.is_some() && show.is_named(entry);
        self.principal |= show.principal.is_some() && show.is_by(entry);
    }

    /// # Errors
    /// What is not known.
    pub(super) fn check(&self, show: &Show, found: &[Found]) -> Result<()> {
        let stored = || found.iter().filter_map(|found| Stored::open(found.git_dir.as_deref()?));
        if let Some(name) = show.name.as_deref().map(full_name).filter(|_| !self.name)
            && !stored().any(|stored| stored.refs.value(&name).is_ok_and(|value| value.is_some()))
        {
            let name = escape(name.as_bytes(), 200);
            return Err(Failure::new(format!("there is no ref {name}, and no entry is about one of that name")));
        }
        if let Some(id) = show.principal.as_deref().filter(|_| !self.principal)
            && !stored().any(|stored| stored.has_principal(id))
        {
            let id = escape(id.as_bytes(), 200);
            return Err(Failure::new(format!(
                "no policy in force knows {id}, and no entry is about anybody of that id"
            )));
        }
        Ok(())
    }
}

/// A repository whose ledger was read.
struct Stored {
    dir: GitDir,
    objects: Objects,
    refs: Refs,
}

impl Stored {
    fn open(git_dir: &Path) -> Option<Self> {
        let format = match server_git(git_dir, &["rev-parse", "--show-object-format"]).line().ok()?.as_str() {
            "sha256" => ObjectFormat::Sha256,
            _ => ObjectFormat::Sha1,
        };
        let dir = GitDir::at(git_dir).ok()?;
        let objects = Objects::open(&dir, &Quarantine::default(), format).ok()?;
        let refs = Refs::open(&dir, format).ok()?;
        Some(Self { dir, objects, refs })
    }

    fn has_principal(&self, id: &str) -> bool {
        let values = StoredRefs { refs: &self.refs, objects: &self.objects };
        let policies = installed_policies(&self.dir.git_dir);
        let loaded = PolicyReader { repository: Some((&self.objects, &values)) }.load(&policies);
        loaded.ok().zip(Id::parse(id.as_bytes())).is_some_and(|(loaded, id)| loaded.policy.principal(&id).is_some())
    }
}
