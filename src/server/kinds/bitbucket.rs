//! Bitbucket Data Center: hook scripts that an admin uploads once for all repositories (its documentation, "Using hook scripts"). It
//! sends git to a hook of its own, which runs these.

use super::{Kind, RunBy, Serves, Shared, Stands, in_hooks};
use crate::system::{Failure, print};

pub(super) static KIND: Kind = Kind {
    serves: Serves::All(Shared {
        stands: Stands::Uploaded,
        serve_others: || Ok(()),
        finish: |_| print("upload them as a pre and a post hook script, and enable them for all repositories\n"),
        remove: |_| Err(Failure::new("it was uploaded, and is removed in the server's pages")),
    }),
    path: in_hooks,
    check: |_| Ok(()),
    run_by: RunBy::Server,
};
