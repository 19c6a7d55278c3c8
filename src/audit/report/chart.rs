//! Pictures of a report: SVG that stands in the page, with what it shows said in words.

use std::fmt::Write as _;

use super::html::text;

/// A picture of numbers, each a sum of parts.
pub(super) struct Chart {
    kind: Kind,
    /// What the parts are.
    series: &'static [&'static str],
    bars: Vec<(String, Vec<u64>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Upright, in the order of time.
    Columns,
    /// Lying, with a name for each.
    Bars,
}

/// Units of the picture's width: about as wide as a telephone's screen, so that its letters can be read there.
const WIDTH: u64 = 480;
const LETTER: u64 = 12;
/// Bars that are drawn; the table has all.
const SHOWN: usize = 20;
/// Height of a bar with what is between it and the next, and of the columns.
const LINE: u64 = 34;
const HEIGHT: u64 = 160;

impl Chart {
    pub(super) fn columns(series: &'static [&'static str], bars: Vec<(String, Vec<u64>)>) -> Self {
        Self { kind: Kind::Columns, series, bars }
    }

    pub(super) fn bars(series: &'static [&'static str], bars: Vec<(String, Vec<u64>)>) -> Self {
        Self { kind: Kind::Bars, series, bars }
    }

    /// Whether there is anything to draw.
    fn is_empty(&self) -> bool {
        self.bars.iter().flat_map(|(_, parts)| parts).all(|part| *part == 0)
    }

    /// The picture, or a sentence where there is nothing to draw. `id` is that of the words that name it.
    pub(super) fn svg(&self, id: &str, title: &str) -> String {
        if self.is_empty() {
            return "<p class=\"none\">Nothing to draw.</p>\n".to_owned();
        }
        let (height, drawn) = match self.kind {
            Kind::Columns => self.draw_columns(),
            Kind::Bars => self.draw_bars(),
        };
        let legend: String = match self.series {
            [_] => String::new(),
            series => {
                let item = |(number, name): (usize, &&str)| {
                    format!("<li><span class=\"k k{number}\" aria-hidden=\"true\"></span>{}</li>", text(name))
                };
                format!("<ul class=\"legend\">{}</ul>\n", series.iter().enumerate().map(item).collect::<String>())
            }
        };
        format!(
            "<svg role=\"img\" aria-labelledby=\"{id}-t {id}-d\" viewBox=\"0 0 {WIDTH} {height}\" class=\"chart\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>\n{drawn}</svg>\n{legend}",
            text(title),
            text(&self.words())
        )
    }

    /// The largest of what is drawn, in words.
    fn words(&self) -> String {
        let shown = self.bars.iter().max_by_key(|(_, parts)| parts.iter().sum::<u64>());
        let most = shown.map(|(name, parts)| format!("the most, {}, is of {name}", parts.iter().sum::<u64>()));
        format!(
            "{} bars of {}; {}. The table below has all numbers.",
            self.bars.len(),
            self.series.join(" and "),
            most.unwrap_or_default()
        )
    }

    fn most(&self) -> u64 {
        self.bars.iter().map(|(_, parts)| parts.iter().sum()).max().unwrap_or(0).max(1)
    }

    fn draw_columns(&self) -> (u64, String) {
        let (most, count) = (self.most(), u64::try_from(self.bars.len()).unwrap_or(1).max(1));
        let (left, top) = (44, 16);
        let step = (WIDTH - left) / count;
        let width = (step * 3 / 4).clamp(1, 60);
        let mut drawn = format!(
            "<line class=\"axis\" x1=\"{left}\" y1=\"{0}\" x2=\"{WIDTH}\" y2=\"{0}\"/><text x=\"{1}\" y=\"{2}\" text-anchor=\"end\">{most}</text>\
             <text x=\"{1}\" y=\"{0}\" text-anchor=\"end\">0</text>\n",
            top + HEIGHT,
            left - 6,
            top + LETTER / 2
        );
        // As many days as fit beside each other.
        let every = (count * 84).div_ceil(WIDTH - left).max(1);
        for (number, (name, parts)) in (0..).zip(&self.bars) {
            let x = left + number * step + (step - width) / 2;
            let mut y = top + HEIGHT;
            for (series, part) in parts.iter().enumerate() {
                let height = scaled(*part, most, HEIGHT);
                y = y.saturating_sub(height);
                let _ = writeln!(
                    drawn,
                    "<rect class=\"b b{series}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
                );
            }
            // A day that does not fit is left out; the table has it.
            if number % every == 0 && x + 72 <= WIDTH {
                let _ = writeln!(drawn, "<text x=\"{x}\" y=\"{}\">{}</text>", top + HEIGHT + LETTER + 4, text(name));
            }
        }
        (top + HEIGHT + LETTER + 12, drawn)
    }

    fn draw_bars(&self) -> (u64, String) {
        let most = self.most();
        let (mut drawn, mut y) = (String::new(), 0);
        let space = WIDTH - 60;
        for (name, parts) in self.bars.iter().take(SHOWN) {
            let _ = writeln!(drawn, "<text x=\"0\" y=\"{}\">{}</text>", y + LETTER, text(&short(name)));
            let mut x = 0;
            for (series, part) in parts.iter().enumerate() {
                let width = scaled(*part, most, space);
                let _ = writeln!(
                    drawn,
                    "<rect class=\"b b{series}\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"12\"/>",
                    y + LETTER + 5
                );
                x += width;
            }
            let _ =
                writeln!(drawn, "<text x=\"{}\" y=\"{}\">{}</text>", x + 6, y + LETTER + 15, parts.iter().sum::<u64>());
            y += LINE;
        }
        if self.bars.len() > SHOWN {
            let more = self.bars.len() - SHOWN;
            let _ = writeln!(drawn, "<text x=\"0\" y=\"{}\">and {more} more in the table</text>", y + LETTER);
            y += LETTER + 8;
        }
        (y.max(1), drawn)
    }
}

/// A part as a length; something is never drawn as nothing.
fn scaled(part: u64, most: u64, length: u64) -> u64 {
    let scaled = u128::from(part) * u128::from(length) / u128::from(most.max(1));
    u64::try_from(scaled).unwrap_or(length).max(u64::from(part > 0))
}

/// A name that fits above its bar.
fn short(name: &str) -> String {
    let kept: String = name.chars().take(56).collect();
    if kept.len() < name.len() { kept + "..." } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_named_and_never_wider_than_its_frame() {
        let bars: Vec<(String, Vec<u64>)> =
            (0..40).map(|number| (format!("<agent {number}>"), vec![number, 2 * number])).collect();
        for chart in [Chart::bars(&["a", "b"], bars.clone()), Chart::columns(&["a", "b"], bars)] {
            let svg = chart.svg("x", "Title & more");
            assert!(
                svg.contains("<title id=\"x-t\">Title &amp; more</title>")
                    && svg.contains("aria-labelledby=\"x-t x-d\"")
            );
            assert!(!svg.contains("<agent"), "{svg}");
            for rect in svg.split("<rect ").skip(1) {
                let number = |name: &str| -> u64 {
                    rect.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
                };
                assert!(number("x") + number("width") <= WIDTH, "{rect}");
            }
        }
        assert!(Chart::bars(&["a"], vec![("x".into(), vec![0])]).svg("x", "y").contains("Nothing to draw"));
        assert_eq!(scaled(1, 1_000_000, 100), 1);
    }
}
