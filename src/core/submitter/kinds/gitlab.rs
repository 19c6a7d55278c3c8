//! GitLab: `GL_USERNAME`, and `GL_PROTOCOL`, which is `web` for what is done in its pages (its documentation, "Git server hooks").
//! A push with a deploy key carries the name of whoever made the key, and nothing that tells it from one of theirs.

use super::{Kind, PATIENT, Tells, Variables, Via};

pub(super) static KIND: Kind = Kind {
    name: "gitlab",
    aliases: &[],
    // Its pages show these lines only ("Custom error messages").
    line_prefix: "GL-HOOK-ERR: ",
    deadline: PATIENT,
    // On its disk a repository goes by a hash.
    repository_variables: &["GL_PROJECT_PATH"],
    tells: Tells::Variables(Variables {
        account: "GL_USERNAME",
        via: |environment| Ok(Via::unless_forge(environment.is("GL_PROTOCOL", b"web"))),
    }),
};

#[cfg(test)]
mod tests {
    use super::super::Adapter;
    use super::super::example::{check, said};
    use super::Via;

    #[test]
    fn it_is_read_as_documented() {
        check(
            Adapter::Gitlab,
            &[
                (&[("GL_USERNAME", "alice"), ("GL_PROTOCOL", "ssh"), ("GL_ID", "user-7")], said("alice", Via::Push)),
                (&[("GL_USERNAME", "alice"), ("GL_PROTOCOL", "http")], said("alice", Via::Push)),
                (&[("GL_USERNAME", "alice"), ("GL_PROTOCOL", "web")], said("alice", Via::Forge)),
            ],
        );
    }
}
