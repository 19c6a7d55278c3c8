//! GitLab: each repository's `custom_hooks` (its documentation, "Git server hooks"). It sends git to a hook of its own, which runs these.

use super::{Kind, RunBy, Serves};

pub(super) static KIND: Kind = Kind {
    serves: Serves::One,
    path: |git_dir, hook| git_dir.join("custom_hooks").join(hook),
    check: |_| Ok(()),
    run_by: RunBy::Server,
};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::server::Layout;

    #[test]
    fn it_lies_beside_what_git_runs() {
        for hook in ["pre-receive", "post-receive", "reference-transaction"] {
            let expected = Path::new("/srv/git/pay.git/custom_hooks").join(hook);
            assert_eq!(Layout::Gitlab.path(Path::new("/srv/git/pay.git"), hook), expected);
        }
        assert!(!Layout::Gitlab.is_shared() && !Layout::Gitlab.is_uploaded());
    }
}
