//! The hooks for all clones that a user makes from now on: git copies what stands in `init.templateDir` into each (git-init(1)).

use std::path::PathBuf;

use crate::desk::install::{HOOKS, plan_and_write};
use crate::desk::keys;
use crate::gate::shim::{is_ours, remove, remove_duplicate, remove_set_aside};
use crate::system::process::git;
use crate::system::{Exit, Failure, Result, disk, print};

/// Where git's configuration names it.
const SETTING: &str = "init.templateDir";

/// The template that a user's configuration names, if it does.
fn configured() -> Result<Option<PathBuf>> {
    let asked = git(&["config", "--global", "--type=path", "--get", SETTING]).output()?;
    let path = String::from_utf8_lossy(&asked.stdout).trim_end_matches('\n').to_owned();
    Ok((asked.status.success() && !path.is_empty()).then(|| path.into()))
}

/// Our own, where the user has none.
fn own() -> Result<PathBuf> {
    let agents = keys::home().ok_or_else(|| Failure::new("there is no HOME that a template could be kept in"))?;
    Ok(agents.with_file_name("template"))
}

/// The hooks of the user's template, where any of them is ours.
pub(crate) fn hooks() -> Result<Option<PathBuf>> {
    let hooks = configured()?.map(|template| template.join("hooks"));
    Ok(hooks.filter(|hooks| HOOKS.iter().any(|name| is_ours(&hooks.join(name)))))
}

/// `install --global`.
pub(crate) fn install() -> Result {
    let template = match configured()? {
        Some(template) => template,
        None => {
            let template = own()?;
            let text = template.to_str().ok_or_else(|| Failure::new("the path of the template is not UTF-8"))?;
            git(&["config", "--global", SETTING, text]).run()?;
            template
        }
    };
    let hooks = template.join("hooks");
    disk::create_dir_all(&hooks).map_err(|error| Failure::new(format!("cannot make {}: {error}", hooks.display())))?;
    plan_and_write(&hooks, None)?;
    print(&format!(
        "clones that are made from now on get countersign's hooks, from {}\na clone that is there already gets them, in it, by:\ncountersign install\n",
        hooks.display()
    ))?;
    Ok(Exit::Accepted)
}

/// `uninstall --global`. What clones have got from it, they keep.
pub(crate) fn uninstall() -> Result {
    let Some(template) = configured()? else {
        print("no template of this user's has hooks of countersign's\n")?;
        return Ok(Exit::Accepted);
    };
    let mut removed = false;
    for name in HOOKS {
        let hook = template.join("hooks").join(name);
        removed |= remove(&hook)? | remove_set_aside(&hook)? | remove_duplicate(&hook)?;
    }
    if own().is_ok_and(|own| own == template) {
        git(&["config", "--global", "--unset", SETTING]).run()?;
        // Somebody may have put more there.
        for directory in [template.join("hooks"), template] {
            let _ = disk::remove_dir(directory);
        }
    }
    print(if removed {
        "clones that are made from now on get no hooks; one that has them is rid of them, in it, by:\ncountersign uninstall\n"
    } else {
        "no template of this user's has hooks of countersign's\n"
    })?;
    Ok(Exit::Accepted)
}
