//! A text as one kind of escape means it, and without its line ends; with the way back to where each byte stood.

use super::{Range, Shapes};

/// Longer runs of line ends and indentation are not seen through: no encoder makes them, and what is held back
/// stays bounded.
const LONGEST_GAP: u8 = 64;
/// A line end after a shorter beginning of a wrapped pattern does not hold the line back: too many lines end with
/// one by chance. What follows of the secret is found all the same.
const WORTH_HOLDING: usize = 4;

/// How a text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// As it is.
    Plain,
    /// URLs and forms: `%40`; and JavaScript's `escape()`: `%u20AC`.
    Percent,
    /// JSON, JavaScript, Python, shells: `\"`, `\/`, `\n`, `\u00fc`, `\U0001f600`, `\xfc`.
    Backslash,
    /// HTML and XML: `&amp;`, `&#39;`, `&#x27;`.
    Ampersand,
}

/// What stands at the beginning of some bytes.
enum Escape {
    /// The byte means itself.
    No,
    /// More bytes are needed to say.
    Open,
    /// So many bytes mean this byte.
    Byte(usize, u8),
    /// So many bytes mean this character.
    Char(usize, char),
}

impl Tongue {
    /// All, the plain one first.
    pub(super) const ALL: [Tongue; 4] = [
        Tongue::Plain,
        Tongue::Percent,
        Tongue::Backslash,
        Tongue::Ampersand,
    ];

    /// Whether there may be an escape in the text.
    pub(super) fn occurs(self, text: &[u8]) -> bool {
        self.sign().is_some_and(|sign| text.contains(&sign))
    }

    /// What every escape begins with.
    fn sign(self) -> Option<u8> {
        match self {
            Tongue::Plain => None,
            Tongue::Percent => Some(b'%'),
            Tongue::Backslash => Some(b'\\'),
            Tongue::Ampersand => Some(b'&'),
        }
    }

    /// Reads what begins with the sign.
    fn escape(self, text: &[u8]) -> Escape {
        match self {
            Tongue::Plain => Escape::No,
            Tongue::Percent => match text.get(1) {
                None => Escape::Open,
                Some(b'u') => utf16(text, b"%u"),
                Some(_) => byte(text, 1),
            },
            Tongue::Backslash => match text.get(1) {
                None => Escape::Open,
                Some(b'u') => utf16(text, b"\\u"),
                Some(b'U') => match digits(text, 2, 8) {
                    Ok(value) => {
                        char::from_u32(value).map_or(Escape::No, |char| Escape::Char(10, char))
                    }
                    Err(no) => no,
                },
                Some(b'x') => byte(text, 2),
                Some(b'n') => Escape::Byte(2, b'\n'),
                Some(b'r') => Escape::Byte(2, b'\r'),
                Some(b't') => Escape::Byte(2, b'\t'),
                Some(b'b') => Escape::Byte(2, 8),
                Some(b'f') => Escape::Byte(2, 12),
                Some(other) if other.is_ascii_punctuation() || *other == b' ' => {
                    Escape::Byte(2, *other)
                }
                Some(_) => Escape::No,
            },
            Tongue::Ampersand => entity(text),
        }
    }
}

/// Two hexadecimal digits from `from` on.
fn byte(text: &[u8], from: usize) -> Escape {
    match digits(text, from, 2) {
        Ok(value) => u8::try_from(value).map_or(Escape::No, |byte| Escape::Byte(from + 2, byte)),
        Err(no) => no,
    }
}

