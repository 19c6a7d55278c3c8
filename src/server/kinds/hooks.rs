//! Git's own layout: each repository's `hooks` (githooks(5)).

use super::{Kind, RunBy, Serves, in_hooks};
use crate::server::repository::Repository;

pub(super) static KIND: Kind =
    Kind { serves: Serves::One, path: in_hooks, check: Repository::check_hooks_path, run_by: RunBy::Git };

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::server::Layout;

    #[test]
    fn it_lies_in_the_repository() {
        for hook in ["pre-receive", "post-receive", "reference-transaction"] {
            let expected = Path::new("/srv/git/pay.git/hooks").join(hook);
            assert_eq!(Layout::Hooks.path(Path::new("/srv/git/pay.git"), hook), expected);
        }
        assert!(!Layout::Hooks.is_shared() && !Layout::Hooks.is_uploaded());
    }
}
