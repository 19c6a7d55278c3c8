//! Repositories below a directory that an admin leaves out.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::core::policy::{Glob, LetterCase};
use crate::server::targets::Below;
use crate::system::say;

#[derive(Default)]
pub(crate) struct Exclude {
    /// Leave out what matches, by its path below ROOT, with all below it: `*` within one component, `**` across
    pub(crate) patterns: Vec<Glob>,
}

/// Reads a pattern, which may end as directories do.
pub(crate) fn pattern(text: &str) -> Result<Glob, String> {
    Glob::parse(text.trim_end_matches('/')).map_err(|error| error.to_string())
}

/// The patterns that have left something out.
#[derive(Default)]
pub(crate) struct Used(BTreeSet<String>);

impl Exclude {
    pub(super) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns that match the path below `root`, or a directory on the way to it.
    fn matching<'e>(&'e self, root: &'e Path, path: &'e Path) -> impl Iterator<Item = &'e Glob> {
        let below = path.strip_prefix(root).unwrap_or(Path::new(""));
        self.patterns.iter().filter(move |pattern| {
            let parts = below.ancestors().map(|part| part.as_os_str().as_bytes());
            parts.filter(|part| !part.is_empty()).any(|part| pattern.matches(part, LetterCase::Exact))
        })
    }

    /// Takes away what is left out of what was found below `root`.
    pub(crate) fn apply(&self, root: &Path, found: &mut Below, used: &mut Used) {
        let mut stays = |path: &Path| {
            let mut matching = self.matching(root, path).peekable();
            let stays = matching.peek().is_none();
            used.0.extend(matching.map(|pattern| pattern.as_str().to_owned()));
            stays
        };
        found.repositories.retain(|path| stays(path));
        found.passed_over.retain(|(path, _)| stays(path));
    }

    /// Names the patterns that have left nothing out: a repository may be gone, or its name mistyped.
    pub(crate) fn tell_unused(&self, used: &Used) {
        for pattern in self.patterns.iter().filter(|pattern| !used.0.contains(pattern.as_str())) {
            say(&format!("warning: --exclude {}: no repository is called so", pattern.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_pattern_leaves_out_what_it_names_and_what_lies_below() {
        let exclude =
            |patterns: &[&str]| Exclude { patterns: patterns.iter().map(|text| pattern(text).unwrap()).collect() };
        let all = ["/srv/a.git", "/srv/old/a.git", "/srv/old/deep/b.git", "/srv/older.git"];
        for (patterns, left) in [
            (&["a.git"][..], &all[1..]),
            (&["old"], &["/srv/a.git", "/srv/older.git"]),
            (&["old/"], &["/srv/a.git", "/srv/older.git"]),
            (&["**/a.git"], &["/srv/old/deep/b.git", "/srv/older.git"]),
            (&["old/*.git", "old*.git"], &["/srv/a.git", "/srv/old/deep/b.git"]),
            (&["srv"], &all),
            (&["**"], &[]),
        ] {
            let mut found = Below { repositories: all.iter().map(PathBuf::from).collect(), ..Below::default() };
            exclude(patterns).apply(Path::new("/srv"), &mut found, &mut Used::default());
            assert_eq!(found.repositories, left.iter().map(PathBuf::from).collect::<Vec<_>>(), "{patterns:?}");
        }
        // One that is given itself has no path below what is given.
        let mut found = Below { repositories: vec!["/srv/a.git".into()], ..Below::default() };
        exclude(&["a.git"]).apply(Path::new("/srv/a.git"), &mut found, &mut Used::default());
        assert_eq!(found.repositories.len(), 1);
        assert!(pattern("[a]").is_err() && pattern("/a").is_err());
    }
}
