//! gitolite: one hook in its local code, which it links into every repository (its documentation, "hooks").

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::system::{Failure, Result, say};

const HINT: &str = "run this as the user that gitolite runs as, with gitolite on PATH";

fn gitolite(arguments: &[&str]) -> Result<Option<String>> {
    let output = Command::new("gitolite")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("cannot run gitolite: {error}")).hint(HINT))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(text))
}

/// Where the hooks of all repositories lie, for the gitolite whose repositories are below `root`.
pub(in crate::server) fn common_hooks(root: &Path) -> Result<PathBuf> {
    let base = gitolite(&["query-rc", "GL_REPO_BASE"])?
        .ok_or_else(|| Failure::new("gitolite does not say where its repositories are").hint(HINT))?;
    let is_base = |path: &Path| path.canonicalize().ok() == Path::new(&base).canonicalize().ok();
    if !is_base(root) {
        return Err(Failure::new(format!("gitolite's repositories are below {base}, not {}", root.display())).hint(
            format!("give that directory:\ncountersign install --server {base} --submitter gitolite --policy FILE"),
        ));
    }
    let local = gitolite(&["query-rc", "LOCAL_CODE"])?.filter(|path| !path.is_empty()).ok_or_else(|| {
        Failure::new("gitolite has no LOCAL_CODE, the directory for hooks of the site's own")
            .hint("set it in ~/.gitolite.rc:\nLOCAL_CODE => \"$ENV{HOME}/local\",")
    })?;
    Ok(Path::new(&local).join("hooks/common"))
}

/// Lets gitolite link the hooks into its repositories; new ones get them when it makes them.
pub(in crate::server) fn spread() -> Result<()> {
    match gitolite(&["setup", "--hooks-only"])? {
        Some(_) => Ok(()),
        None => {
            Err(Failure::new("gitolite setup --hooks-only failed, so not every repository has the hook").hint(HINT))
        }
    }
}

/// gitolite takes a hook of a repository's own away when it links the common one there.
pub(in crate::server) fn refuse_own_hooks(repositories: &[PathBuf]) -> Result<()> {
    for hook in
        repositories.iter().flat_map(|path| ["pre-receive", "post-receive"].map(|hook| path.join("hooks").join(hook)))
    {
        if hook.symlink_metadata().is_ok_and(|found| found.is_file()) {
            return Err(Failure::new(format!(
                "gitolite would remove {}, a hook of that repository's own",
                hook.display()
            ))
            .hint(
                "move it to LOCAL_CODE/hooks/repo-specific and name it in gitolite.conf, or to LOCAL_CODE/hooks/common",
            ));
        }
    }
    Ok(())
}

/// `option hook.pre-receive` of gitolite.conf puts another hook in the place of ours, in silence.
pub(in crate::server) fn warn_of_options(repositories: &[PathBuf]) {
    for path in repositories {
        let configured = std::fs::read_to_string(path.join("gl-conf")).unwrap_or_default();
        if configured.contains("hook.pre-receive") || configured.contains("hook.post-receive") {
            say(&format!("warning: {}: gitolite.conf replaces its hook by an option hook.*", path.display()));
            say("hint: remove the option; a hook of your own goes to LOCAL_CODE/hooks/common before this is installed");
        }
    }
}
