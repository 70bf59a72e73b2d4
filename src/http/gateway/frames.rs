//! Where the frames of a WebSocket begin and end, so that a goodbye of ours never falls into one.

/// A close frame with the code 1012, "service restart" (RFC 6455 section 5.5.1, IANA registry): the client is
/// to connect again.
pub(super) const RESTART: [u8; 4] = [0x88, 2, 0x03, 0xf4];

/// The longest head of a frame: two bytes, eight of length, four of mask.
const LONGEST_HEAD: usize = 14;

/// Follows one direction of a WebSocket, in whatever pieces its bytes come.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    have: usize,
    payload: u64,
    closed: bool,
}

impl Frames {
    /// Whether no frame is under way.
    pub(super) fn between(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    /// Whether a close frame has begun: nothing may follow it.
    pub(super) fn closed(&self) -> bool {
        self.closed
    }

    /// Takes the next bytes; stops after `most` frames' ends and says how many bytes belong to what was taken.
    pub(super) fn take(&mut self, bytes: &[u8], until_boundary: bool) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if until_boundary && self.between() {
                break;
            }
            if self.payload > 0 {
                let here =
                    (bytes.len() - at).min(usize::try_from(self.payload).unwrap_or(usize::MAX));
                self.payload -= here as u64;
                at += here;
                continue;
            }
            self.head[self.have] = bytes[at];
            self.have += 1;
            at += 1;
            self.read_head();
        }
        at
    }

    fn read_head(&mut self) {
        if self.have == 1 {
            self.closed |= self.head[0] & 0x0f == 0x8;
        }
        if self.have < 2 {
            return;
        }
        let masked = if self.head[1] & 0x80 == 0 { 0 } else { 4 };
        let (length_bytes, short) = match self.head[1] & 0x7f {
            126 => (2, None),
            127 => (8, None),
            short => (0, Some(u64::from(short))),
        };
        if self.have < 2 + length_bytes + masked {
            return;
        }
        let long = self.head[2..2 + length_bytes]
            .iter()
            .fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        self.payload = short.unwrap_or(long);
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(payload: usize, masked: bool) -> Vec<u8> {
        let mut bytes = vec![0x82];
        let mask = if masked { 0x80 } else { 0 };
        match payload {
            0..=125 => bytes.push(mask | u8::try_from(payload).unwrap()),
            126..=65_535 => {
                bytes.push(mask | 0x7e);
                bytes.extend(u16::try_from(payload).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(mask | 0x7f);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        bytes.extend(vec![7; payload + if masked { 4 } else { 0 }]);
        bytes
    }

    proptest! {
        #[test]
        fn frames_end_where_they_end_however_they_are_cut(
            sizes in prop::collection::vec((prop_oneof![0usize..130, 65_530usize..65_540, 100_000usize..100_001], any::<bool>()), 1..6),
            cut in 1usize..70_000,
        ) {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for (size, masked) in sizes {
                bytes.extend(frame(size, masked));
                ends.push(bytes.len());
            }
            let mut frames = Frames::default();
            let mut at = 0;
            for piece in bytes.chunks(cut) {
                prop_assert_eq!(frames.take(piece, false), piece.len());
                at += piece.len();
                prop_assert_eq!(frames.between(), ends.contains(&at));
            }
            prop_assert!(!frames.closed());
        }
    }

    #[test]
    fn the_rest_of_a_frame_passes_and_nothing_of_the_next() {
        let mut frames = Frames::default();
        let whole = frame(10, false);
        assert_eq!(frames.take(&whole[..5], false), 5);
        let rest = [&whole[5..], &frame(3, false)[..]].concat();
        assert_eq!(frames.take(&rest, true), whole.len() - 5);
        assert!(frames.between());
        assert_eq!(frames.take(&RESTART, false), RESTART.len());
        assert!(frames.closed() && frames.between());
    }
}
