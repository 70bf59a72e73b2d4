//! Segments of logs: the lines that a blob holds.

use std::{borrow::Cow, io::Read as _};

use flate2::read::GzDecoder;
use nestling_protocol::log::Line;
use tracing::warn;

/// The most that is unpacked of one segment, in bytes: runners close them at half a megabyte, and whoever packs more means harm.
const LONGEST: u64 = 2 * 1024 * 1024;
/// What packed segments begin with (RFC 1952 section 2.3.1).
const PACKED: [u8; 2] = [0x1f, 0x8b];

/// The lines of a segment, packed or not. A runner wrote them: what is not a line is passed over.
pub fn lines(segment: &[u8]) -> Vec<Line> {
    unpacked(segment)
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

/// Of one that is damaged, what comes before the damage.
fn unpacked(segment: &[u8]) -> Cow<'_, [u8]> {
    if !segment.starts_with(&PACKED) {
        return Cow::Borrowed(segment);
    }
    let mut content = Vec::new();
    let mut packed = GzDecoder::new(segment).take(LONGEST);
    if let Err(error) = packed.read_to_end(&mut content) {
        warn!("a segment of a log is damaged: {error}");
    }
    Cow::Owned(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use nestling_protocol::log::Source;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(content).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn a_segment_is_read_packed_or_not_and_as_far_as_it_is_whole() {
        let said: Vec<Line> = (0..2000)
            .map(|n| Line {
                n,
                at: n * 7919 % 1000,
                from: Source::Out,
                text: format!("line {n}"),
            })
            .collect();
        let mut content = Vec::new();
        for line in &said {
            serde_json::to_writer(&mut content, line).unwrap();
            content.extend(b"\nwhat is not a line\n");
        }
        assert_eq!(lines(&content), said);
        assert_eq!(lines(b""), []);
        let whole = packed(&content);
        assert_eq!(lines(&whole), said);
        let half = lines(&whole[..whole.len() / 2]);
        assert!(!half.is_empty() && said.starts_with(&half));
    }

    #[test]
    fn a_segment_that_unpacks_to_gigabytes_is_read_to_a_bound() {
        let bomb = packed(&vec![b'x'; 64 << 20]);
        assert!(bomb.len() < 1 << 20, "it may be put");
        assert_eq!(unpacked(&bomb).len() as u64, LONGEST);
    }
}
