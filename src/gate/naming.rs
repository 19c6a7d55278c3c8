//! What a repository is called where nobody says so: its path below the directory that holds all of them.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::core::id::RepositoryName;

/// The path below `root`, without `.git`, in lower case, with `-` for what no name holds. `None` where that is no name.
pub(crate) fn default_name(root: &Path, path: &Path) -> Option<RepositoryName> {
    let path = path.strip_prefix(root).ok()?;
    let bytes = path.as_os_str().as_bytes();
    // `x/.git` is the repository of the work tree x.
    let bytes = bytes.strip_suffix(b"/.git").or_else(|| bytes.strip_suffix(b".git")).unwrap_or(bytes);
    let letter = |byte: &u8| match byte.to_ascii_lowercase() {
        byte @ (b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/') => byte,
        _ => b'-',
    };
    let name: Vec<u8> = bytes.iter().map(letter).skip_while(|byte| !byte.is_ascii_alphanumeric()).collect();
    RepositoryName::parse(&name)
}

/// What to call a repository that its server keeps under a number or a hash: the end of its file's name, which tells them apart.
pub(crate) fn hashed_name(path: &Path) -> Option<RepositoryName> {
    const LONGEST: usize = 64;
    let name = path.file_name()?.as_bytes();
    let name = name.strip_suffix(b".git").unwrap_or(name);
    let end = name.get(name.len().saturating_sub(LONGEST)..)?;
    default_name(Path::new(""), Path::new(std::ffi::OsStr::from_bytes(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_a_name() {
        for (path, name) in [
            ("/srv/git/acme/pay.git", Some("acme/pay")),
            ("/srv/git/Acme/C++.git", Some("acme/c--")),
            ("/srv/git/@hashed/aa/x.git", Some("hashed/aa/x")),
            ("/srv/git/desk/.git", Some("desk")),
            ("/srv/git/pay", Some("pay")),
            ("/elsewhere/pay.git", None),
            ("/srv/git", None),
        ] {
            let found = default_name(Path::new("/srv/git"), Path::new(path));
            assert_eq!(found.as_ref().map(RepositoryName::as_str), name, "{path}");
        }
        let hash = "6b".repeat(32);
        for (path, name) in [
            (format!("/srv/@hashed/6b/6b/{hash}.git"), hash.clone()),
            (format!("/srv/@hashed/6b/6b/{hash}.wiki.git"), format!("{}.wiki", &hash[5..])),
            ("/srv/repositories/17".to_owned(), "17".to_owned()),
        ] {
            assert_eq!(hashed_name(Path::new(&path)).unwrap().as_str(), name, "{path}");
        }
        let long = format!("/srv/git/{}.git", "a".repeat(65));
        assert_eq!(default_name(Path::new("/srv/git"), Path::new(&long)), None);
    }
}
