//! A server that says nobody: what variables are there is whatever somebody set.

use super::{Kind, PATIENT, Tells};

pub(super) static KIND: Kind = Kind {
    name: "none",
    aliases: &[],
    line_prefix: "",
    deadline: PATIENT,
    repository_variables: &[],
    tells: Tells::Nobody,
};

#[cfg(test)]
mod tests {
    use super::super::example::ask;
    use super::super::{Adapter, Answer, Submitter};

    #[test]
    fn it_names_nobody() {
        for environment in [[].as_slice(), &[("REMOTE_USER", "alice"), ("GL_USER", "alice"), ("USER", "alice")]] {
            assert_eq!(ask(Adapter::None, environment), Answer::Told(Submitter::Unnamed));
        }
    }
}
