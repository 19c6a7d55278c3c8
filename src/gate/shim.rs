//! The shell files that git runs, and how they come and go without ever being half there.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::system::files::{self, Unfinished, is_unfinished};
use crate::system::users::may_execute;
use crate::system::{Failure, OnDisk as _, Result, disk, env, quote};

/// The line that tells our files from others'.
const MARK: &str = "# Installed by countersign. `countersign uninstall` puts back what was here before.";

/// What the name of a hook gets that was there before ours.
const BEFORE: &str = ".before-countersign";

/// One hook file of ours that is to be written.
pub(crate) struct Planned {
    /// Where git looks for it.
    pub(crate) path: PathBuf,
    /// Its whole content.
    pub(crate) text: String,
    /// Whether a hook of somebody else's stands there and moves aside.
    pub(crate) moves: Option<PathBuf>,
}

/// What stands where a hook of ours is to go.
pub(crate) enum Present {
    Nothing,
    Ours(String),
    Another,
}

/// Looks at a place for a hook.
pub(crate) fn present(path: &Path) -> Result<Present> {
    if path.on_disk().symlink_metadata().is_err() {
        return Ok(Present::Nothing);
    }
    match disk::read_to_string(path) {
        Ok(text) if text.lines().nth(1) == Some(MARK) => Ok(Present::Ours(text)),
        _ => Ok(Present::Another),
    }
}

/// The name of what stood at `path` before ours.
pub(crate) fn before(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(BEFORE);
    path.with_file_name(name)
}

/// Whether a path is that of a hook that made room for ours.
pub(crate) fn is_set_aside(path: &Path) -> bool {
    path.to_string_lossy().ends_with(BEFORE)
}

/// Whether git would run it: it asks the system whether this user may (run-command.c, `find_hook`).
pub(crate) fn is_executable(path: &Path) -> bool {
    path.on_disk().is_file() && may_execute(path)
}

/// Whether a hook of ours stands there, wherever a link leads.
pub(crate) fn is_ours(path: &Path) -> bool {
    disk::read_to_string(path).is_ok_and(|text| text.lines().nth(1) == Some(MARK))
}

