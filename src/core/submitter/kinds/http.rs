//! A web server before git-http-backend(1): it says whom it has let in, in `REMOTE_USER` (RFC 3875, 4.1.11).

use super::{Kind, PATIENT, Tells, Variables, Via};

pub(super) static KIND: Kind = Kind {
    name: "http",
    aliases: &[],
    line_prefix: "",
    deadline: PATIENT,
    repository_variables: &[],
    tells: Tells::Variables(Variables { account: "REMOTE_USER", via: |_| Ok(Via::Push) }),
};

#[cfg(test)]
mod tests {
    use super::super::Adapter;
    use super::super::example::{check, said};
    use super::Via;

    #[test]
    fn it_is_read_as_documented() {
        check(
            Adapter::Http,
            &[
                (&[("REMOTE_USER", "alice")], said("alice", Via::Push)),
                (&[("REMOTE_USER", "alice"), ("AUTH_TYPE", "Basic")], said("alice", Via::Push)),
            ],
        );
    }
}