/// One or two units of UTF-16, each with its sign before it.
fn utf16(text: &[u8], sign: &[u8]) -> Escape {
    let high = match digits(text, 2, 4) {
        Ok(value) => value,
        Err(no) => return no,
    };
    if let Some(char) = char::from_u32(high) {
        return Escape::Char(6, char);
    }
    let rest = &text[6..];
    if rest.len() < 2 && sign.starts_with(rest) {
        return Escape::Open;
    }
    if high >= 0xDC00 || !rest.starts_with(sign) {
        return Escape::No;
    }
    match digits(text, 8, 4) {
        Ok(low @ 0xDC00..=0xDFFF) => {
            let value = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            char::from_u32(value).map_or(Escape::No, |char| Escape::Char(12, char))
        }
        Ok(_) => Escape::No,
        Err(no) => no,
    }
}

fn digits(text: &[u8], from: usize, count: usize) -> Result<u32, Escape> {
    let there = &text[from.min(text.len())..text.len().min(from + count)];
    let mut value = 0;
    for digit in there {
        let digit = char::from(*digit).to_digit(16).ok_or(Escape::No)?;
        value = value * 16 + digit;
    }
    if there.len() < count {
        return Err(Escape::Open);
    }
    Ok(value)
}

/// `&name;`, `&#39;` or `&#x27;`.
fn entity(text: &[u8]) -> Escape {
    /// `&#1114111;` and with some zeros before.
    const LONGEST: usize = 12;
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'#';
    let length = text[1..].iter().take_while(|byte| inside(byte)).count();
    if length > LONGEST {
        return Escape::No;
    }
    let (name, end) = (&text[1..=length], text.get(length + 1));
    match end {
        None => return Escape::Open,
        Some(b';') => {}
        Some(_) => return Escape::No,
    }
    let char = match name {
        b"amp" => Some('&'),
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        _ => std::str::from_utf8(name).ok().and_then(numbered),
    };
    char.map_or(Escape::No, |char| Escape::Char(length + 2, char))
}

fn numbered(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let value = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(value.ok()?)
}

/// What a tongue remembers of bytes that were let go.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// How long the run of line ends and indentation at their end is.
    gap: u8,
    /// Their last bytes without line ends: a secret may begin in them, too near to a line end to be held back.
    before: Vec<u8>,
}

/// The held bytes in one tongue.
pub(super) struct View {
    length: usize,
    bytes: Vec<u8>,
    /// From where to where in the held bytes each of `bytes` stood.
    stood: Vec<Range>,
    /// The run of line ends and indentation that ends with each of `bytes`; 0 for all others.
    gaps: Vec<u8>,
    /// Where an escape begins that is not complete.
    open: Option<usize>,
    /// What was seen before.
    seen: Seen,
    /// The seen bytes and those of `bytes` that are not in a gap.
    folded: Vec<u8>,
    /// Which of `bytes` each of `folded` is, after the seen ones.
    kept: Vec<usize>,
}

