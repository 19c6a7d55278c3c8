//! The file of commits whose history is exempt.

use super::Check;
use crate::doctor::gate::Examined;
use crate::doctor::server::Checkup;
use crate::gate::own_files::settled;
use crate::system::{OnDisk as _, disk};

impl Checkup<'_> {
    pub(in crate::doctor) fn baseline(&mut self, examined: &Examined<'_>) {
        let Examined { seen, gate, opened } = examined;
        let place = &seen.place;
        let path = gate.server.baseline.as_ref().map(|path| settled(path, &opened.dir.common_dir));
        let Some(path) = path.filter(|path| path.on_disk().exists()) else { return };
        self.guard(&path, Check::OpenBaseline, "which history is exempt");
        if let Err(error) = disk::open(&path) {
            let message =
                format!("the user that git runs as may not read {}: {error}: no push is accepted", path.display());
            self.report.error(place, Check::Baseline, message, format!("{} --baseline", examined.install()));
        }
    }
}
