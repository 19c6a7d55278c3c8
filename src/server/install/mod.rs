//! Servers: the pre-receive shim carries what the admin decided.

mod one;
mod policy;
mod shared;

use std::path::Path;

use one::{Ready, prepare};
pub(super) use policy::check_new;
use shared::SharedPlan;

use crate::gate::shim::{Planned, is_in_place, quoted, write};
use crate::server::kinds::Serves;
use crate::server::others::{Others, Owners, Printed};
use crate::server::repository::AsFound;
use crate::server::targets::{Targets, found_below, targets};
use crate::server::{Install, Layout};
use crate::system::files;
use crate::system::{Exit, Failure, Result, print, say};

/// Protects repositories. All are checked before the first is written.
pub(crate) fn install(arguments: &Install, layout: Layout) -> Result {
    if let Serves::Elsewhere(write) = &layout.kind().serves {
        return write(arguments);
    }
    if arguments.out.is_some() != layout.is_uploaded() {
        return Err(if layout.is_uploaded() {
            no_place()
        } else {
            Failure::new("--out is for servers that take their hooks by upload, and here they are installed in place")
        });
    }
    let Targets { mut targets, passed_over } = match &arguments.root {
        Some(root) => found_below(root, &arguments.servers, arguments.naming()),
        None => targets(&arguments.servers, layout, arguments.naming())?,
    };
    if targets.len() > 1 && (arguments.repository.is_some() || arguments.ledger.is_some()) {
        return Err(Failure::new("--repository and --ledger are about one repository, and several are given")
            .hint("leave them out: each repository is named by its path and keeps its own ledger"));
    }
    let owners = arguments.own_only.owners();
    let others = Others::split(&mut targets, owners)?;
    if others.any() {
        layout.shared().map_or(Ok(()), |shared| (shared.serve_others)())?;
    }
    // What serves all is written once, by who was asked.
    let shared = if owners == Owners::This { None } else { layout.shared() };
    let planned = shared.map_or(Ok(SharedPlan::default()), |shared| shared::plan(arguments, shared))?;
    let mut ready = Vec::with_capacity(targets.len());
    for target in &targets {
        let prepared = prepare(target, arguments, layout).map_err(|failure| about(&target.path, failure))?;
        ready.push((target.path.as_path(), prepared));
    }
    if owners == Owners::All {
        passed_over.iter().for_each(|(path, reason)| {
            say(&format!("warning: {}: {reason}", path.display()));
            say("hint: if repositories are there, install them by their own path");
        });
    }
    if arguments.dry_run {
        others.run(&[], Printed::Shown)?;
        return show(&ready, &planned);
    }
    others.run(&["--dry-run"], Printed::Dropped)?;
    for (server, ready) in ready {
        if let Some((path, text)) = &ready.baseline {
            files::replace(path, text.as_bytes(), 0o600)
                .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
            print(&format!("{}: exempt is what its refs hold now\n", server.display()))?;
        }
        let found = if ready.baseline.is_some() { AsFound::Again } else { AsFound::AtStart };
        let spent = ready.repository.keep_ledger(&ready.ledger, &ready.label, found);
        tell_spent(server, spent.map_err(|failure| about(server, failure))?);
        put(server, &ready.hooks)?;
        tell_kept(server, &ready.kept)?;
    }
    others.run(&[], Printed::Shown)?;
    if owners == Owners::This {
        return Ok(Exit::Accepted);
    }
    if let Some(shared) = shared {
        put(&planned.root, &planned.hooks)?;
        tell_kept(&planned.root, &planned.kept)?;
        (shared.finish)(&planned.commands)?;
    }
    Ok(Exit::Accepted)
}

/// Says what a ledger that began beside approvals takes them for.
fn tell_spent(server: &Path, approvals: usize) {
    if approvals > 0 {
        let (shown, quoted) = (server.display(), quoted(server));
        say(&format!(
            "warning: {shown}: no ledger says which of {approvals} stored approvals have landed, so all of them count as landed"
        ));
        say(
            "hint: approve again what is to land; or restore the ledger that was there before; or, where none of them has landed:",
        );
        say(&format!("hint: countersign ledger adopt --unspent --server {quoted}"));
    }
}

/// There is no directory for what is uploaded.
fn no_place() -> Failure {
    Failure::new("this server takes its hooks by upload").hint("say where to write the scripts: --out DIR")
}

/// Says which server a failure is about.
pub(in crate::server) fn about(server: &Path, failure: Failure) -> Failure {
    failure.about(server.display())
}

/// Puts the hooks of one place there.
fn put(place: &Path, hooks: &[Planned]) -> Result<()> {
    let mut changed = hooks.is_empty();
    for hook in hooks {
        if !is_in_place(hook)? {
            write(hook)?;
            changed = true;
            print(&format!("{}: installed {}\n", place.display(), hook.path.display()))?;
        }
    }
    if !changed {
        print(&format!("{}: already installed, nothing changed\n", place.display()))?;
    }
    Ok(())
}

fn tell_kept(place: &Path, kept: &[String]) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    print(&format!("{}: keeps {} from before\n", place.display(), kept.join(" ")))
}

/// What would be written.
fn show(ready: &[(&Path, Ready)], shared: &SharedPlan) -> Result {
    let mut text = String::new();
    let mut hook = |hook: &Planned| -> Result<()> {
        if is_in_place(hook)? {
            text.push_str(&format!("unchanged {}\n", hook.path.display()));
            return Ok(());
        }
        if let Some(aside) = &hook.moves {
            text.push_str(&format!("move {} to {}\n", hook.path.display(), aside.display()));
        }
        text.push_str(&format!("write {}\n", hook.path.display()));
        hook.text.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
        Ok(())
    };
    for (_, ready) in ready {
        ready.hooks.iter().try_for_each(&mut hook)?;
    }
    shared.hooks.iter().try_for_each(hook)?;
    for (_, ready) in ready {
        if !ready.repository.git_dir.join(&ready.ledger).exists() {
            let ledger = ready.repository.git_dir.join(&ready.ledger);
            text.push_str(&format!("make the ledger {}\n", ledger.display()));
        }
        if let Some((path, tips)) = &ready.baseline {
            text.push_str(&format!("write {}, {} commits\n", path.display(), tips.lines().count()));
        }
    }
    for (hook, command) in &shared.commands {
        text.push_str(&format!("set in git's system configuration, for {hook}: {command}\n"));
    }
    print(&text)?;
    Ok(Exit::Accepted)
}
