//! Colours of terminals, as spans with classes from a list of ours; everything else of a line is text.
//!
//! Of all that a terminal can be told, only SGR (`ESC [ … m`) is read, and of that only colours, bold,
//! faint, italic and underline. Every other sequence is left out, and no part of one becomes markup.

use maud::{Markup, html};

/// The longest line that is shown, in characters; runners cut at 16 KiB.
const LONGEST: usize = 16 * 1024;

/// How text looks.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one switch of a terminal"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    bold: bool,
    faint: bool,
    italic: bool,
    underline: bool,
    /// One of the sixteen colours.
    ink: Option<u8>,
    /// One of the sixteen colours.
    paper: Option<u8>,
}

/// A line of a log.
pub fn line(text: &str) -> Markup {
    html! {
        @for (look, run) in runs(text) {
            @if look == Look::default() { (run) } @else { span class=(look.class()) { (run) } }
        }
    }
}

/// The text of a line alone.
pub fn plain(text: &str) -> String {
    runs(text).into_iter().map(|(_, run)| run).collect()
}

/// The text of several lines, kept apart.
pub fn plain_lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}

fn runs(text: &str) -> Vec<(Look, String)> {
    let mut runs = Vec::new();
    let mut look = Look::default();
    let mut run = String::new();
    let mut rest = text.chars().take(LONGEST).peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => {
                let before = look;
                escape(&mut rest, &mut look);
                if look != before && !run.is_empty() {
                    runs.push((before, std::mem::take(&mut run)));
                }
            }
            '\t' => run.push_str("    "),
            // What turns the direction of reading could make a line say what it does not.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => run.push('\u{fffd}'),
            c if c.is_control() => {}
            c => run.push(c),
        }
    }
    if !run.is_empty() {
        runs.push((look, run));
    }
    runs
}

/// Reads what follows an escape character.
fn escape(rest: &mut std::iter::Peekable<impl Iterator<Item = char>>, look: &mut Look) {
    match rest.next() {
        Some('[') => {
            let mut codes = String::new();
            for c in rest.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    if c == 'm' {
                        look.apply(&codes);
                    }
                    return;
                }
                codes.push(c);
            }
        }
        // A string for the terminal (a link, a title): up to BEL or ESC \.
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = rest.next() {
                if c == '\u{7}' || (c == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                    return;
                }
            }
        }
        // Chooses a character set, with one more character.
        Some('(' | ')' | '#' | '%') => {
            rest.next();
        }
        _ => {}
    }
}

impl Look {
    fn apply(&mut self, codes: &str) {
        let mut codes = codes.split([';', ':']).map(|code| {
            if code.is_empty() {
                Some(0)
            } else {
                code.parse::<u8>().ok()
            }
        });
        while let Some(code) = codes.next() {
            match code {
                Some(0) => *self = Look::default(),
                Some(1) => self.bold = true,
                Some(2) => self.faint = true,
                Some(3) => self.italic = true,
                Some(4) => self.underline = true,
                Some(22) => (self.bold, self.faint) = (false, false),
                Some(23) => self.italic = false,
                Some(24) => self.underline = false,
                Some(code @ 30..=37) => self.ink = Some(code - 30),
                Some(code @ 90..=97) => self.ink = Some(code - 90 + 8),
                Some(38) => self.ink = extended(&mut codes).or(self.ink),
                Some(39) => self.ink = None,
                Some(code @ 40..=47) => self.paper = Some(code - 40),
                Some(code @ 100..=107) => self.paper = Some(code - 100 + 8),
                Some(48) => self.paper = extended(&mut codes).or(self.paper),
                Some(49) => self.paper = None,
                _ => {}
            }
        }
    }

    fn class(self) -> String {
        let mut classes = Vec::new();
        for (on, class) in [
            (self.bold, "b"),
            (self.faint, "f"),
            (self.italic, "i"),
            (self.underline, "u"),
        ] {
            if on {
                classes.push(format!("sgr-{class}"));
            }
        }
        classes.extend(self.ink.map(|ink| format!("ink-{ink}")));
        classes.extend(self.paper.map(|paper| format!("paper-{paper}")));
        classes.join(" ")
    }
}

/// `5;n` (of 256) or `2;r;g;b`, as the nearest of the sixteen, so that a palette of ours keeps the contrast.
fn extended(codes: &mut impl Iterator<Item = Option<u8>>) -> Option<u8> {
    match codes.next()?? {
        5 => match codes.next()?? {
            colour @ 0..=15 => Some(colour),
            colour @ 16..=231 => {
                let cube = colour - 16;
                Some(nearest(cube / 36 * 51, cube / 6 % 6 * 51, cube % 6 * 51))
            }
            grey => Some(if grey < 244 { 8 } else { 7 }),
        },
        2 => Some(nearest(codes.next()??, codes.next()??, codes.next()??)),
        _ => None,
    }
}

fn nearest(red: u8, green: u8, blue: u8) -> u8 {
    let most = red.max(green).max(blue);
    if most < 48 {
        return 8;
    }
    let on = |part: u8| u8::from(u16::from(part) * 2 > u16::from(most));
    on(red) | on(green) << 1 | on(blue) << 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_spans_and_everything_else_is_text() {
        for (text, html) in [
            ("plain", "plain"),
            (
                "\u{1b}[31mred\u{1b}[0m after",
                r#"<span class="ink-1">red</span> after"#,
            ),
            (
                "\u{1b}[1;4;92mok",
                r#"<span class="sgr-b sgr-u ink-10">ok</span>"#,
            ),
            (
                "\u{1b}[38;5;196mr\u{1b}[38;2;0;0;255mb",
                r#"<span class="ink-1">r</span><span class="ink-4">b</span>"#,
            ),
            ("\u{1b}[31\"><script>m<b>", "cript&gt;m&lt;b&gt;"),
            (
                "\u{1b}]8;;javascript:alert(1)\u{7}link\u{1b}]8;;\u{7}",
                "link",
            ),
            ("\u{1b}[2J\u{1b}[1;1Hclear", "clear"),
            ("\u{1b}[", ""),
            ("\u{1b}", ""),
            ("\u{1b}[999;300;31mred", r#"<span class="ink-1">red</span>"#),
            ("a\u{202e}b", "a\u{fffd}b"),
            (
                "<img src=x onerror=alert(1)>",
                "&lt;img src=x onerror=alert(1)&gt;",
            ),
        ] {
            assert_eq!(line(text).into_string(), html, "for {text:?}");
        }
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
    }
}
