//! What in a repository keeps git from what was decided on.

use super::Check;
use crate::doctor::gate::Examined;
use crate::doctor::report::Report;
use crate::gate::shim::quoted;
use crate::system::OnDisk as _;
use crate::system::users::may_write;

pub(in crate::doctor) fn examine(examined: &Examined<'_>, report: &mut Report) {
    let Examined { seen, opened, .. } = examined;
    let place = &seen.place;
    if opened.refs.list("refs/replace/").is_ok_and(|found| !found.is_empty()) {
        let message = "there are refs under refs/replace/, and other programs read other commits than were decided on";
        let fix = format!("look at them, and delete what is not wanted:\n{}", seen.git("replace --list --format=long"));
        report.warn(place, Check::ReplaceRefs, message, fix);
    }
    let directories =
        ["objects", "refs", "refs/heads", "refs/tags", "reftable"].map(|name| opened.dir.common_dir.join(name));
    for directory in directories.into_iter().filter(|directory| directory.on_disk().exists()) {
        if !may_write(&directory) {
            let message =
                format!("the user that git runs as may not write to {}: no push is accepted", directory.display());
            let fix = format!("chown -R {} {}", seen.owner(), quoted(&directory));
            report.error(place, Check::Unreadable, message, fix);
        }
    }
}
