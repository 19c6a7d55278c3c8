//! Who pushed, as the server says it. An admin names the kind of server at install, and only what that kind is documented to say
//! is read: nothing is guessed, and a variable of another kind of server says nothing.
//!
//! Every value is a claim of the server's environment. Anybody who can start git on the server with an environment of their own
//! can make it up; the adapters for ssh keys and signed push certificates ask for proof.

pub mod login;
pub mod push_cert;

use std::fmt;

use crate::core::ssh::PublicKey;

/// A kind of server, which tells who pushes in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// OpenSSH: the public key of the session (`ExposeAuthInfo`, sshd_config(5)), or the account in `COUNTERSIGN_USER`.
    Ssh,
    /// A web server before git-http-backend(1): `REMOTE_USER` (RFC 3875, 4.1.11).
    Http,
    /// gitolite: `GL_USER`.
    Gitolite,
    /// GitLab: `GL_USERNAME`, and `GL_PROTOCOL`, which is `web` for what is done in its pages. A push with a deploy key carries the
    /// name of whoever made the key, and nothing that tells it from one of theirs.
    Gitlab,
    /// Gitea and Forgejo: `GITEA_PUSHER_NAME`, and `SSH_ORIGINAL_COMMAND`, which is `gitea-internal` for what is done in pages.
    Gitea,
    /// GitHub Enterprise Server: `GITHUB_USER_LOGIN`, and `GITHUB_VIA`, which names what was done in its pages.
    Ghes,
    /// Bitbucket Data Center: `BB_USER_NAME`, and `BB_HOOK_TRIGGER_ID`, which is `push` for a push.
    Bitbucket,
    /// Any server with `receive.certNonceSeed`: the certificate of `git push --signed`.
    PushCert,
    /// Nobody can tell.
    None,
}

impl Adapter {
    /// All of them, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Ssh,
        Self::Http,
        Self::Gitolite,
        Self::Gitlab,
        Self::Gitea,
        Self::Ghes,
        Self::Bitbucket,
        Self::PushCert,
        Self::None,
    ];

    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Http => "http",
            Self::Gitolite => "gitolite",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Ghes => "ghes",
            Self::Bitbucket => "bitbucket",
            Self::PushCert => "push-cert",
            Self::None => "none",
        }
    }

    /// The adapter of this name. Forgejo does as Gitea, which it comes from.
    pub fn parse(name: &str) -> Option<Self> {
        let name = if name == "forgejo" { "gitea" } else { name };
        Self::ALL.iter().copied().find(|adapter| adapter.name() == name)
    }

    /// What every line must begin with for the pages of the server to show it.
    pub const fn line_prefix(self) -> &'static str {
        match self {
            Self::Gitlab => "GL-HOOK-ERR: ",
            _ => "",
        }
    }

    /// Seconds that a decision may take where an admin says nothing else. GitHub Enterprise Server stops all hooks of a push
    /// after five.
    pub const fn deadline(self) -> u64 {
        match self {
            Self::Ghes => 4,
            _ => 30,
        }
    }

    /// The variables that say what the repository is called, part by part, for servers that keep it under another name.
    pub const fn repository_variables(self) -> &'static [&'static str] {
        match self {
            Self::Gitlab => &["GL_PROJECT_PATH"],
            Self::Ghes => &["GITHUB_REPO_NAME"],
            Self::Bitbucket => &["BB_PROJECT_KEY", "BB_REPO_SLUG"],
            _ => &[],
        }
    }

    /// The submitter as the variables of this kind of server name it. `None` for kinds that ask for proof instead of a name.
    pub fn named(self, variable: &dyn Fn(&'static str) -> Option<Vec<u8>>) -> Option<Submitter> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let is = |name, value: &[u8]| set(name).filter(|own| own == value);
        if self == Self::Gitea && set("GITEA_DEPLOY_KEY_ID").is_some_and(|id| id != b"0") {
            return Some(Submitter::Unknown("a deploy key pushes, which is no account's".to_owned()));
        }
        let (name, via) = match self {
            Self::Http => ("REMOTE_USER", Via::Push),
            Self::Gitolite => ("GL_USER", Via::Push),
            Self::Gitlab => ("GL_USERNAME", Via::unless_forge(is("GL_PROTOCOL", b"web"))),
            Self::Gitea => ("GITEA_PUSHER_NAME", Via::unless_forge(is("SSH_ORIGINAL_COMMAND", b"gitea-internal"))),
            Self::Ghes => ("GITHUB_USER_LOGIN", Via::unless_forge(set("GITHUB_VIA"))),
            Self::Bitbucket => {
                let trigger = set("BB_HOOK_TRIGGER_ID").filter(|trigger| trigger != b"push" && trigger != b"unknown");
                ("BB_USER_NAME", Via::unless_forge(trigger))
            }
            Self::None => return Some(Submitter::Unnamed),
            Self::Ssh | Self::PushCert => return None,
        };
        Some(match set(name) {
            None => Submitter::Unknown(format!("the server says nobody: {name} is not set")),
            Some(value) => match account(&value) {
                Some(account) => Submitter::Said(Said { who: Who::Account(account), via }),
                None => Submitter::Unknown(format!("{name} does not hold the name of an account")),
            },
        })
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Bytes of an account's name.
pub const ACCOUNT_BYTES: usize = 100;

/// The name of an account: printable UTF-8, at most [`ACCOUNT_BYTES`], with no white space at its ends.
pub fn account(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty() && text.len() <= ACCOUNT_BYTES)?;
    let plain =
        text.trim() == text && !text.chars().any(|char| char.is_control() || (char.is_whitespace() && char != ' '));
    plain.then(|| text.to_owned())
}

/// What is known of who pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Submitter {
    /// Nobody pushes yet: a check on a desk.
    #[default]
    Unasked,
    /// The admin named no kind of server, so nobody can tell.
    Unnamed,
    /// The kind is named and does not say, with the reason.
    Unknown(String),
    /// It says so.
    Said(Said),
}

