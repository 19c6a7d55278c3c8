//! What a repository is called where nobody says so: its path below the directory that holds all of them.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::id::RepositoryName;

/// The path below `root`, without `.git`, in lower case, with `-` for what no name holds. `None` where that is no name.
pub(super) fn default_name(root: &Path, path: &Path) -> Option<RepositoryName> {
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
        let long = format!("/srv/git/{}.git", "a".repeat(65));
        assert_eq!(default_name(Path::new("/srv/git"), Path::new(&long)), None);
    }
}
