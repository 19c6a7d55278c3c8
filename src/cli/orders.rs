//! `countersign freeze`, `thaw` and `override`: orders made in a clone, or applied by an admin on a server.

use crate::desk::orders::{self, Freeze, Override, Thaw};
use crate::server::orders as server;
use crate::system::{Exit, Failure, Result};

pub(super) fn freeze(arguments: &Freeze) -> Result {
    match (&arguments.subject.server, &arguments.subject.order) {
        (None, _) => orders::freeze(arguments)?,
        (Some(root), Some(file)) => server::apply(root, file)?,
        (Some(root), None) => {
            return Err(Failure::new("on a server an order is applied that a person signed elsewhere").hint(format!(
                "in a clone, and then here:\ncountersign freeze AGENT --because TEXT --out FILE\ncountersign freeze --server {} --order FILE",
                root.display()
            )));
        }
    }
    Ok(Exit::Accepted)
}

pub(super) fn thaw(arguments: &Thaw) -> Result {
    match (&arguments.subject.server, &arguments.subject.order) {
        (None, _) => orders::thaw(arguments)?,
        (Some(root), Some(file)) => server::apply(root, file)?,
        (Some(root), None) => {
            let subject = arguments.subject.subject.as_deref().unwrap_or_default();
            server::thaw(root, subject, &arguments.delivery.reason()?)?;
        }
    }
    Ok(Exit::Accepted)
}

pub(super) fn pass_over(arguments: &Override) -> Result {
    orders::pass_over(arguments)?;
    Ok(Exit::Accepted)
}
