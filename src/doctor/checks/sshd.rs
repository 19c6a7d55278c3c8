//! What sshd's configuration says of the keys that open sessions (sshd_config(5)). What it leaves open counts as said: only where no
//! session can tell who pushes is it a fault.

use std::path::{Path, PathBuf};

use crate::core::policy::{Glob, LetterCase};
use crate::system::disk;

/// Where sshd has its configuration, and where relative paths of `Include` lead.
const DIRECTORY: &str = "/etc/ssh";

/// Files that include others, at most: as many as sshd follows (servconf.c, `SERVCONF_MAX_DEPTH`).
const DEPTH: usize = 16;

/// Words that give a session a command or a variable by which an account may be named.
const OTHER_WAYS: [&str; 5] =
    ["authorizedkeyscommand", "forcecommand", "trustedusercakeys", "setenv", "permituserenvironment"];

/// Whether a block of the configuration is about a user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    All,
    User,
    Perhaps,
    Others,
}

/// What has been read.
#[derive(Default)]
struct Reading {
    everywhere: Option<bool>,
    for_user: Option<bool>,
    /// Whether somebody may be told otherwise.
    is_open: bool,
}

/// Whether the sessions of a user can say who pushes, by this configuration and these lines of `authorized_keys`.
pub(super) fn can_tell(config: &Path, user: &str, authorized_keys: &str) -> bool {
    let mut reading = Reading::default();
    reading.file(config, user, About::All, 0);
    let exposes = reading.for_user.or(reading.everywhere).unwrap_or(false);
    exposes || reading.is_open || authorized_keys.contains("COUNTERSIGN_USER")
}

impl Reading {
    fn file(&mut self, path: &Path, user: &str, about: About, depth: usize) {
        let text = disk::read(path).ok().filter(|_| depth < DEPTH);
        let Some(text) = text else {
            // What cannot be read may say anything.
            self.is_open = true;
            return;
        };
        let mut about = about;
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((keyword, words)) = words(line) else { continue };
            match keyword.as_str() {
                "match" => about = matched(&words, user),
                "include" => words
                    .iter()
                    .flat_map(|word| included(word))
                    .for_each(|file| self.file(&file, user, about, depth + 1)),
                _ if about == About::Others => {}
                "exposeauthinfo" => {
                    self.exposes(about, words.first().is_some_and(|word| word.eq_ignore_ascii_case("yes")))
                }
                other if OTHER_WAYS.contains(&other) => {
                    self.is_open |=
                        !words.first().is_some_and(|word| ["none", "no"].contains(&word.to_ascii_lowercase().as_str()));
                }
                _ => {}
            }
        }
    }

    /// The first value counts, and one of a block before that of all.
    fn exposes(&mut self, about: About, yes: bool) {
        match about {
            About::All => self.everywhere = self.everywhere.or(Some(yes)),
            About::User => self.for_user = self.for_user.or(Some(yes)),
            About::Perhaps => self.is_open |= yes,
            About::Others => {}
        }
    }
}

/// A line's keyword in lower case, and its words.
fn words(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.trim();
    let (keyword, rest) =
        line.split_at(line.find(|char: char| char.is_whitespace() || char == '=').unwrap_or(line.len()));
    let rest = rest.trim_start_matches(|char: char| char.is_whitespace() || char == '=');
    let comment = keyword.is_empty() || keyword.starts_with('#');
    let words = rest.split_whitespace().map(|word| word.trim_matches('"').to_owned());
    (!comment).then(|| (keyword.to_ascii_lowercase(), words.collect()))
}

/// Whom a `Match` line is about.
fn matched(words: &[String], user: &str) -> About {
    match words {
        [all] if all.eq_ignore_ascii_case("all") => About::User,
        [criterion, names] if criterion.eq_ignore_ascii_case("user") => {
            let mut names = names.split(',');
            if names.clone().any(|name| name.contains(['*', '?', '!'])) {
                About::Perhaps
            } else if names.any(|name| name == user) {
                About::User
            } else {
                About::Others
            }
        }
        _ => About::Perhaps,
    }
}

/// The files that an `Include` names, in the order in which sshd reads them. A pattern stands in their names alone.
fn included(word: &str) -> Vec<PathBuf> {
    let path = Path::new(DIRECTORY).join(word);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains('*') {
        return vec![path];
    }
    let (Ok(pattern), Some(directory)) = (Glob::parse(&name), path.parent()) else { return vec![path] };
    let entries = disk::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter(|entry| pattern.matches(entry.file_name().as_encoded_bytes(), LetterCase::Exact));
    let mut files: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_session_tells_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("sshd_config");
        let drop_in = directory.path().join("d");
        disk::create_dir(&drop_in).unwrap();
        let include = format!("Include {}/*.conf\n", drop_in.display());
        disk::write(drop_in.join("50-expose.conf"), "Match User other\nMatch all\n exposeauthinfo=yes\n").unwrap();
        disk::write(drop_in.join("other"), "nonsense").unwrap();
        for (text, keys, expected) in [
            ("", "", false),
            ("ExposeAuthInfo yes\n", "", true),
            ("# ExposeAuthInfo yes\nPort 22\n", "", false),
            ("ExposeAuthInfo no\nExposeAuthInfo yes\n", "", false),
            ("  exposeauthinfo   \"yes\" \n", "", true),
            ("ExposeAuthInfo yes\nMatch User git\nExposeAuthInfo no\n", "", false),
            ("Match User bob,git\nExposeAuthInfo yes\n", "", true),
            ("Match User bob\nExposeAuthInfo yes\nForceCommand x\n", "", false),
            ("Match Address 10.0.0.0/8\nExposeAuthInfo yes\n", "", true),
            ("Match User g*\nExposeAuthInfo yes\n", "", true),
            ("", "restrict,command=\"COUNTERSIGN_USER=alice exec git-shell\" ssh-ed25519 AAAA", true),
            ("", "restrict ssh-ed25519 AAAA", false),
            ("AuthorizedKeysCommand /usr/bin/keys\n", "", true),
            ("AuthorizedKeysCommand none\n", "", false),
            ("PermitUserEnvironment no\n", "", false),
            (include.as_str(), "", true),
            ("Include /nowhere/at/all\n", "", true),
        ] {
            disk::write(&config, text).unwrap();
            assert_eq!(can_tell(&config, "git", keys), expected, "{text:?} {keys:?}");
        }
        assert!(can_tell(&directory.path().join("none"), "git", ""), "what is not there says nothing");
    }
}
