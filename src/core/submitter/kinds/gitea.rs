//! Gitea, and Forgejo, which comes from it: `GITEA_PUSHER_NAME`, and `SSH_ORIGINAL_COMMAND`, which is `gitea-internal` for what is
//! done in pages (their sources, modules/repository/env.go).

use super::{Kind, PATIENT, Tells, Variables, Via};

pub(super) static KIND: Kind = Kind {
    name: "gitea",
    aliases: &["forgejo"],
    line_prefix: "",
    deadline: PATIENT,
    repository_variables: &[],
    tells: Tells::Variables(Variables {
        account: "GITEA_PUSHER_NAME",
        via: |environment| {
            // It names the owner of the repository as who pushes.
            if environment.value("GITEA_DEPLOY_KEY_ID").is_some_and(|id| id != b"0") {
                return Err("a deploy key pushes, which is no account's");
            }
            Ok(Via::unless_forge(environment.is("SSH_ORIGINAL_COMMAND", b"gitea-internal")))
        },
    }),
};

#[cfg(test)]
mod tests {
    use super::super::example::{check, said};
    use super::super::{Adapter, Submitter};
    use super::Via;

    #[test]
    fn it_is_read_as_documented() {
        let deploy = Submitter::Unknown("a deploy key pushes, which is no account's".to_owned());
        check(
            Adapter::Gitea,
            &[
                (&[("GITEA_PUSHER_NAME", "alice"), ("GITEA_DEPLOY_KEY_ID", "0")], said("alice", Via::Push)),
                (&[("GITEA_PUSHER_NAME", "alice"), ("GITEA_DEPLOY_KEY_ID", "")], said("alice", Via::Push)),
                (&[("GITEA_PUSHER_NAME", "alice"), ("GITEA_DEPLOY_KEY_ID", "3")], deploy.clone()),
                (&[("GITEA_DEPLOY_KEY_ID", "3")], deploy),
                (
                    &[("GITEA_PUSHER_NAME", "alice"), ("SSH_ORIGINAL_COMMAND", "gitea-internal")],
                    said("alice", Via::Forge),
                ),
                (
                    &[("GITEA_PUSHER_NAME", "alice"), ("SSH_ORIGINAL_COMMAND", "git-receive-pack 'acme/pay.git'")],
                    said("alice", Via::Push),
                ),
            ],
        );
    }
}