/// The words of the line that runs a program in its place, as [`quote`] writes them. `None` where there is no such line, or it
/// holds what a shell would expand.
pub(crate) fn exec_words(text: &str) -> Option<Vec<String>> {
    let line = text.lines().find_map(|line| line.strip_prefix("exec "))?;
    let mut words = Vec::new();
    let mut word = None;
    let mut rest = line.trim_end().strip_suffix("\"$@\"").unwrap_or(line).chars();
    while let Some(char) = rest.next() {
        match char {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word: &mut String = word.get_or_insert_default();
                loop {
                    match rest.next()? {
                        '\'' => break,
                        char => word.push(char),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(rest.next()?),
            '"' | '$' | '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '*' | '?' | '#' | '~' => return None,
            char => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    Some(words)
}

/// The text of a hook: a shell, our mark, and its lines.
pub(crate) fn script(lines: &str) -> String {
    format!("#!/bin/sh\n{MARK}\n{lines}")
}

/// Plans a hook at `path`, given the hook that it runs besides itself.
pub(crate) fn plan(path: &Path, text: impl FnOnce(Option<&Path>) -> String) -> Result<Planned> {
    let aside = before(path);
    let occupied = aside.on_disk().symlink_metadata().is_ok();
    let chained = |from: &Path| is_executable(from).then(|| aside.clone());
    match present(path)? {
        Present::Nothing | Present::Ours(_) if occupied => {
            Ok(Planned { path: path.to_owned(), text: text(chained(&aside).as_deref()), moves: None })
        }
        Present::Nothing | Present::Ours(_) => Ok(Planned { path: path.to_owned(), text: text(None), moves: None }),
        // A process that was killed had given the hook its second name, and not yet put ours in its place.
        Present::Another if same_file(path, &aside) => {
            Ok(Planned { path: path.to_owned(), text: text(chained(&aside).as_deref()), moves: None })
        }
        // Installed again over ours by the tool whose hook was set aside: that one is in force already.
        Present::Another if same_content(path, &aside) => {
            Ok(Planned { path: path.to_owned(), text: text(chained(&aside).as_deref()), moves: None })
        }
        // Installed again by a later version of that tool, which takes the place of the earlier.
        Present::Another if same_generator(path, &aside) => {
            Ok(Planned { path: path.to_owned(), text: text(chained(path).as_deref()), moves: Some(aside) })
        }
        Present::Another if occupied => Err(Failure::new(format!(
            "both {} and {} are there, and neither is ours to overwrite",
            path.display(),
            aside.display()
        ))
        .hint("remove the one that is not wanted, then install again")),
        Present::Another => {
            if let Some(line) = names_itself(path) {
                return Err(Failure::new(format!("{} goes by its own name, which changes when it makes room: {line}", path.display()))
                    .hint("let it call countersign itself, as its first step: see hooks/pre-receive; or write the name into it"));
            }
            Ok(Planned { path: path.to_owned(), text: text(chained(path).as_deref()), moves: Some(aside) })
        }
    }
}

fn same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| path.on_disk().symlink_metadata().map(|found| (found.dev(), found.ino())).ok();
    id(one).is_some() && id(one) == id(other)
}

fn same_content(one: &Path, other: &Path) -> bool {
    disk::read(one).is_ok_and(|content| disk::read(other).is_ok_and(|other| other == content))
}

/// Managers of hooks, by what stands in the files that they write. Each writes its hooks again whenever it likes.
const GENERATORS: [&str; 3] = ["generated by pre-commit", "lefthook", "husky"];

/// The manager that wrote a hook.
pub(crate) fn generator(path: &Path) -> Option<&'static str> {
    let text = disk::read_to_string(path).ok()?;
    GENERATORS.into_iter().find(|words| text.contains(words))
}

fn same_generator(one: &Path, other: &Path) -> bool {
    let known = generator(one);
    known.is_some() && known == generator(other)
}

/// What managers of hooks call a hook that they found in their place: pre-commit runs it, lefthook does not.
const SET_ASIDE: [&str; 2] = [".legacy", ".old"];

/// Takes away hooks of ours that a manager has set aside.
pub(crate) fn remove_set_aside(path: &Path) -> Result<bool> {
    let mut removed = false;
    for suffix in SET_ASIDE {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(suffix);
        let aside = path.with_file_name(name);
        if is_ours(&aside) {
            files::remove(&aside)?;
            removed = true;
        }
    }
    Ok(removed)
}

/// Takes away what was set aside for ours, where its tool has put the same in our place. Whether there was any.
pub(crate) fn remove_duplicate(path: &Path) -> Result<bool> {
    let aside = before(path);
    let again = same_content(path, &aside) || same_generator(path, &aside);
    if !matches!(present(path)?, Present::Another) || !again {
        return Ok(false);
    }
    files::remove(&aside)?;
    Ok(true)
}

/// How scripts look at their own name.
const OWN_NAME: [&str; 7] =
    ["$0", "${0", "sys.argv[0]", "$BASH_ARGV0", "BASH_SOURCE", "FindBin::Script", "$PROGRAM_NAME"];

/// The line of a hook that goes by the hook's own name: those that run what lies in `NAME.d`, and those that ask which hook they are.
/// The directory stays the same, and a name that is only printed does no harm.
fn names_itself(path: &Path) -> Option<String> {
    let bytes = disk::read(path).ok().filter(|_| is_executable(path))?;
    let text = std::str::from_utf8(&bytes).ok().filter(|text| text.starts_with("#!"))?;
    let lines = || text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let runs_others =
        lines().any(|line| [".d/", ".d\"", ".d;", ".d)", "run-parts"].iter().any(|sign| line.contains(sign)));
    let own = |line: &&str| {
        let names = OWN_NAME.iter().any(|name| line.contains(name));
        let asks = line.contains("case $0") || line.contains("case \"$0\"");
        asks || (runs_others && names && (!line.contains("dirname") || line.contains("basename")))
    };
    lines().find(own).map(|line| line.chars().take(100).collect())
}

/// Whether carrying out the plan would change nothing.
pub(crate) fn is_in_place(planned: &Planned) -> Result<bool> {
    Ok(matches!(present(&planned.path)?, Present::Ours(text) if text == planned.text) && is_executable(&planned.path))
}

/// Carries out a plan. The hook is complete when it appears; until then the one before it is in force.
pub(crate) fn write(planned: &Planned) -> Result<()> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", planned.path.display()));
    let directory = planned.path.parent().unwrap_or(Path::new("."));
    if !directory.on_disk().exists() {
        disk::create_dir_all(directory).map_err(failed)?;
        // Whoever git runs as passes through it, whatever mask this process has.
        disk::set_permissions(directory, Permissions::from_mode(0o755)).map_err(failed)?;
    }
    let file = Unfinished::beside(&planned.path, planned.text.as_bytes(), 0o755).map_err(failed)?;
    if let Some(aside) = &planned.moves {
        if aside.on_disk().symlink_metadata().is_ok() {
            // An earlier version of the same tool's.
            disk::remove_file(aside).map_err(failed)?;
        }
        // A second name first, so that there is no moment without a hook. A link to a symbolic link is not portable.
        if planned.path.on_disk().symlink_metadata().map_err(failed)?.is_symlink() {
            let target = disk::read_link(&planned.path).map_err(failed)?;
            std::os::unix::fs::symlink(target, aside).map_err(failed)?;
        } else {
            disk::hard_link(&planned.path, aside).map_err(failed)?;
        }
    }
    let Err(error) = file.put() else { return Ok(()) };
    if let Some(aside) = &planned.moves {
        // The hook still stands under its own name.
        disk::remove_file(aside).map_err(failed)?;
    }
    Err(failed(error))
}

/// Takes our hook away and puts back what was there. Whether there was one of ours.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot restore {}: {error}", path.display()));
    if !matches!(present(path)?, Present::Ours(_)) {
        return Ok(false);
    }
    let aside = before(path);
    for entry in path.parent().and_then(|directory| disk::read_dir(directory).ok()).into_iter().flatten().flatten() {
        if is_unfinished(&entry.file_name()) {
            disk::remove_file(entry.path()).map_err(failed)?;
        }
    }
    if aside.on_disk().symlink_metadata().is_ok() {
        disk::rename(&aside, path).map_err(failed)?;
    } else {
        disk::remove_file(path).map_err(failed)?;
    }
    Ok(true)
}

