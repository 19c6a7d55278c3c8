//! Orders that an admin applies on a server: one store holds for all repositories below a directory, those to come among them, since every
//! hook reads the stores above its repository. No person's key lies on a server; what an admin does there without one is to thaw.

use std::path::{Path, PathBuf};

use crate::core::canonical::Time;
use crate::core::limits;
use crate::core::order::{ClaimedOrder, Scope, ServerThaw, Whom};
use crate::gate::order_store::{BELOW, OWN, put, put_thaw, stores_of};
use crate::gate::own_files::{installed_at, ledger_directory};
use crate::gate::recording::recorded_order;
use crate::ledger::{Ledger, OrderRecord, Place};
use crate::server::installed::named_ledger;
use crate::server::repository::Repository;
use crate::server::targets::{named, resolved};
use crate::store::GitDir;
use crate::system::{Failure, OnDisk as _, Result, disk, now, print, say};

/// Applies an order that a person signed.
pub(crate) fn apply(root: &Path, file: &Path) -> Result<()> {
    let unreadable = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", file.display()));
    let size = file.on_disk().metadata().map_err(|error| unreadable(&error))?.len();
    if size > u64::try_from(limits::ORDER_BYTES).unwrap_or(u64::MAX) {
        return Err(unreadable(&"it is too large for an order"));
    }
    let json = disk::read_to_string(file).map_err(|error| unreadable(&error))?;
    let claimed = ClaimedOrder::parse(json.as_bytes()).and_then(ClaimedOrder::verify);
    let order = claimed.map_err(|error| unreadable(&format!("it is no order: {error}")))?;
    let server = Server::at(root)?;
    server.each_store(&|store| put(store, &order, &json))?;
    let scope = match &order.order().scope {
        Scope::Repository(name) => format!("in the repository {name}, which alone it is for"),
        Scope::Policy(name) => format!("in every repository under the policy {name}"),
    };
    let topic = order.order().place().topic;
    print(&format!(
        "in force from the next hook on, {scope}: {} {} by {} ({} below {})\n",
        topic.word(),
        topic.subject(),
        order.order().by,
        counted(server.repositories.len()),
        root.display()
    ))?;
    server.note(&recorded_order(&order));
    Ok(())
}

/// Ends freezes as an admin, whoever ordered them.
pub(crate) fn thaw(root: &Path, subject: &str, reason: &str) -> Result<()> {
    let path = match subject.split_once(':') {
        _ if subject == "all" => subject.to_owned(),
        Some((kind, id)) => format!("{kind}/{id}"),
        None => format!("agent/{subject}"),
    };
    let unknown = || Failure::new("whom to thaw is not said").hint("an agent by its id, tool:NAME, or all");
    let whom = Whom::parse(&path).ok_or_else(unknown)?;
    let thaw = ServerThaw { whom, reason: reason.to_owned(), issued: now()? };
    let server = Server::at(root)?;
    server.each_store(&|store| put_thaw(store, &thaw))?;
    let issued = Time(thaw.issued);
    let (order, subject, by) = ("thaw".to_owned(), thaw.whom.to_string(), "admin".to_owned());
    let reason = crate::core::report::escape(reason.as_bytes(), 300);
    server.note(&OrderRecord { order, subject, by, reason, issued, expires: None, digest: None });
    print(&format!(
        "thawed: {}, in {} below {}\n",
        thaw.whom.words(),
        counted(server.repositories.len()),
        root.display()
    ))
}

fn counted(repositories: usize) -> String {
    if repositories == 1 { "1 repository".to_owned() } else { format!("{repositories} repositories") }
}

/// What an admin means by a directory.
struct Server {
    stores: Vec<PathBuf>,
    repositories: Vec<PathBuf>,
}

impl Server {
    /// A repository has a store of its own. A directory of repositories has one, and so does each of them that lies elsewhere.
    fn at(root: &Path) -> Result<Self> {
        let real =
            root.on_disk().canonicalize().map_err(|error| Failure::new(format!("{}: {error}", root.display())))?;
        if let Some(own) = resolved(root).and_then(|own| own.on_disk().canonicalize().ok()) {
            return Ok(Self { stores: vec![own.join(OWN)], repositories: vec![root.to_owned()] });
        }
        // A store comes before the first repository, too.
        let repositories = named(root)?.repositories;
        let elsewhere = repositories
            .iter()
            .filter_map(|path| resolved(path)?.on_disk().canonicalize().ok())
            .filter(|own| !own.starts_with(&real));
        let stores = std::iter::once(real.join(BELOW)).chain(elsewhere.map(|own| own.join(OWN)));
        let stores = stores.collect();
        Ok(Self { stores, repositories })
    }

    fn each_store(&self, put: &dyn Fn(&Path) -> std::result::Result<(), String>) -> Result<()> {
        let hint = "the user who owns the repositories, or root, applies orders";
        self.stores.iter().try_for_each(|store| put(store).map_err(|error| Failure::new(error).hint(hint)))?;
        let ignored: Vec<&PathBuf> = self.repositories.iter().filter(|path| !self.holds_for(path)).collect();
        let Some(first) = ignored.first() else { return Ok(()) };
        let words = format!(
            "hooks of {} do not read it, {} among them: the store is neither root's nor the repository's owner's, or others may write there",
            counted(ignored.len()),
            first.display()
        );
        Err(Failure::new(words).hint(hint))
    }

    /// Whether the hooks of a repository read one of the stores, whoever runs them.
    fn holds_for(&self, path: &Path) -> bool {
        let dir = resolved(path).and_then(|git_dir| GitDir::at(&git_dir).ok());
        let read = dir.and_then(|dir| stores_of(&dir, &[]).ok()).unwrap_or_default();
        read.iter().any(|store| self.stores.contains(store))
    }

    /// Writes it into the ledgers of repositories of this user's. In force it is already.
    fn note(&self, order: &OrderRecord) {
        let own = rustix::process::geteuid().as_raw();
        let (mut noted, mut failed) = (0, Vec::new());
        for path in &self.repositories {
            match note(path, own, order) {
                Ok(true) => noted += 1,
                Ok(false) => {}
                Err(failure) => failed.push(format!("{}: {}", path.display(), failure.message)),
            }
        }
        if noted < self.repositories.len() {
            let less = self.repositories.len() - noted;
            say(&format!(
                "warning: the ledgers of {less} repositories do not tell of it: they are another user's, or there is none"
            ));
        }
        failed.iter().take(10).for_each(|one| say(&format!("warning: {one}")));
    }
}

/// Whether the ledger of a repository has been told.
fn note(path: &Path, own: u32, order: &OrderRecord) -> Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let repository = Repository::open(path)?;
    let directory = ledger_directory(&named_ledger(&repository.git_dir), &repository.dir);
    if directory.on_disk().metadata().is_ok_and(|found| found.uid() != own) || !directory.join("key").on_disk().exists()
    {
        return Ok(false);
    }
    let place = Place::of(&repository.dir.common_dir).map_err(Failure::new)?;
    let ledger = Ledger::open(&directory).map_err(Failure::new)?;
    let ledger = ledger.serving(place, installed_at(&named_ledger(&repository.git_dir)));
    ledger.ordered(now()?, order).map_err(Failure::new)?;
    Ok(true)
}
