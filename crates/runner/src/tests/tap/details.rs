//! The block of details of a TAP test: as much of YAML as reporters write there.

use super::junit;

/// A block that is being read. Keys below the first level are the reporter's own affair.
pub(super) struct Details {
    /// How far it is indented, and how far its keys are.
    indent: usize,
    keys: Option<usize>,
    fields: Vec<Field>,
}

struct Field {
    key: String,
    /// What stands beside the key.
    value: String,
    /// The further indented lines below it, as they stand.
    lines: Vec<String>,
}

/// What of it is of use.
pub(super) struct Told {
    /// Why the test failed, then where.
    pub(super) error: Option<String>,
    /// How long it took.
    pub(super) millis: Option<u64>,
}

impl Details {
    /// A block whose first line, `---`, is indented as far as this.
    pub(super) fn new(indent: usize) -> Self {
        Details {
            indent,
            keys: None,
            fields: Vec::new(),
        }
    }

    /// Whether the block goes on with this line. One that is never closed ends with its indentation.
    pub(super) fn holds(&self, indent: usize, content: &str) -> bool {
        content.is_empty()
            || indent > self.indent
            || (indent == self.indent && !matches!(content, "..." | "---"))
    }

    /// Reads a line of it.
    pub(super) fn line(&mut self, indent: usize, line: &str) {
        let blank = line.trim().is_empty();
        if !blank {
            self.keys.get_or_insert(indent);
        }
        if blank || self.keys.is_some_and(|keys| indent > keys) {
            if let Some(field) = self.fields.last_mut() {
                field.lines.push(line.to_owned());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            self.fields.push(Field {
                key: key.trim().trim_matches(['\'', '"']).to_owned(),
                value: value.trim().to_owned(),
                lines: Vec::new(),
            });
        }
    }

    /// What it says.
    pub(super) fn told(self) -> Told {
        let text = |keys: &[&str]| {
            let named = self.fields.iter();
            let mut named = named.filter(|field| keys.contains(&field.key.as_str()));
            named.find_map(Field::text)
        };
        let error = match (text(&["error", "message"]), text(&["stack"])) {
            (Some(error), Some(stack)) if stack.starts_with(&error) => Some(stack),
            (Some(error), Some(stack)) => Some(format!("{error}\n\n{stack}")),
            (error, stack) => error.or(stack),
        };
        Told {
            error,
            millis: text(&["duration_ms"]).and_then(|text| millis(&text)),
        }
    }
}

impl Field {
    /// Its text; nothing where it is empty, or a list or a map.
    fn text(&self) -> Option<String> {
        let style = self.value.split(' ').next().unwrap_or_default();
        let text = match style.as_bytes() {
            [b'|', ..] => self.block("\n"),
            [b'>', ..] => self.block(" "),
            [b'\'', ..] => self.flow().replace("''", "'"),
            [b'"', ..] => unescaped(&self.flow()),
            [] | [b'{' | b'[' | b'&' | b'*' | b'!', ..] => return None,
            _ => self.value.clone(),
        };
        let text = text.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// The lines of a block, without the indentation that all of them have.
    fn block(&self, between: &str) -> String {
        let indented = |line: &String| line.len() - line.trim_start().len();
        let full = self.lines.iter().filter(|line| !line.trim().is_empty());
        let indent = full.map(indented).min().unwrap_or(0);
        let lines = self
            .lines
            .iter()
            .map(|line| line.get(indent..).unwrap_or_default());
        lines.collect::<Vec<_>>().join(between)
    }

    /// A quoted text, without its quotes; one that is folded goes on in the lines below.
    fn flow(&self) -> String {
        let more = self.lines.iter().map(|line| line.trim());
        let parts: Vec<&str> = std::iter::once(self.value.as_str()).chain(more).collect();
        let whole = parts.join(" ");
        let quote = whole.chars().next().unwrap_or_default();
        let whole = whole.trim_end();
        let inner = whole.strip_prefix(quote).unwrap_or(whole);
        inner.strip_suffix(quote).unwrap_or(inner).to_owned()
    }
}

/// The text of a double-quoted one; an escape that is none of the usual stays.
fn unescaped(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            whole.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => whole.push('\n'),
            Some('t') => whole.push('\t'),
            Some(c @ ('"' | '\\' | '/' | ' ')) => whole.push(c),
            Some(c) => whole.extend(['\\', c]),
            None => whole.push('\\'),
        }
    }
    whole
}

/// Milliseconds as they stand in a report.
pub(super) fn millis(text: &str) -> Option<u64> {
    let millis: f64 = text.trim().parse().ok()?;
    junit::millis(&(millis / 1000.0).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &str) -> (Option<String>, Option<u64>) {
        let mut details = Details::new(2);
        for line in lines.lines() {
            let indent = line.len() - line.trim_start().len();
            assert!(details.holds(indent, line.trim()), "{line}");
            details.line(indent, line);
        }
        let Told { error, millis } = details.told();
        (error, millis)
    }

    #[test]
    fn every_way_to_write_a_text_is_read() {
        let table = [
            ("  error: plain text: more", "plain text: more"),
            ("  error: 'it''s'", "it's"),
            (r#"  error: "a \"b\"\nc \x""#, "a \"b\"\nc \\x"),
            ("  error: 'one\n    two'", "one two"),
            ("  error: |-\n    one\n\n      two\n", "one\n\n  two"),
            ("  error: |\n    one\n    two: 2", "one\ntwo: 2"),
            ("  error: >-\n    one\n    two", "one two"),
            (
                "  message: m\n  stack: |-\n    at a\n    at b",
                "m\n\nat a\nat b",
            ),
            ("  error: m\n  stack: |-\n    m\n    at a", "m\nat a"),
            ("  operator: equal\n  stack: |-\n    Error: no", "Error: no"),
            ("  data:\n    error: 'inner'\n  error: 'outer'", "outer"),
            ("  error:\n    message: 'nested'\n  message: 'own'", "own"),
        ];
        for (lines, expected) in table {
            assert_eq!(told(lines).0.as_deref(), Some(expected), "{lines}");
        }
        assert_eq!(told("  duration_ms: 1.6\n  error: |-\n"), (None, Some(2)));
        assert_eq!(
            told("  duration_ms: soon\n  - a list\n  error: {}"),
            (None, None)
        );
    }
}
