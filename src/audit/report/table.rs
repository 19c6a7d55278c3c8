//! A table of a report.

use crate::audit::log::cell;

/// Rows under names, for the page and for a spreadsheet.
pub(super) struct Table {
    /// A word for links and file names.
    pub(super) id: &'static str,
    pub(super) head: &'static [&'static str],
    pub(super) rows: Vec<Vec<Cell>>,
    /// Rows that are left out of the page, which would be too long; files have all.
    pub(super) shown: usize,
}

/// What stands in one place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Count(u64),
    /// A part of the whole, of which there is nothing where there is no whole.
    Share(u64, u64),
    /// Seconds, where they are known.
    Time(Option<i64>),
}

/// Rows that a page shows of a table.
const SHOWN: usize = 500;

impl Table {
    pub(super) fn new(id: &'static str, head: &'static [&'static str], rows: Vec<Vec<Cell>>) -> Self {
        Self { id, head, rows, shown: SHOWN }
    }

    pub(super) fn csv(&self) -> String {
        let head = self.head.iter().map(|name| cell(name)).collect::<Vec<_>>().join(",") + "\r\n";
        let line = |row: &Vec<Cell>| row.iter().map(|one| cell(&one.text())).collect::<Vec<_>>().join(",") + "\r\n";
        head + &self.rows.iter().map(line).collect::<String>()
    }
}

impl Cell {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Share(_, 0) => "-".to_owned(),
            Self::Share(part, whole) => {
                let thousandths = u128::from(*part) * 1000 / u128::from(*whole);
                format!("{}.{}%", thousandths / 10, thousandths % 10)
            }
            Self::Time(None) => "not known".to_owned(),
            Self::Time(Some(seconds)) => time(*seconds),
        }
    }

    pub(super) fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_))
    }
}

/// A length of time in two units at most.
fn time(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_told_as_people_read_them() {
        for (cell, text) in [
            (Cell::Share(1, 3), "33.3%"),
            (Cell::Share(0, 0), "-"),
            (Cell::Share(3, 3), "100.0%"),
            (Cell::Time(Some(59)), "59 s"),
            (Cell::Time(Some(7320)), "2 h 2 min"),
            (Cell::Time(Some(180_000)), "2 d 2 h"),
            (Cell::Time(None), "not known"),
        ] {
            assert_eq!(cell.text(), text);
        }
        let table = Table::new("x", &["a", "b"], vec![vec![Cell::Text("=1+1".into()), Cell::Count(2)]]);
        assert_eq!(table.csv(), "a,b\r\n\"'=1+1\",2\r\n");
    }
}