/// The program that shims call: this one.
pub(crate) fn program() -> Result<PathBuf> {
    env::current_exe().map_err(|error| Failure::new(format!("cannot tell where this program lies: {error}")))
}

/// A path as a word of sh, in quotes where it needs them: for a hint to be pasted.
pub(crate) fn quoted(path: &Path) -> String {
    crate::core::report::word(&path.display().to_string())
}

/// A path as a word of sh.
pub(crate) fn quote_path(path: &Path) -> Result<String> {
    check_line(path).map(quote)
}

/// A path can stand in a hook where it is text on one line.
pub(crate) fn check_line(path: &Path) -> Result<&str> {
    let text = path.to_str().ok_or_else(|| Failure::new(format!("{} is not UTF-8", path.display())))?;
    if text.contains('\n') {
        return Err(Failure::new("a path with a line feed cannot stand in a hook"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        let line = format!("exec {} hook --policy {} \"$@\"\n", quote("/a b"), quote("it's $HOME"));
        assert_eq!(exec_words(&script(&line)).unwrap(), ["/a b", "hook", "--policy", "it's $HOME"]);
        for other in ["exit 0\n", "exec $PROGRAM hook\n", "exec 'open\n", "exec a; b\n"] {
            assert_eq!(exec_words(other), None, "{other}");
        }
    }

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(quote_path(Path::new("plain")).unwrap(), "'plain'");
        assert_eq!(quote_path(Path::new("it's $HOME")).unwrap(), r"'it'\''s $HOME'");
        assert!(quote_path(Path::new("two\nlines")).is_err());
    }

    #[test]
    fn a_hook_comes_and_goes_and_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pre-receive");
        let original = "#!/bin/sh\nexit 0\n";
        disk::write(&path, original).unwrap();
        disk::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
        for round in 0..2 {
            let planned = plan(&path, |chain| script(&format!("chained {chain:?}\n"))).unwrap();
            assert!(planned.text.contains("before-countersign"), "{}", planned.text);
            assert_eq!(is_in_place(&planned).unwrap(), round == 1);
            write(&planned).unwrap();
        }
        assert!(is_executable(&path));
        assert!(remove(&path).unwrap());
        assert_eq!(disk::read_to_string(&path).unwrap(), original);
        assert_eq!(path.on_disk().metadata().unwrap().permissions().mode() & 0o777, 0o750);
        assert!(!remove(&path).unwrap(), "another's hook is left alone");
        assert_eq!(disk::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// A manager of hooks writes its own over ours, the same or a later version's.
    #[test]
    fn a_manager_that_installs_again_gives_the_place_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("commit-msg");
        let install = || {
            let planned = plan(&path, |chain| script(&format!("exec x --chain {chain:?}\n"))).unwrap();
            write(&planned).unwrap();
            disk::read_to_string(before(&path)).unwrap()
        };
        let theirs = |version: u8| {
            disk::write(&path, format!("#!/bin/sh\n# File generated by pre-commit: v{version}\n")).unwrap();
            disk::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        };
        for version in [1, 1, 2] {
            let legacy = path.with_file_name("commit-msg.legacy");
            if path.on_disk().exists() {
                disk::rename(&path, &legacy).unwrap();
            }
            theirs(version);
            assert!(install().contains(&format!("v{version}")));
            assert!(is_ours(&path));
            let was_there = legacy.on_disk().exists();
            assert_eq!(remove_set_aside(&path).unwrap(), was_there);
            assert!(!legacy.on_disk().exists());
        }
        theirs(2);
        assert!(remove_duplicate(&path).unwrap() && !before(&path).on_disk().exists() && path.on_disk().exists());
        assert!(!remove_duplicate(&path).unwrap());
    }

    #[test]
    fn two_foreign_hooks_are_not_ours_to_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pre-receive");
        disk::write(&path, "#!/bin/sh\n").unwrap();
        disk::write(before(&path), "#!/bin/sh\nexit 0\n").unwrap();
        assert!(plan(&path, |_| String::new()).is_err());
    }
}
