//! Bitbucket Data Center: `BB_USER_NAME`, and `BB_HOOK_TRIGGER_ID`, which is `push` for a push (its documentation, "Using hook
//! scripts").

use super::{Kind, PATIENT, Tells, Variables, Via};

pub(super) static KIND: Kind = Kind {
    name: "bitbucket",
    aliases: &[],
    line_prefix: "",
    deadline: PATIENT,
    // On its disk a repository goes by a number.
    repository_variables: &["BB_PROJECT_KEY", "BB_REPO_SLUG"],
    tells: Tells::Variables(Variables {
        account: "BB_USER_NAME",
        via: |environment| {
            let trigger = environment.value("BB_HOOK_TRIGGER_ID");
            Ok(Via::unless_forge(trigger.filter(|trigger| trigger != b"push" && trigger != b"unknown")))
        },
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
            Adapter::Bitbucket,
            &[
                (&[("BB_USER_NAME", "alice"), ("BB_HOOK_TRIGGER_ID", "push")], said("alice", Via::Push)),
                (&[("BB_USER_NAME", "alice"), ("BB_HOOK_TRIGGER_ID", "unknown")], said("alice", Via::Push)),
                (&[("BB_USER_NAME", "alice")], said("alice", Via::Push)),
                (
                    &[
                        ("BB_USER_NAME", "alice"),
                        ("BB_HOOK_TRIGGER_ID", "pull-request-merge"),
                        ("BB_IS_DRY_RUN", "true"),
                    ],
                    said("alice", Via::Forge),
                ),
            ],
        );
    }
}
