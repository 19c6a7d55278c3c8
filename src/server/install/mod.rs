//! Servers: the pre-receive shim carries what the admin decided.

mod one;
mod policy;
mod refused;
mod shared;
mod template;

use std::path::Path;

use one::{Ready, prepare};
pub(super) use policy::check_new;
use refused::Refused;
use shared::SharedPlan;
use template::Template;
pub(super) use template::take_away;

use crate::core::text::plural;
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::shim::{Planned, is_in_place, quoted, write};
use crate::server::kinds::Serves;
use crate::server::others::{Others, Owners, Printed};
use crate::server::repository::AsFound;
use crate::server::targets::{Targets, found_below, resolved, targets};
use crate::server::{Install, Layout};
use crate::system::ground::{By, Ground};
use crate::system::users::{Owner, current_user, may_write};
use crate::system::{Failure, OnDisk as _, Progress, Result, files, print, say};

/// Protects repositories: those that can be, unless the admin wants all or none.
pub(crate) fn install(arguments: &Install) -> Result {
    let layout = arguments.layout;
    if let Serves::Elsewhere(write) = &layout.kind().serves {
        return write(arguments);
    }
    check_options(arguments, layout)?;
    let Targets { mut targets, passed_over } = match &arguments.root {
        Some(root) => found_below(root, &arguments.servers, arguments.naming()),
        None => targets(&arguments.servers, layout, arguments.naming(), &arguments.exclude)?,
    };
    if targets.len() > 1 && (arguments.repository.is_some() || arguments.ledger.is_some()) {
        return Err(Failure::new("--repository and --ledger are about one repository, and several are given")
            .hint("leave them out: each repository is named by its path and keeps its own ledger"));
    }
    if targets.len() > 1 {
        check_files(&arguments.policies)?;
    }
    let mut refused = Refused::new(arguments, &targets);
    let templates = template::plan(arguments, layout, &targets)?;
    let owners = arguments.owners;
    refused.take_out_namesakes(&mut targets)?;
    let others = Others::split(&mut targets, owners)?;
    if others.any() {
        layout.shared().map_or(Ok(()), |shared| (shared.serve_others)())?;
    }
    // What serves all is written once, by who was asked.
    let shared = if owners == Owners::This { None } else { layout.shared() };
    let planned = shared.map_or(Ok(SharedPlan::default()), |shared| shared::plan(arguments, shared))?;
    let mut ready = Vec::with_capacity(targets.len());
    let ground = Ground::of(current_user());
    let progress = Progress::new("repositories looked at", Some(targets.len()));
    for (number, target) in targets.iter().enumerate() {
        progress.at(number);
        let prepared = firm(&ground, &target.path).and_then(|()| prepare(target, arguments, layout));
        let prepared = refused.take(&target.path, prepared)?;
        ready.extend(prepared.map(|prepared| (target.path.as_path(), prepared)));
    }
    drop(progress);
    if owners == Owners::All {
        passed_over.iter().for_each(|(path, reason)| {
            say(&format!("warning: {}: {reason}", path.display()));
            say("hint: if repositories are there, install them by their own path");
        });
    }
    if arguments.dry_run {
        run_others(&others, &mut refused)?;
        show(&ready, &planned, &templates)?;
        ready.iter().for_each(|_| refused.count());
        return refused.end();
    }
    if refused.is_strict() {
        others.run(&["--dry-run"], Printed::Dropped)?;
    }
    for (server, ready) in ready {
        if refused.take(server, protect(server, ready))?.is_some() {
            refused.count();
        }
    }
    run_others(&others, &mut refused)?;
    if let Some(shared) = shared {
        put(&planned.root, &planned.hooks)?;
        tell_kept(&planned.root, &planned.kept)?;
        (shared.finish)(&planned.commands)?;
    }
    if refused.is_anything_done() {
        templates.iter().try_for_each(|template| refused.take(&template.root, template.write()).map(drop))?;
    }
    refused.end()
}

/// Options that this layout has no use for.
fn check_options(arguments: &Install, layout: Layout) -> Result<()> {
    if arguments.out.is_some() != layout.is_uploaded() {
        return Err(if layout.is_uploaded() {
            no_place()
        } else {
            Failure::new("--out is for servers that take their hooks by upload, and here they are installed in place")
        });
    }
    if layout.is_shared() && !arguments.exclude.is_empty() {
        return Err(Failure::new("one hook serves all repositories, and --exclude leaves some out")
            .hint("let a rule of the policy leave them out by their refs, or install with --layout hooks"));
    }
    Ok(())
}

/// Policies that are files are the same for all, and are looked at once before many repositories are.
fn check_files(policies: &[PolicyArg]) -> Result<()> {
    if policies.iter().any(|policy| matches!(policy, PolicyArg::InRepository(_))) {
        return Ok(());
    }
    let loaded = PolicyReader { repository: None }.load(&shared::settled_files(policies)?);
    loaded.map(drop).map_err(|error| engine_failure(&error.into()))
}

/// Sees to what others own, as those.
fn run_others(others: &Others, refused: &mut Refused) -> Result<()> {
    if refused.is_strict() {
        return others.run(&[], Printed::Shown);
    }
    let failures = others.run_all();
    refused.add_others(failures, others.runs());
    Ok(())
}

/// Writes what is planned for one repository.
fn protect(server: &Path, ready: Ready) -> Result<()> {
    if let Some((path, text)) = &ready.baseline {
        files::replace(path, text.as_bytes(), 0o600)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))?;
        print(&format!("{}: exempt is what its refs hold now\n", server.display()))?;
    }
    let found = if ready.baseline.is_some() { AsFound::Again } else { AsFound::AtStart };
    tell_spent(server, ready.repository.keep_ledger(&ready.ledger, &ready.label, found)?);
    put(server, &ready.hooks)?;
    tell_kept(server, &ready.kept)
}

/// Who is neither the owner nor root, and may not write there, is told so. Root writes nothing where others could have put a link in
/// the way.
fn firm(ground: &Ground, server: &Path) -> Result<()> {
    let git_dir = resolved(server).unwrap_or_else(|| server.to_owned());
    if let Ok(owner) = Owner::of(&git_dir)
        && !current_user().is(0)
        && !owner.is_this()
        && !may_write(&git_dir)
    {
        let message = format!("it belongs to {owner}, and this must be run as that user or as root");
        return Err(Failure::new(message));
    }
    let found = if current_user().is(0) { ground.changeable(server).map_err(Failure::new)? } else { None };
    match found.filter(|found| found.by != By::Newcomers) {
        Some(found) => {
            Err(Failure::new(format!("{}, and root writes nothing below it", found.message())).hint(found.fix()))
        }
        None => Ok(()),
    }
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
fn show(ready: &[(&Path, Ready)], shared: &SharedPlan, templates: &[Template]) -> Result<()> {
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
        if !ready.repository.git_dir.join(&ready.ledger).on_disk().exists() {
            let ledger = ready.repository.git_dir.join(&ready.ledger);
            text.push_str(&format!("make the ledger {}\n", ledger.display()));
        }
        if let Some((path, tips)) = &ready.baseline {
            text.push_str(&format!("write {}, {}\n", path.display(), plural(tips.lines().count(), "commit")));
        }
    }
    for (hook, command) in &shared.commands {
        text.push_str(&format!("set in git's system configuration, for {hook}: {command}\n"));
    }
    for template in templates {
        text.push_str(&format!("make a template for new repositories below {}\n", template.root.display()));
    }
    print(&text)
}
