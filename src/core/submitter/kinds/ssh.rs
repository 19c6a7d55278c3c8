//! OpenSSH: the public key of the session (`ExposeAuthInfo`, sshd_config(5)), or the account in `COUNTERSIGN_USER`, which counts
//! below an sshd only. What sshd set is held against what the hook finds, so this asks for proof: [`crate::core::submitter::login`].

use super::{Kind, PATIENT, Tells};

pub(super) static KIND: Kind = Kind {
    name: "ssh",
    aliases: &[],
    line_prefix: "",
    deadline: PATIENT,
    repository_variables: &[],
    tells: Tells::Session,
};

#[cfg(test)]
mod tests {
    use super::super::example::ask;
    use super::super::{Adapter, Answer};

    #[test]
    fn a_name_is_no_proof() {
        for environment in [[].as_slice(), &[("REMOTE_USER", "alice"), ("GL_USER", "alice"), ("USER", "alice")]] {
            assert_eq!(ask(Adapter::Ssh, environment), Answer::Session);
        }
    }
}
