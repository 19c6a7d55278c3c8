//! What in a repository keeps git from what was decided on.

use super::Check;
use crate::doctor::gate::Examined;
use crate::doctor::report::Report;
use crate::system::users::may_write;

pub(in crate::doctor) fn examine(examined: &Examined<'_>, report: &mut Report) {
    let (opened, place) = (examined.opened, &examined.seen.place);
    if opened.refs.list("refs/replace/").is_ok_and(|found| !found.is_empty()) {
        let message = "there are refs under refs/replace/, and other programs read other commits than were decided on";
        let fix = "git replace --list names them, git replace --delete removes them";
        report.warn(place, Check::ReplaceRefs, message, fix);
    }
    let directories = ["objects", "refs", "refs/heads", "refs/tags"].map(|name| opened.dir.common_dir.join(name));
    for directory in directories.into_iter().filter(|directory| directory.exists()) {
        if !may_write(&directory) {
            let message =
                format!("the user that git runs as may not write to {}: no push is accepted", directory.display());
            report.error(place, Check::Unreadable, message, "chown it to whom git runs as");
        }
    }
}
