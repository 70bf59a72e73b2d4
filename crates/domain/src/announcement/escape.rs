//! Text from outside, made harmless in Markdown.
//!
//! A comment must show what somebody wrote, and nothing that somebody wrote may act: no mention, no
//! reference to an issue, no link, no HTML, no end of the table or the block it stands in.

/// Follows `@` and `#`, so that a reader sees them and GitHub (which looks for mentions in the rendered
/// text, where a backslash is gone) sees no name.
const NOTHING: char = '\u{200b}';

/// Text within a line or a table cell, at most `longest` characters of it. What it says in backticks is code, if nothing
/// in there could mean anything else.
pub fn text(outside: &str, longest: usize) -> String {
    let line = one_line(outside, longest);
    let mut out = String::with_capacity(line.len() + 8);
    let mut rest = line.as_str();
    while let Some(at) = rest.find('`') {
        let (before, found) = rest.split_at(at);
        escaped(before, &mut out);
        let run = found.len() - found.trim_start_matches('`').len();
        let span = harmless(found).filter(|_| run == 1);
        let taken = span.map_or(run, str::len);
        match span {
            Some(span) => out.push_str(span),
            None => out.push_str(&"\\`".repeat(run)),
        }
        rest = &found[taken..];
    }
    escaped(rest, &mut out);
    // A hyphen, a digit or the like acts only at the beginning of a line, where we never put it.
    out
}

/// The code span at the beginning of this, with its backticks, if it holds nothing but letters, digits and what paths and orders are made
/// of: so no reader of Markdown takes it for anything else, whatever stands around it.
fn harmless(found: &str) -> Option<&str> {
    let (inside, after) = found.strip_prefix('`')?.split_once('`')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '/' | '.' | '_' | '-');
    let edges = [inside.chars().next(), inside.chars().next_back()];
    let meant = inside.chars().all(plain)
        && edges.iter().all(|c| c.is_some_and(|c| c != ' '))
        && !after.starts_with('`');
    meant.then(|| &found[..inside.len() + 2])
}

/// Adds this text, which has no backticks, with whatever may act in it made harmless.
fn escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' | '#' => {
                out.push('\\');
                out.push(c);
                out.push(NOTHING);
            }
            // `GH-12` is a reference, too; every other punctuation mark may begin something.
            '-' if ends_with_gh(out) => {
                out.push(NOTHING);
                out.push_str("\\-");
            }
            c if c.is_ascii_punctuation()
                && !matches!(c, ',' | ';' | '\'' | '"' | '/' | '-' | '%' | '?') =>
            {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
}

fn ends_with_gh(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 2 && bytes[bytes.len() - 2..].eq_ignore_ascii_case(b"gh")
}

/// A code span that shows exactly this, also within a table cell.
pub fn code(outside: &str) -> String {
    let line = one_line(outside, 200);
    let fence = "`".repeat(longest_run(&line) + 1);
    let space = if line.starts_with('`') || line.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{space}{}{space}{fence}", line.replace('|', "\\|"))
}

/// A block that shows these lines as they are, colours left out. Its fence is longer than any within it.
pub fn block<'a>(lines: impl IntoIterator<Item = &'a str>, longest_line: usize) -> String {
    let lines: Vec<String> = lines
        .into_iter()
        .map(|line| one_line(line, longest_line))
        .collect();
    let longest = lines
        .iter()
        .map(|line| longest_run(line))
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut out = format!("{fence}text\n");
    for line in &lines {
        // Shown alike, but no marker for who looks for one without reading Markdown.
        out.push_str(&line.replace("<!--", "<!\u{200b}--"));
        out.push('\n');
    }
    out.push_str(&fence);
    out.push('\n');
    out
}

/// Text within an HTML element of ours.
pub fn html(outside: &str, longest: usize) -> String {
    one_line(outside, longest)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// One line of it: no escape sequences, no control characters, nothing that turns the direction of reading.
pub fn one_line(outside: &str, longest: usize) -> String {
    let mut out = String::new();
    let mut rest = outside.chars().peekable();
    let mut taken = 0;
    while let Some(c) = rest.next() {
        if taken == longest {
            out.push('…');
            break;
        }
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}'
                if !out.is_empty() && !out.ends_with(' ') =>
            {
                out.push(' ');
                taken += 1;
            }
            c if c.is_control() || unseen(c) => {}
            c => {
                out.push(c);
                taken += 1;
            }
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Skips the rest of an escape sequence: `[ … letter` (CSI), `] … BEL or ESC \` (OSC), or one character.
fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.next() {
        Some('[') => {
            while rest
                .next()
                .is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c))
            {}
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = rest.next() {
                if c == '\u{7}' || (c == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}

/// Characters that change how others are read and are not seen themselves.
fn unseen(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}' | '\u{e0000}'..='\u{e007f}')
}

fn longest_run(line: &str) -> usize {
    line.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
