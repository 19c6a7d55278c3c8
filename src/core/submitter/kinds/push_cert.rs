//! Any server with `receive.certNonceSeed`: the certificate of `git push --signed` (githooks(5), pre-receive), which is proof:
//! [`crate::core::submitter::push_cert`].

use super::{Kind, PATIENT, Tells};

pub(super) static KIND: Kind = Kind {
    name: "push-cert",
    aliases: &[],
    line_prefix: "",
    deadline: PATIENT,
    repository_variables: &[],
    tells: Tells::Certificate,
};

#[cfg(test)]
mod tests {
    use super::super::example::ask;
    use super::super::{Adapter, Answer};

    #[test]
    fn a_name_is_no_proof() {
        for environment in [[].as_slice(), &[("REMOTE_USER", "alice"), ("GL_USER", "alice"), ("USER", "alice")]] {
            assert_eq!(ask(Adapter::PushCert, environment), Answer::Certificate);
        }
    }
}
