//! Ids as Fly makes them: different in kind, so that nobody takes one for another.

use std::net::Ipv4Addr;

use crate::dice::Dice;

const HEX: &[u8] = b"0123456789abcdef";
/// Without I, L, O and U, as in ULIDs.
const CROCKFORD: &[u8] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const WORDS: &[u8] = b"0123456789abcdefghjklmnopqrstvwxyz";

/// Makes ids; the same ones for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    dice: Dice,
    count: u64,
}

impl Ids {
    pub(crate) fn of(seed: u64) -> Self {
        Ids {
            dice: Dice::of(seed),
            count: 0,
        }
    }

    /// A number that nothing else has.
    pub(crate) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn letters(&mut self, of: &[u8], count: usize) -> String {
        let one = |dice: &mut Dice| char::from(of[dice.below(of.len())]);
        (0..count).map(|_| one(&mut self.dice)).collect()
    }

    /// `d8d9f01b236798`.
    pub(crate) fn machine(&mut self) -> String {
        self.letters(HEX, 14)
    }

    /// `01HEPA330HZ37A78TK080NAK1M`: sorts by time.
    pub(crate) fn ulid(&mut self, now: i64) -> String {
        let mut rest = u64::try_from(now).unwrap_or_default();
        let mut time = [b'0'; 10];
        for place in time.iter_mut().rev() {
            *place = CROCKFORD[usize::try_from(rest % 32).unwrap_or_default()];
            rest /= 32;
        }
        let time: String = time.into_iter().map(char::from).collect();
        time + &self.letters(CROCKFORD, 16)
    }

    /// `vol_9vw681egy1jj5xm4`, or another prefix.
    pub(crate) fn prefixed(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.letters(WORDS, 16))
    }

    /// `z4k69dxd8r31p5mx`.
    pub(crate) fn app(&mut self) -> String {
        self.letters(WORDS, 16)
    }

    /// `5c35f65c9f95`.
    pub(crate) fn nonce(&mut self) -> String {
        self.letters(HEX, 12)
    }

    /// A token of an organisation.
    pub(crate) fn token(&mut self) -> String {
        format!("fm2_{}", self.letters(WORDS, 120))
    }

    /// A name that nobody chose.
    pub(crate) fn name(&mut self) -> String {
        format!("quiet-field-{}", self.letters(b"0123456789", 4))
    }

    /// An address of this very box. Others on it take theirs by chance, too: there are 16 million.
    pub(crate) fn loopback(&mut self) -> Ipv4Addr {
        let mut part = |end| u8::try_from(self.dice.below(end)).unwrap_or_default();
        Ipv4Addr::new(127, 1 + part(254), part(256), 1 + part(254))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.dice.below(end)
    }
}
