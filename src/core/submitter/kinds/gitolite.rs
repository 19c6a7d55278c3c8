//! gitolite: it says who pushes in `GL_USER` (its documentation, "environment variables and other inputs").

use super::{Kind, PATIENT, Tells, Variables, Via};

pub(super) static KIND: Kind = Kind {
    name: "gitolite",
    aliases: &[],
    line_prefix: "",
    deadline: PATIENT,
    repository_variables: &[],
    tells: Tells::Variables(Variables { account: "GL_USER", via: |_| Ok(Via::Push) }),
};

#[cfg(test)]
mod tests {
    use super::super::Adapter;
    use super::super::example::{check, said};
    use super::Via;

    #[test]
    fn it_is_read_as_documented() {
        check(Adapter::Gitolite, &[(&[("GL_USER", "alice"), ("GL_REPO", "pay")], said("alice", Via::Push))]);
    }
}
