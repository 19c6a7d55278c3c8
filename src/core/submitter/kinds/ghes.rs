//! GitHub Enterprise Server: `GITHUB_USER_LOGIN`, and `GITHUB_VIA`, which names what was done in its pages (its documentation,
//! "Creating a pre-receive hook script").

use super::{Kind, Tells, Variables, Via};

pub(super) static KIND: Kind = Kind {
    name: "ghes",
    aliases: &[],
    line_prefix: "",
    // All hooks of a push together are stopped after five seconds.
    deadline: 4,
    // On its disk a repository goes by a number.
    repository_variables: &["GITHUB_REPO_NAME"],
    tells: Tells::Variables(Variables {
        account: "GITHUB_USER_LOGIN",
        via: |environment| Ok(Via::unless_forge(environment.value("GITHUB_VIA"))),
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
            Adapter::Ghes,
            &[
                (&[("GITHUB_USER_LOGIN", "alice"), ("GITHUB_VIA", "")], said("alice", Via::Push)),
                (
                    &[("GITHUB_USER_LOGIN", "alice"), ("GITHUB_VIA", "pull request merge api")],
                    said("alice", Via::Forge),
                ),
            ],
        );
    }
}
