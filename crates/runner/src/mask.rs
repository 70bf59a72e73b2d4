//! Masking: no secret leaves the machine in a log, a report or a test result.
//!
//! A text is read in several *tongues* at once: as it is, and with percent-encoding, backslash escapes and HTML
//! escapes undone. In each of them the values themselves are looked for, and, with line ends left out, their
//! base64 at its three alignments and their hexadecimal digits. So it does not matter which characters an encoder escapes, nor where it
//! breaks its lines. A value of several lines is looked for line by line, too.
//!
//! A stream is masked across its chunks: only the longest end that may begin a pattern is held back.

mod patterns;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use patterns::Patterns;
use view::{Seen, Tongue, View};

/// What stands where a secret stood.
pub(crate) const MASKED: &str = "***";
/// Shorter values are not masked: they would blacken half of every log and hide nothing.
pub(crate) const SHORTEST: usize = 6;

/// From here to there, in bytes.
type Range = (usize, usize);

/// Every shape of every secret. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Mask(Arc<Shapes>);

struct Shapes {
    /// Looked for as they are.
    plain: Patterns,
    /// Looked for in what is left without line ends.
    wrapped: Patterns,
}

impl Mask {
    /// A mask for these values. Those that are too short are left out, see [`SHORTEST`].
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut plain, mut wrapped) = (BTreeSet::new(), BTreeSet::new());
        for value in values {
            // Keys are often kept in one line, with their line ends escaped.
            let unescaped = value.replace("\\r", "").replace("\\n", "\n");
            let lines = value.lines().chain(unescaped.lines()).map(str::trim);
            for part in [value, value.trim(), unescaped.trim()]
                .into_iter()
                .chain(lines)
            {
                if part.len() >= SHORTEST {
                    shapes(part, &mut plain, &mut wrapped);
                }
            }
        }
        Mask(Arc::new(Shapes {
            plain: Patterns::new(plain),
            wrapped: Patterns::new(wrapped),
        }))
    }

    /// Masks a text that is complete.
    pub(crate) fn whole(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut masked = stream.feed(text.as_bytes());
        masked.extend(stream.end());
        String::from_utf8_lossy(&masked).into_owned()
    }

    /// Masks lines that belong together: a secret may be wrapped over several of them.
    pub(crate) fn lines(&self, lines: &[String]) -> Vec<String> {
        if lines.is_empty() {
            return Vec::new();
        }
        let masked = self.whole(&lines.join("\n"));
        masked.split('\n').map(str::to_owned).collect()
    }

    /// Begins to mask a stream.
    pub(crate) fn stream(&self) -> MaskedStream {
        MaskedStream {
            mask: self.clone(),
            held: Vec::new(),
            known: Vec::new(),
            inside: false,
            seen: std::array::from_fn(|_| Seen::default()),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.plain.is_empty() && self.0.wrapped.is_empty()
    }
}

/// A stream on its way through the mask.
pub(crate) struct MaskedStream {
    mask: Mask,
    held: Vec<u8>,
    /// Which of the held bytes are already known to belong to a secret.
    known: Vec<Range>,
    /// Whether the last byte that was let go belonged to a secret.
    inside: bool,
    /// What each tongue remembers of the bytes that were let go.
    seen: [Seen; Tongue::ALL.len()],
}

