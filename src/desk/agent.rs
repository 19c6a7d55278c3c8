//! `countersign agent add`: a key of its own for an agent, and the lines that register it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::core::id::Id;
use crate::core::ssh::PrivateKey;
use crate::desk::at_work::{near_tool, tools};
use crate::desk::keys;
use crate::gate::shim::quoted;
use crate::system::process::{config, git};
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, files, print, random_seed, say, say_hint};

/// An agent that gets a key.
pub(crate) struct Add {
    /// The agent's id in the policy
    pub(crate) id: Id,
    /// The tool that it is an instance of, if that is not its id
    pub(crate) tool: Option<Id>,
    /// The id of the person who answers for it
    pub(crate) owner: Option<Id>,
    /// Make the key in one place of this user's, for all clones
    pub(crate) user: bool,
    /// Make a new key although the agent has one, such as one that is retired or lost
    pub(crate) new_key: bool,
}

pub(crate) fn add(add: &Add) -> Result {
    let setting = format!("countersign.{}.key", add.id);
    let of_user = keys::of_user(&add.id);
    if let Some(path) = config(&setting)?.filter(|_| !add.new_key) {
        let found = keys::found(&add.id, Path::new(&path));
        if found != Path::new(&path) {
            // The clone has been moved, and its key with it.
            git(&["config", "--local", &setting, text_of(&found)?]).run()?;
        }
        return known(add, &found);
    }
    let elsewhere = of_user.as_ref().filter(|path| path.on_disk().is_file() && !add.new_key);
    if let (Some(path), false) = (elsewhere, add.user) {
        let scope = if git(&["rev-parse", "--git-dir"]).succeeds()? { "" } else { " --global" };
        return Err(Failure::new(format!("agent {} has a key already, in {}", add.id, path.display())).hint(format!(
            "to use it here, or to make another:\ngit config{scope} {setting} {}\ncountersign agent add {} --new-key",
            quoted(path),
            add.id
        )));
    }
    let (directory, first, scope) = if add.user {
        let path =
            of_user.ok_or_else(|| Failure::new("there is no HOME that a key for all clones could be kept in"))?;
        (path.parent().map(Path::to_owned).unwrap_or_default(), "key".to_owned(), "--global")
    } else {
        (keys::of_clone()?, add.id.to_string(), "--local")
    };
    // A key that was is kept: it may still be of use to tell what it signed.
    let names = std::iter::once(first.clone()).chain((2..).map(|number| format!("{first}.{number}")));
    let mut paths = names.map(|name| directory.join(name));
    let path = paths.find(|path| !add.new_key || path.on_disk().symlink_metadata().is_err());
    let path = path.ok_or_else(|| Failure::new("no name is left for a key"))?;
    let text = text_of(&path)?;
    if path.on_disk().symlink_metadata().is_ok() {
        // Made before, and forgotten in the configuration.
        git(&["config", scope, &setting, text]).run()?;
        return known(add, &path);
    }
    let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
    let public = format!("{} {}", key.public().to_line(), add.id);
    write_key(&directory, &path, &key.to_openssh(add.id.as_str()).map_err(Failure::new)?, &public)?;
    git(&["config", scope, &setting, text]).run()?;
    let tool = add.tool.as_ref().unwrap_or(&add.id);
    if *tool != add.id {
        git(&["config", scope, &format!("countersign.{}.env", add.id), tool.as_str()]).run()?;
    }
    say_how_it_is_recognised(add)?;
    print_lines(add, text, tool, &public)
}

fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Failure::new("the path of the key is not UTF-8"))
}

/// Says where no environment can tell that the agent is at work: its commits would not be sealed, in silence.
fn say_how_it_is_recognised(add: &Add) -> Result<()> {
    let (id, tool) = (&add.id, add.tool.as_ref().unwrap_or(&add.id).as_str());
    let known: BTreeSet<&str> = tools().collect();
    let named = config(&format!("countersign.{id}.env"))?.is_some_and(|env| env != tool);
    if named || known.contains(tool) {
        return Ok(());
    }
    let mut hint = match near_tool(tool, known.iter().copied()) {
        Some(near) => format!("if it is {near}:\ngit config countersign.{id}.env {near}\n"),
        None => String::new(),
    };
    hint += &format!(
        "where its processes have a variable of their own, name it; or have them say who is at work:\ngit config countersign.{id}.env NAME\nexport COUNTERSIGN_AGENT={id}"
    );
    say(&format!("warning: no environment that is known says {tool}, so nothing tells when {id} is at work"));
    say_hint(&hint);
    Ok(())
}

/// Prints the lines again of an agent that has its key: they may have got lost on the way to the admin.
fn known(add: &Add, path: &Path) -> Result {
    let public = path.with_added_extension("pub");
    let text = disk::read_to_string(&public).map_err(|error| {
        Failure::new(format!(
            "agent {} has the key {} already, and its {}: {error}",
            add.id,
            path.display(),
            public.display()
        ))
        .hint(format!("to make another:\ncountersign agent add {} --new-key", add.id))
    })?;
    let tool = match (&add.tool, config(&format!("countersign.{}.env", add.id))?) {
        (Some(tool), _) => tool.to_string(),
        (None, Some(tool)) => tool,
        (None, None) => add.id.to_string(),
    };
    print_lines(add, &path.display().to_string(), &tool, text.trim_end())
}

fn print_lines(add: &Add, path: &str, tool: impl std::fmt::Display, public: &str) -> Result {
    let owner = add.owner.as_ref().map_or("OWNER", Id::as_str);
    let ask = if add.owner.is_none() { "   # the id of the person who answers for it" } else { "" };
    print(&format!(
        "# The key is in {path}; only this agent may read it. An admin adds these lines to the policy:\n\
         [agents.{}]\ntool = \"{tool}\"\nowner = \"{owner}\"{ask}\nkeys = [\"{public}\"]\n",
        add.id
    ))?;
    Ok(Exit::Accepted)
}

/// Both halves, the private one for this user alone. Nothing is overwritten.
pub(crate) fn write_key(directory: &Path, path: &Path, private: &str, public: &str) -> Result<()> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write the key {}: {error}", path.display()));
    disk::create_private_dir_all(directory).map_err(failed)?;
    for (path, text, mode) in [(path.to_owned(), private, 0o600), (path.with_added_extension("pub"), public, 0o644)] {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        files::create(&path, format!("{text}{end}").as_bytes(), mode).map_err(failed)?;
    }
    Ok(())
}
