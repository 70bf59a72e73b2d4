//! What people read: tables that fit 80 columns, and texts that cannot move the cursor.

use std::io::{self, Write};

use serde::Serialize;

/// Columns of a terminal that nobody widened.
const WIDTH: usize = 80;
/// Between two columns of a table.
const GAP: usize = 2;

/// Where answers and complaints go.
pub struct Output<'a> {
    answers: &'a mut dyn Write,
    complaints: &'a mut dyn Write,
}

impl<'a> Output<'a> {
    /// Answers go here, and complaints there.
    pub fn new(answers: &'a mut dyn Write, complaints: &'a mut dyn Write) -> Self {
        Output {
            answers,
            complaints,
        }
    }

    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.answers, "{}", clean(text))?;
        self.answers.flush()
    }

    /// A value as JSON, which escapes what could move a cursor.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        writeln!(self.answers, "{text}")
    }

    /// A note beside the answer.
    pub(super) fn complain(&mut self, text: &str) {
        // Nothing is left to say it to.
        let _ = writeln!(self.complaints, "nestling: {}", clean(text));
    }

    /// A question, on the same line as its answer.
    pub(super) fn ask(&mut self, text: &str) -> io::Result<()> {
        write!(self.complaints, "{}", clean(text))?;
        self.complaints.flush()
    }

    /// A table. The last column goes to a line of its own where it does not fit; notes follow their row.
    pub(super) fn table(&mut self, table: &Table) -> io::Result<()> {
        for line in table.lines() {
            writeln!(self.answers, "{line}")?;
        }
        self.answers.flush()
    }
}

/// Rows under a head, with notes.
pub(super) struct Table {
    head: Vec<&'static str>,
    rows: Vec<(Vec<String>, Vec<String>)>,
}

impl Table {
    pub(super) fn new(head: &[&'static str]) -> Self {
        Table {
            head: head.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A row, and the notes under it.
    pub(super) fn row(&mut self, cells: Vec<String>, notes: Vec<String>) {
        let clean_all = |texts: Vec<String>| texts.iter().map(|text| clean(text)).collect();
        self.rows.push((clean_all(cells), clean_all(notes)));
    }

    fn lines(&self) -> Vec<String> {
        let widths = self.widths();
        let Some((last, first)) = widths.split_last() else {
            return Vec::new();
        };
        let before: usize = first.iter().map(|width| width + GAP).sum();
        let own_line = before + last > WIDTH;
        let mut lines = Vec::new();
        let head: Vec<String> = self.head.iter().map(|&cell| cell.to_owned()).collect();
        lines.extend(row(&head, &widths, own_line).into_iter().take(1));
        for (cells, notes) in &self.rows {
            lines.extend(row(cells, &widths, own_line));
            for note in notes {
                lines.extend(
                    wrap(note, WIDTH - 4)
                        .iter()
                        .map(|part| format!("    {part}")),
                );
            }
        }
        lines
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.head.iter().map(|cell| cell.chars().count()).collect();
        for (cells, _) in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

fn row(cells: &[String], widths: &[usize], own_line: bool) -> Vec<String> {
    let mut line = String::new();
    let Some((last, first)) = cells.split_last() else {
        return Vec::new();
    };
    for (cell, width) in first.iter().zip(widths) {
        let padding = width + GAP - cell.chars().count().min(*width);
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', padding));
    }
    if !own_line {
        line.push_str(last);
        return vec![line.trim_end().to_owned()];
    }
    let mut lines = vec![line.trim_end().to_owned()];
    if !last.is_empty() {
        lines.push(format!("    {last}"));
    }
    lines
}

/// Lines of at most `width` characters, broken at spaces where there are any.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let length = word.chars().count();
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + length > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A text that a terminal shows and does not obey: apps and repositories wrote it. Colours go, and of a line that was
/// written over itself the last writing stays, as a terminal would show it.
pub(super) fn clean(text: &str) -> String {
    let text = anstream::adapter::strip_str(text).to_string();
    let last = text.trim_end_matches('\r').rsplit('\r').next();
    let shown = last.unwrap_or_default().chars();
    let shown = shown.filter(|c| !c.is_control() || *c == '\t');
    shown
        .filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apps_say_is_shown_without_colours_links_and_overwritten_lines() {
        let table = [
            (
                "\u{1b}[31mred\u{1b}[0m and \u{1b}[1;32mgreen\u{1b}[0m",
                "red and green",
            ),
            ("\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{7}", "link"),
            ("1%\r50%\r100%\r", "100%"),
            ("[1, 2]\u{202e}", "[1, 2]"),
        ];
        for (said, shown) in table {
            assert_eq!(clean(said), shown);
        }
    }

    fn table(url: &str) -> String {
        let mut table = Table::new(&["ENVIRONMENT", "STATUS", "URL"]);
        table.row(
            vec!["local/shop/production".into(), "running".into(), url.into()],
            vec![],
        );
        table.row(
            vec!["local/shop/pr-2".into(), "failed".into(), String::new()],
            vec!["deployment 3 failed while deploying: npm ci ended with 1, because package-lock.json and package.json disagree".into()],
        );
        table.lines().join("\n")
    }

    #[test]
    fn a_table_fits_eighty_columns_and_shows_reasons_under_their_rows() {
        insta::assert_snapshot!(table("http://shop.localhost:4100"), @r"
        ENVIRONMENT            STATUS   URL
        local/shop/production  running  http://shop.localhost:4100
        local/shop/pr-2        failed
            deployment 3 failed while deploying: npm ci ended with 1, because
            package-lock.json and package.json disagree
        ");
    }

    #[test]
    fn an_address_that_does_not_fit_has_a_line_of_its_own() {
        let url = "http://a-very-long-name-of-an-app-1a2b.previews.example.com:4100/";
        let shown = table(url);
        assert!(shown.lines().all(|line| line.len() <= WIDTH), "{shown}");
        assert!(shown.contains(&format!("running\n    {url}\n")), "{shown}");
    }

    #[test]
    fn texts_of_apps_cannot_move_the_cursor() {
        assert_eq!(clean("\u{1b}]0;owned\u{7}\u{1b}[2Jok\r"), "ok");
    }
}