/// Who pushes, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whom the server names.
    pub who: Who,
    /// What they used.
    pub via: Via,
}

/// Whom a server names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// An account of the server.
    Account(String),
    /// Whoever holds a key.
    Key(PublicKey),
}

/// What somebody used to move refs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A push of their own.
    Push,
    /// The pages of a forge, which makes the commits and pushes for them.
    Forge,
}

impl Via {
    /// A push, unless there is a word of the forge's that it made it.
    fn unless_forge<T>(word: Option<T>) -> Self {
        word.map_or(Self::Push, |_| Self::Forge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Variables = &'static [(&'static str, &'static str)];

    fn named(adapter: Adapter, variables: Variables) -> Submitter {
        let value = |name: &'static str| {
            variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_bytes().to_vec())
        };
        adapter.named(&value).unwrap()
    }

    fn said(account: &str, via: Via) -> Submitter {
        Submitter::Said(Said { who: Who::Account(account.to_owned()), via })
    }

    /// Each server's documented environment, by push and by page, and what is missing in it.
    #[test]
    fn each_kind_of_server_is_read_as_documented() {
        use Adapter::*;
        let rows: &[(Adapter, Variables, Submitter)] = &[
            (Http, &[("REMOTE_USER", "alice")], said("alice", Via::Push)),
            (Gitolite, &[("GL_USER", "alice"), ("GL_REPO", "pay")], said("alice", Via::Push)),
            (
                Gitlab,
                &[("GL_USERNAME", "alice"), ("GL_PROTOCOL", "ssh"), ("GL_ID", "user-7")],
                said("alice", Via::Push),
            ),
            (Gitlab, &[("GL_USERNAME", "alice"), ("GL_PROTOCOL", "http")], said("alice", Via::Push)),
            (Gitlab, &[("GL_USERNAME", "alice"), ("GL_PROTOCOL", "web")], said("alice", Via::Forge)),
            (Gitea, &[("GITEA_PUSHER_NAME", "alice"), ("GITEA_DEPLOY_KEY_ID", "0")], said("alice", Via::Push)),
            (
                Gitea,
                &[("GITEA_PUSHER_NAME", "alice"), ("SSH_ORIGINAL_COMMAND", "gitea-internal")],
                said("alice", Via::Forge),
            ),
            (
                Gitea,
                &[("GITEA_PUSHER_NAME", "alice"), ("SSH_ORIGINAL_COMMAND", "git-receive-pack 'acme/pay.git'")],
                said("alice", Via::Push),
            ),
            (Ghes, &[("GITHUB_USER_LOGIN", "alice"), ("GITHUB_VIA", "")], said("alice", Via::Push)),
            (
                Ghes,
                &[("GITHUB_USER_LOGIN", "alice"), ("GITHUB_VIA", "pull request merge api")],
                said("alice", Via::Forge),
            ),
            (Bitbucket, &[("BB_USER_NAME", "alice"), ("BB_HOOK_TRIGGER_ID", "push")], said("alice", Via::Push)),
            (
                Bitbucket,
                &[("BB_USER_NAME", "alice"), ("BB_HOOK_TRIGGER_ID", "pull-request-merge"), ("BB_IS_DRY_RUN", "true")],
                said("alice", Via::Forge),
            ),
            (None, &[("REMOTE_USER", "alice"), ("GL_USER", "alice")], Submitter::Unnamed),
        ];
        for (adapter, variables, expected) in rows {
            assert_eq!(named(*adapter, variables), *expected, "{adapter} {variables:?}");
        }
        for adapter in [Http, Gitolite, Gitlab, Gitea, Ghes, Bitbucket] {
            let others: Variables = &[("USER", "alice"), ("LOGNAME", "alice"), ("COUNTERSIGN_USER", "alice")];
            assert!(matches!(named(adapter, others), Submitter::Unknown(_)), "{adapter} guesses");
        }
        let deploy = named(Gitea, &[("GITEA_PUSHER_NAME", "alice"), ("GITEA_DEPLOY_KEY_ID", "3")]);
        assert!(matches!(deploy, Submitter::Unknown(_)), "{deploy:?}");
        let empty = named(Http, &[("REMOTE_USER", "")]);
        assert_eq!(empty, Submitter::Unknown("the server says nobody: REMOTE_USER is not set".to_owned()));
        assert!(Ssh.named(&|_| Option::None).is_none() && PushCert.named(&|_| Option::None).is_none());
    }

    #[test]
    fn an_account_is_a_printable_name() {
        for good in ["alice", "alice@acme.dev", "Alice Ng", "ACME\\alice", "\u{e4}"] {
            assert_eq!(account(good.as_bytes()).as_deref(), Some(good));
        }
        let long = "a".repeat(ACCOUNT_BYTES + 1);
        for bad in ["", " alice", "alice ", "ali\nce", "a\u{1b}[2J", "a\u{85}b", "a\u{2028}b", long.as_str()] {
            assert_eq!(account(bad.as_bytes()), Option::None, "{bad:?}");
        }
        assert_eq!(account(b"\xff"), Option::None);
    }

    #[test]
    fn adapters_have_names() {
        for adapter in Adapter::ALL {
            assert_eq!(Adapter::parse(adapter.name()), Some(*adapter));
        }
        assert_eq!(Adapter::parse("forgejo"), Some(Adapter::Gitea));
        assert_eq!(Adapter::parse("github"), Option::None);
    }
}