impl View {
    pub(super) fn new(tongue: Tongue, held: &[u8], seen: &Seen) -> Self {
        let mut view = View {
            length: held.len(),
            bytes: Vec::with_capacity(held.len()),
            stood: Vec::with_capacity(held.len()),
            gaps: Vec::with_capacity(held.len()),
            open: None,
            seen: seen.clone(),
            folded: seen.before.clone(),
            kept: Vec::with_capacity(held.len()),
        };
        let sign = tongue.sign();
        let mut at = 0;
        while let Some(first) = held.get(at) {
            let run = held[at..]
                .iter()
                .position(|byte| {
                    sign == Some(*byte) || matches!(byte, b'\n' | b'\r' | b' ' | b'\t')
                })
                .unwrap_or(held.len() - at);
            if run > 0 {
                view.push_run(&held[at..at + run], at);
                at += run;
                continue;
            }
            let escape = if sign == Some(*first) {
                tongue.escape(&held[at..])
            } else {
                Escape::No
            };
            let length = match escape {
                Escape::No => {
                    view.push(*first, (at, at + 1));
                    1
                }
                Escape::Byte(length, byte) => {
                    view.push(byte, (at, at + length));
                    length
                }
                Escape::Char(length, char) => {
                    for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                        view.push(byte, (at, at + length));
                    }
                    length
                }
                Escape::Open => {
                    view.open = Some(at);
                    break;
                }
            };
            at += length;
        }
        view
    }

    /// Bytes that mean themselves and are in no gap, all at once: most of a text is such.
    fn push_run(&mut self, run: &[u8], at: usize) {
        let first = self.bytes.len();
        self.bytes.extend_from_slice(run);
        self.folded.extend_from_slice(run);
        self.kept.extend(first..first + run.len());
        self.stood
            .extend((at..at + run.len()).map(|at| (at, at + 1)));
        self.gaps.resize(first + run.len(), 0);
    }

    fn push(&mut self, byte: u8, stood: Range) {
        let gap = self.gaps.last().copied().unwrap_or(self.seen.gap);
        let gap = match byte {
            b'\n' | b'\r' => gap.saturating_add(1),
            b' ' | b'\t' if gap > 0 => gap.saturating_add(1),
            _ => 0,
        };
        if gap == 0 || gap > LONGEST_GAP {
            self.folded.push(byte);
            self.kept.push(self.bytes.len());
        }
        self.bytes.push(byte);
        self.stood.push(stood);
        self.gaps.push(gap);
    }

    /// Adds where secrets stand, without their line ends.
    pub(super) fn find(&self, shapes: &Shapes, secret: &mut Vec<Range>) {
        for (start, end) in shapes.plain.find(&self.bytes) {
            let lines = self.bytes[start..end].split(|byte| matches!(byte, b'\n' | b'\r'));
            let mut at = start;
            for line in lines {
                if !line.is_empty() {
                    secret.push((self.stood[at].0, self.stood[at + line.len() - 1].1));
                }
                at += line.len() + 1;
            }
        }
        let before = self.seen.before.len();
        for (start, end) in shapes.wrapped.find(&self.folded) {
            let (start, end) = (start.saturating_sub(before), end.saturating_sub(before));
            let mut piece: Option<Range> = None;
            for kept in &self.kept[start..end] {
                let (from, to) = self.stood[*kept];
                match &mut piece {
                    Some(piece) if from <= piece.1 => piece.1 = to,
                    _ => secret.extend(piece.replace((from, to))),
                }
            }
            secret.extend(piece);
        }
    }

    /// From where on the held bytes may be the beginning of a secret.
    pub(super) fn hold_from(&self, shapes: &Shapes) -> usize {
        let plain = shapes.plain.begun(&self.bytes);
        let mut hold = plain.map_or(self.length, |at| self.stood[at].0);
        if let Some(start) = shapes.wrapped.begun(&self.folded) {
            let ends_a_line = self.gaps.last().is_some_and(|gap| *gap > 0);
            if !ends_a_line || self.folded.len() - start >= WORTH_HOLDING {
                let first = start.saturating_sub(self.seen.before.len());
                let first = self.kept.get(first).map(|kept| self.stood[*kept].0);
                hold = hold.min(first.unwrap_or(self.length));
            }
        }
        hold.min(self.open.unwrap_or(self.length))
    }

    /// The last place up to `until` that is not in the middle of an escape.
    pub(super) fn boundary(&self, until: usize) -> usize {
        let next = self.stood.partition_point(|(_, end)| *end <= until);
        let escape = self.stood.get(next).map_or(until, |(start, _)| *start);
        until.min(escape)
    }

    /// What is to be remembered when the held bytes up to `until` are let go.
    pub(super) fn seen(&self, until: usize) -> Seen {
        let gone = self.stood.partition_point(|(_, end)| *end <= until);
        let gap = match gone.checked_sub(1) {
            Some(last) => self.gaps[last],
            None => self.seen.gap,
        };
        let kept = self.kept.partition_point(|kept| *kept < gone);
        let folded = &self.folded[..self.seen.before.len() + kept];
        let before = folded[folded.len().saturating_sub(WORTH_HOLDING - 1)..].to_vec();
        Seen { gap, before }
    }
}
