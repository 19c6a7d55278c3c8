//! Who, when, and by whose leave: what the record and the objects say afterwards.

pub(crate) mod log;
pub(crate) mod marks;
pub(crate) mod rehearsal;
pub(crate) mod show;
