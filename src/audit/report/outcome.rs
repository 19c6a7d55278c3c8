//! What became of refused pushes.

use std::collections::HashMap;

use crate::audit::activity::{Activity, Update};
use crate::core::canonical::RefName;
use crate::core::decide::Timestamp;
use crate::core::oid::Oid;

/// How the story of a refused update went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequel {
    /// The same value landed there later, such as after an approval.
    Same,
    /// Another value of whoever pushed it landed there later.
    Other,
    /// Nothing of theirs has landed there since.
    Nothing,
}

/// When what landed last, in one repository.
pub(super) struct Landings<'a> {
    values: HashMap<(&'a RefName, Option<Oid>), Timestamp>,
    pushers: HashMap<(&'a RefName, Option<&'a str>), Timestamp>,
}

impl<'a> Landings<'a> {
    pub(super) fn of(activity: &'a Activity) -> Self {
        let mut landings = Self { values: HashMap::new(), pushers: HashMap::new() };
        for push in &activity.pushes {
            for update in push.updates.iter().filter(|update| update.landed) {
                landings.values.insert((&update.name, update.new), push.time);
                landings.pushers.insert((&update.name, push.pusher()), push.time);
            }
        }
        landings
    }

    /// What became of an update that was refused at a time.
    pub(super) fn sequel(&self, update: &'a Update, pusher: Option<&'a str>, time: Timestamp) -> Sequel {
        let later = |landed: Option<&Timestamp>| landed.is_some_and(|landed| *landed >= time);
        if later(self.values.get(&(&update.name, update.new))) {
            Sequel::Same
        } else if later(self.pushers.get(&(&update.name, pusher))) {
            Sequel::Other
        } else {
            Sequel::Nothing
        }
    }
}
