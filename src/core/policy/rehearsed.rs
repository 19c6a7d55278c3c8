//! A policy as it would be if principals had other keys: to try what it says of their work without theirs.

use super::Policy;
use crate::core::id::Id;
use crate::core::ssh::PublicKey;

impl Policy {
    /// The same policy, in which principals have these keys besides their own. It says what this one says of work by them, and must
    /// judge no push: whoever has such a key is taken for its holder.
    pub fn with_keys(&self, keys: impl IntoIterator<Item = (Id, PublicKey)>) -> Self {
        let mut rehearsed = self.clone();
        for (id, key) in keys {
            let Some(holder) = rehearsed.principals.get_mut(&id) else { continue };
            holder.keys.push(key.clone());
            rehearsed.keys.insert(key, id);
        }
        rehearsed
    }
}

#[cfg(test)]
mod tests {
    use crate::core::decide::story::{ALICE, STRANGER, id, key, policy};

    #[test]
    fn a_key_more_is_a_principal_s_like_its_own() {
        let before = policy("");
        let after =
            before.with_keys([(id("alice"), key(STRANGER).public().clone()), (id("nobody"), key(9).public().clone())]);
        let holder =
            |policy: &super::Policy, seed| policy.by_key(key(seed).public()).map(|holder| holder.id.to_string());
        assert_eq!((holder(&before, STRANGER), holder(&after, STRANGER)), (None, Some("alice".to_owned())));
        assert_eq!((holder(&after, ALICE), holder(&after, 9)), (Some("alice".to_owned()), None));
        assert_eq!(before.digest(), after.digest());
    }
}
