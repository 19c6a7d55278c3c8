//! The kinds of server, one file each. A new kind is a file and a row of [`Adapter`]; what it does not say does not compile.

mod bitbucket;
mod ghes;
mod gitea;
mod gitlab;
mod gitolite;
mod http;
mod none;
mod push_cert;
mod ssh;

#[cfg(test)]
mod example;

use std::fmt;

use super::{Said, Submitter, Via, Who, account};

/// What is known of one kind of server, from the documents that its file names.
pub(super) struct Kind {
    /// The word for it on the command line.
    name: &'static str,
    /// Other words for it: of servers that do as this one.
    aliases: &'static [&'static str],
    /// What every line must begin with for the pages of the server to show it.
    line_prefix: &'static str,
    /// Seconds that a decision may take where an admin says nothing else.
    deadline: u64,
    /// The variables that say what the repository is called, part by part, where the server keeps it under another name.
    repository_variables: &'static [&'static str],
    /// How it says who pushes.
    tells: Tells,
}

/// Seconds that a decision may take on a server that stops no hook by itself.
const PATIENT: u64 = 30;

/// How a kind of server says who pushes.
enum Tells {
    /// In variables of the hook's environment.
    Variables(Variables),
    /// By the ssh session, which a key opened.
    Session,
    /// By the certificate of the push.
    Certificate,
    /// It does not.
    Nobody,
}

/// Variables that name who pushes.
struct Variables {
    /// The one that holds the name of the account.
    account: &'static str,
    /// What was used to push.
    ///
    /// # Errors
    /// Why the account that is named is not whose push this is.
    via: fn(&Environment<'_>) -> Result<Via, &'static str>,
}

/// The environment of a hook.
struct Environment<'e> {
    variable: &'e dyn Fn(&'static str) -> Option<Vec<u8>>,
}

impl Environment<'_> {
    /// The value of a variable that is set and not empty.
    fn value(&self, name: &'static str) -> Option<Vec<u8>> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The value of a variable that is set to this one.
    fn is(&self, name: &'static str, value: &[u8]) -> Option<Vec<u8>> {
        self.value(name).filter(|own| own == value)
    }
}

/// What a kind of server answers when it is asked who pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It says so itself.
    Told(Submitter),
    /// The ssh session proves it: [`super::login`].
    Session,
    /// The certificate of the push proves it: [`super::push_cert`].
    Certificate,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $file:ident)*) => {
        /// A kind of server, which tells who pushes in its own way.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Adapter {
            $($(#[$doc])* $variant,)*
        }

        impl Adapter {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn kind(self) -> &'static Kind {
                match self {
                    $(Self::$variant => &$file::KIND,)*
                }
            }
        }
    };
}

kinds! {
    /// OpenSSH: the public key of the session, or the account in `COUNTERSIGN_USER`.
    Ssh ssh
    /// A web server before git-http-backend(1).
    Http http
    /// gitolite.
    Gitolite gitolite
    /// GitLab.
    Gitlab gitlab
    /// Gitea and Forgejo.
    Gitea gitea
    /// GitHub Enterprise Server.
    Ghes ghes
    /// Bitbucket Data Center.
    Bitbucket bitbucket
    /// Any server with `receive.certNonceSeed`: the certificate of `git push --signed`.
    PushCert push_cert
    /// Nobody can tell.
    None none
}

impl Adapter {
    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        self.kind().name
    }

    /// Other words for it on the command line: of servers that do as this one.
    pub fn aliases(self) -> &'static [&'static str] {
        self.kind().aliases
    }

    /// The adapter of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|adapter| adapter.name() == name || adapter.aliases().contains(&name))
    }

    /// What every line must begin with for the pages of the server to show it.
    pub fn line_prefix(self) -> &'static str {
        self.kind().line_prefix
    }

    /// Seconds that a decision may take where an admin says nothing else.
    pub fn deadline(self) -> u64 {
        self.kind().deadline
    }

    /// The variables that say what the repository is called, part by part, for servers that keep it under another name.
    pub fn repository_variables(self) -> &'static [&'static str] {
        self.kind().repository_variables
    }

    /// Whether the certificate of a push says who pushes.
    pub fn asks_for_certificate(self) -> bool {
        matches!(self.kind().tells, Tells::Certificate)
    }

    /// Asks who pushes, given the variables of the hook's environment.
    pub fn ask(self, variable: &dyn Fn(&'static str) -> Option<Vec<u8>>) -> Answer {
        match &self.kind().tells {
            Tells::Variables(variables) => Answer::Told(variables.read(&Environment { variable })),
            Tells::Session => Answer::Session,
            Tells::Certificate => Answer::Certificate,
            Tells::Nobody => Answer::Told(Submitter::Unnamed),
        }
    }
}

impl Variables {
    fn read(&self, environment: &Environment<'_>) -> Submitter {
        let name = self.account;
        let via = match (self.via)(environment) {
            Ok(via) => via,
            Err(reason) => return Submitter::Unknown(reason.to_owned()),
        };
        let Some(value) = environment.value(name) else {
            return Submitter::Unknown(format!("the server says nobody: {name} is not set"));
        };
        match account(&value) {
            Some(account) => Submitter::Said(Said { who: Who::Account(account), via }),
            None => Submitter::Unknown(format!("{name} does not hold the name of an account")),
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_means_one_kind() {
        for adapter in Adapter::ALL {
            for word in adapter.aliases().iter().chain([&adapter.name()]) {
                let meant = Adapter::ALL.iter().filter(|one| one.name() == *word || one.aliases().contains(word));
                assert_eq!((Adapter::parse(word), meant.count()), (Some(*adapter), 1), "{word}");
            }
        }
        assert_eq!(Adapter::parse("github"), None);
    }
}
