//! The page: one file that asks nobody for anything, for screens, for paper and for readers that speak.

use std::fmt::Write as _;

use super::Figure;
use super::table::{Cell, Table};
use crate::audit::period::Ends;
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::report::Characters;

/// Colours have a contrast of at least 4.5 to what they stand on for text, and of 3 for bars (WCAG 2.2, 1.4.3 and 1.4.11).
const STYLE: &str = "\
:root{color-scheme:light dark;--fg:#1b1b1f;--bg:#ffffff;--soft:#55555e;--line:#b9b9c3;--s0:#0b5cad;--s1:#8a6d00;--s2:#7a7a85;--row:#f3f3f6}
@media (prefers-color-scheme:dark){:root{--fg:#ececf1;--bg:#17171b;--soft:#b4b4bf;--line:#55555f;--s0:#6fb1ff;--s1:#e0bd4a;--s2:#9a9aa6;--row:#212127}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.2rem;margin:2.5rem 0 .25rem}
p{margin:.25rem 0 .75rem}.none,.meta,footer{color:var(--soft)}
.chart{display:block;width:100%;max-width:40rem;height:auto;margin:.5rem 0}
.chart text{font:12px system-ui,sans-serif;fill:var(--fg)}.axis{stroke:var(--line)}
.b{stroke:var(--bg);stroke-width:.5}.b0,.k0{fill:var(--s0);background:var(--s0)}.b1,.k1{fill:var(--s1);background:var(--s1)}.b2,.k2{fill:var(--s2);background:var(--s2)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:0 0 .5rem;padding:0;font-size:.9rem}
.k{display:inline-block;width:.9em;height:.9em;margin-right:.4em;vertical-align:-.05em;print-color-adjust:exact;-webkit-print-color-adjust:exact}
table{border-collapse:collapse;width:100%;font-size:.85rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:.25rem .4rem;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}tbody tr:nth-child(even){background:var(--row)}.n{text-align:right}
caption{text-align:left;color:var(--soft);padding:.25rem .4rem}
nav ul{padding-left:1.2rem}a{color:var(--s0)}
@media (max-width:34rem){table,thead,tbody,tr,th,td,caption{display:block}thead{position:absolute;clip-path:inset(50%);height:1px;overflow:hidden}
tr{padding:.4rem 0;border-bottom:1px solid var(--line)}td{border:0;padding:.05rem .4rem}td.n{text-align:left}td::before{content:attr(data-h) \": \";color:var(--soft)}}
@media print{:root{--fg:#000;--bg:#fff;--soft:#333;--line:#888;--s0:#0b5cad;--s1:#8a6d00;--s2:#7a7a85;--row:#fff}nav{display:none}section{break-inside:auto}tr,svg{break-inside:avoid}body{max-width:none;font-size:10pt}}
";

/// What is said of how the numbers came about, and of what they cannot say.
const METHOD: &[&str] = &[
    "Everything here is counted from the ledgers of the repositories, all generations of them that are there, each record of which \
     was held against the tree that the ledger's key signed. Who is an agent, who owns one, and whether a gate enforces is what the policies and hooks of today say.",
    "Commits are those that the gate judged as new to a ref and that then landed there; one that lands on two refs is counted on each. \
     A commit counts as an agent's where a key of the agent is on record for it; work that a person adopted is that person's.",
    "A time until an approval was signed begins when the server first saw what was approved, in whatever push; it is known only where the \
     record of the approval is still there. Medians are the upper of two in the middle.",
    "A refused push landed as it was where the same value moved the same ref later; it landed after a change where another value of \
     whoever pushed it did. Refusals that came too fast to be recorded one by one are counted in the pushes refused, and under no code.",
    "What no server can know: work of an AI that bears no mark, no seal and no declaration looks like a person's. An absence of findings is no proof \
     that no AI was used. What somebody does with a repository outside of pushes shows only in the refs that it moved.",
];

/// Puts the page together.
pub(super) fn page(figures: &[Figure], ends: Ends, now: Timestamp) -> String {
    let mut page = head(&format!("AI-authored commits, {}", ends.words()));
    let _ = write!(
        page,
        "<header><h1>Who did what by whose leave</h1>\n<p class=\"meta\">{}. Written {} by countersign {}.</p></header>\n",
        text(&ends.words()),
        Time(now),
        env!("CARGO_PKG_VERSION")
    );
    page.push_str("<nav aria-label=\"Contents\"><ul>\n");
    for figure in figures {
        let _ = writeln!(page, "<li><a href=\"#{}\">{}</a></li>", figure.table.id, text(figure.title));
    }
    page.push_str("<li><a href=\"#method\">Method</a></li>\n</ul></nav>\n<main>\n");
    figures.iter().for_each(|figure| section(figure, &mut page));
    page.push_str("</main>\n<footer id=\"method\"><h2>Method</h2>\n");
    METHOD.iter().for_each(|words| page.push_str(&format!("<p>{}</p>\n", text(words))));
    page.push_str("</footer>\n</body>\n</html>\n");
    page
}

/// A page of words alone.
pub(in crate::audit) fn plain_page(title: &str, body: &str, foot: &str) -> String {
    let (head, title, foot) = (head(title), text(title), text(foot));
    format!(
        "{head}<header><h1>{title}</h1></header>\n<main>\n{body}</main>\n<footer><p>{foot}</p></footer>\n</body>\n</html>\n"
    )
}

/// The page up to its body.
fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        text(title)
    )
}

fn section(figure: &Figure, page: &mut String) {
    let id = figure.table.id;
    let _ = writeln!(
        page,
        "<section id=\"{id}\" aria-labelledby=\"{id}-h\"><h2 id=\"{id}-h\">{}</h2>\n<p>{}</p>",
        text(figure.title),
        text(&figure.says)
    );
    if let Some(chart) = &figure.chart {
        page.push_str(&chart.svg(id, figure.title));
    }
    table(&figure.table, figure.title, page);
    page.push_str("</section>\n");
}

fn table(table: &Table, title: &str, page: &mut String) {
    if table.rows.is_empty() {
        page.push_str("<p class=\"none\">None in this time.</p>\n");
        return;
    }
    let _ = writeln!(page, "<table>\n<caption>{}: the numbers</caption>\n<thead><tr>", text(title));
    let first = table.rows.first();
    let is_number = |column: usize| first.and_then(|row| row.get(column)).is_some_and(Cell::is_number);
    let class = |column| if is_number(column) { " class=\"n\"" } else { "" };
    for (column, name) in table.head.iter().enumerate() {
        let _ = write!(page, "<th scope=\"col\"{}>{}</th>", class(column), text(name));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for row in table.rows.iter().take(table.shown) {
        page.push_str("<tr>");
        for (column, (cell, name)) in row.iter().zip(table.head).enumerate() {
            let _ = write!(page, "<td{} data-h=\"{}\">{}</td>", class(column), text(name), text(&cell.text()));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n");
    if table.rows.len() > table.shown {
        let _ = writeln!(
            page,
            "<p class=\"none\">The first {} of {} rows; --csv writes all.</p>",
            table.shown,
            table.rows.len()
        );
    }
}

/// Text that nothing of is markup, and that moves, hides or reorders nothing.
pub(in crate::audit) fn text(text: &str) -> String {
    let mut shown = String::new();
    for character in Characters::Unicode.escape(text.as_bytes(), 2000).chars() {
        match character {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_text() {
        assert_eq!(
            text("<script>alert('x')&\"</script>"),
            "&lt;script&gt;alert(&#39;x&#39;)&amp;&quot;&lt;/script&gt;"
        );
        assert_eq!(text("a\u{202e}b\u{200b}\n"), "a\\u{202e}b\\u{200b}\\x0a");
        let rows = vec![vec![Cell::Text("<img src=x onerror=alert(1)>".into()), Cell::Count(1)]];
        let figure =
            Figure { title: "T", says: "</p><b>".into(), chart: None, table: Table::new("t", &["a", "b"], rows) };
        let page = page(&[figure], Ends { from: Timestamp(0), to: Timestamp(1) }, Timestamp(1));
        assert!(!page.contains("<img") && !page.contains("<b>") && !page.contains("<script"), "{page}");
        for foreign in ["http://", "https://", "url(", "@import", "<script", "<iframe"] {
            assert!(!page.contains(foreign), "the page asks elsewhere: {foreign}");
        }
    }
}
