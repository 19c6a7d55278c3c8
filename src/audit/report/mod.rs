//! `countersign log report`: who did what by whose leave over a time, as one page that stands alone.

mod chart;
mod count;
mod html;
mod outcome;
mod table;

use std::path::PathBuf;

use crate::audit::activity;
use crate::audit::chain::has_ledger;
use crate::audit::log::{Place, put};
use crate::audit::period::{Period, served};
use crate::system::{Exit, Failure, Progress, Result, files, now, say};
use count::Count;
pub(super) use html::{plain_page, text};
use table::Table;

pub(crate) struct Report {
    pub(crate) place: Place,
    pub(crate) period: Period,
    /// Where to write the page; - for standard output
    pub(crate) html: Option<PathBuf>,
    /// A directory for its tables, a file each
    pub(crate) csv: Option<PathBuf>,
}

pub(crate) fn run(report: &Report) -> Result {
    let ends = report.period.ends()?;
    let found = served(&report.place)?;
    let progress = Progress::new("repositories read", Some(found.len()));
    let mut count = Count::new(ends);
    for (number, one) in found.iter().enumerate() {
        progress.at(number);
        let path = one.path.display();
        if !has_ledger(&one.ledger) {
            progress.clear();
            say(&format!("warning: {path} has no ledger, and is left out"));
            count.left_out += 1;
            continue;
        }
        let activity = activity::read(&one.ledger).map_err(|failure| failure.about(path))?;
        count.take(one, &activity)?;
    }
    drop(progress);
    let figures = count.figures();
    if let Some(path) = &report.html {
        put(Some(path), &html::page(&figures, ends, now()?))?;
    }
    if let Some(directory) = &report.csv {
        for table in figures.iter().map(|figure| &figure.table) {
            let path = directory.join(format!("{}.csv", table.id));
            let failed = |error| Failure::new(format!("cannot write {}: {error}", path.display()));
            files::replace(&path, table.csv().as_bytes(), 0o644).map_err(failed)?;
        }
    }
    Ok(Exit::Accepted)
}

/// A table, the picture above it, and what is said of both.
struct Figure {
    title: &'static str,
    /// What it says, in a sentence with its numbers.
    says: String,
    chart: Option<chart::Chart>,
    table: Table,
}