impl MaskedStream {
    /// Takes a chunk and gives what may be shown of everything so far.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(chunk);
        self.release(false)
    }

    /// Gives the rest: nothing more comes.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.release(true)
    }

    fn release(&mut self, last: bool) -> Vec<u8> {
        if self.mask.is_empty() {
            return std::mem::take(&mut self.held);
        }
        let views = self.views();
        let mut secret = std::mem::take(&mut self.known);
        let mut until = self.held.len();
        for view in views.iter().flatten() {
            view.find(&self.mask.0, &mut secret);
            if !last {
                until = until.min(view.hold_from(&self.mask.0));
            }
        }
        if !last {
            until = whole_escapes(&views, until);
        }
        // A view that was not needed saw what the plain one saw.
        let plain = views[0].as_ref().map(|view| view.seen(until));
        for (seen, view) in self.seen.iter_mut().zip(&views) {
            match (view, &plain) {
                (Some(view), _) => *seen = view.seen(until),
                (None, Some(plain)) => seen.clone_from(plain),
                (None, None) => {}
            }
        }
        let secret = united(secret);
        let shown = self.show(&secret, until);
        self.held.drain(..until);
        self.known = secret
            .into_iter()
            .filter(|(_, end)| *end > until)
            .map(|(start, end)| (start.saturating_sub(until), end - until))
            .collect();
        shown
    }

    /// The held bytes in each tongue in which they read otherwise than as they are; the first is as they are.
    fn views(&self) -> [Option<View>; Tongue::ALL.len()] {
        std::array::from_fn(|index| {
            let tongue = Tongue::ALL[index];
            let needed =
                index == 0 || self.seen[index] != self.seen[0] || tongue.occurs(&self.held);
            needed.then(|| View::new(tongue, &self.held, &self.seen[index]))
        })
    }

    fn show(&mut self, secret: &[Range], until: usize) -> Vec<u8> {
        let mut shown = Vec::with_capacity(until);
        let mut at = 0;
        for (start, end) in secret.iter().copied().chain([(until, until)]) {
            let start = start.min(until);
            if at < start {
                shown.extend_from_slice(&self.held[at..start]);
                self.inside = false;
            }
            at = end.min(until);
            if start < at && !std::mem::replace(&mut self.inside, true) {
                shown.extend_from_slice(MASKED.as_bytes());
            }
        }
        shown
    }
}

/// The last place up to `until` that is not in the middle of an escape of any tongue.
fn whole_escapes(views: &[Option<View>], mut until: usize) -> usize {
    loop {
        let views = views.iter().flatten();
        let lower = views.map(|view| view.boundary(until)).min();
        match lower {
            Some(lower) if lower < until => until = lower,
            _ => return until,
        }
    }
}

/// The same bytes in ranges that are in order and do not touch.
fn united(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut united: Vec<Range> = Vec::with_capacity(ranges.len());
    for (start, end) in ranges {
        match united.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => united.push((start, end)),
        }
    }
    united
}

/// Adds every shape of a value that is worth hiding and that no tongue undoes.
fn shapes(value: &str, plain: &mut BTreeSet<Vec<u8>>, wrapped: &mut BTreeSet<Vec<u8>>) {
    plain.insert(value.as_bytes().to_vec());
    // As forms and `quote_plus` write it.
    plain.insert(value.replace(' ', "+").into_bytes());
    // As the URL standard reads the path of a web address.
    plain.insert(value.replace('\\', "/").into_bytes());
    plain.insert(latin1(value));
    // JSON that stands in JSON is escaped twice: one of them a tongue undoes.
    let json = json_inside(value);
    plain.insert(in_ascii(&json).into_bytes());
    plain.insert(json.into_bytes());
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    wrapped.insert(hex.to_uppercase().into_bytes());
    wrapped.insert(hex.into_bytes());
    for offset in 0..3 {
        for shape in [
            base64_inside(value.as_bytes(), offset, &STANDARD_NO_PAD),
            base64_inside(value.as_bytes(), offset, &URL_SAFE_NO_PAD),
        ] {
            if shape.len() >= SHORTEST {
                wrapped.insert(shape.into_bytes());
            }
        }
    }
}

/// What stands between the quotes where this is written as JSON.
fn json_inside(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted
        .get(1..quoted.len() - 1)
        .unwrap_or_default()
        .to_owned()
}

/// The same JSON as Python writes it, with nothing beyond ASCII.
fn in_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for char in json.chars() {
        if char.is_ascii() {
            ascii.push(char);
        } else {
            let mut units = [0; 2];
            let units = char.encode_utf16(&mut units).iter();
            ascii.extend(units.map(|unit| format!("\\u{unit:04x}")));
        }
    }
    ascii
}

/// One byte for each character up to U+00FF, as JavaScript's `escape()` and `\xfc` mean it.
fn latin1(value: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    for char in value.chars() {
        match u8::try_from(u32::from(char)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The characters of the base64 of `…value…` that depend on the value alone, when it begins `offset` bytes
/// into a group of three.
fn base64_inside(value: &[u8], offset: usize, engine: &impl Engine) -> String {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(value);
    let encoded = engine.encode(&padded);
    let first = (offset * 8).div_ceil(6);
    let last = (padded.len() * 8) / 6;
    encoded.get(first..last).unwrap_or_default().to_owned()
}
