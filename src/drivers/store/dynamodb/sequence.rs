//! Numbers that grow over the whole store, without one record that every save writes.
//!
//! A server takes a block of numbers with one write, and gives them one by one. Blocks are taken in order, so a server that
//! starts later gives higher numbers; where an environment was last saved with a number of a later block, a new block is taken.
//! Numbers of saves that failed are never given again. While a save is on its way its numbers are not yet read past: a consumer
//! that had read beyond them would miss them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    DynamoDb,
    items::{digits, item, number},
    keys,
    transaction::Condition,
    trouble::Trouble,
};

/// Numbers of a block. With 2^29 blocks they stay below 2^53, so that they survive JSON readers that know only floating point.
const BLOCK: u64 = 1 << 24;
/// A save whose outcome is unknown may still arrive for so long: DynamoDB itself gives up much earlier.
const LATE: Duration = Duration::from_secs(30);
/// Blocks that are taken for one number at most: one is higher than all that were given before.
const BLOCKS_AT_ONCE: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The next number, and the end of its block.
    block: tokio::sync::Mutex<Option<(u64, u64)>>,
    under_way: Mutex<BTreeMap<u64, Option<Instant>>>,
}

/// Numbers that are given and not yet written. Dropped without a word, they count as on their way for a while.
pub(super) struct Given<'a> {
    /// The first of them.
    pub(super) first: u64,
    sequence: &'a Sequence,
    is_over: bool,
}

impl Sequence {
    /// Events of this number and later ones may be followed by some that are on their way.
    pub(super) fn read_up_to(&self) -> Option<u64> {
        let now = Instant::now();
        let mut under_way = self.lock();
        under_way.retain(|_, until| until.is_none_or(|until| until > now));
        under_way.keys().next().copied()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Option<Instant>>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Given<'_> {
    /// It is known what became of them: written, or never.
    pub(super) fn over(mut self) {
        self.is_over = true;
    }
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        let mut under_way = self.sequence.lock();
        if self.is_over {
            under_way.remove(&self.first);
        } else {
            under_way.insert(self.first, Some(Instant::now() + LATE));
        }
    }
}

impl DynamoDb {
    /// So many numbers in a row, above `above`.
    pub(super) async fn numbers(&self, count: u64, above: u64) -> Result<Given<'_>, Trouble> {
        let sequence = &self.0.sequence;
        let mut block = sequence.block.lock().await;
        for _ in 0..BLOCKS_AT_ONCE {
            if let Some((next, end)) = &mut *block
                && *next > above
                && *next + count <= *end
            {
                let first = *next;
                *next += count;
                // Under the same lock, so that nobody reads between the giving and this.
                sequence.lock().insert(first, None);
                return Ok(Given {
                    first,
                    sequence,
                    is_over: false,
                });
            }
            let taken = self.take_block().await?;
            // Zero is before the first.
            *block = Some((taken * BLOCK + 1, (taken + 1) * BLOCK));
        }
        Err(Trouble::Rejected(format!(
            "there is no number above {above} for {count} events"
        )))
    }

    /// A number for something that nobody reads by cursor.
    pub(super) async fn number(&self) -> Result<u64, Trouble> {
        let given = self.numbers(1, 0).await?;
        let first = given.first;
        given.over();
        Ok(first)
    }

    /// The number of a block that nobody else has. A lost answer loses a block, and there are enough.
    async fn take_block(&self) -> Result<u64, Trouble> {
        let expression = "ADD #blocks :one";
        let one = Condition::none()
            .naming(expression)
            .value(":one", digits(1));
        let key = item(keys::SEQUENCE, keys::SEQUENCE);
        let item = self.update(key, expression, one).await?;
        number(&item, "blocks").ok_or_else(|| {
            Trouble::Rejected(format!(
                "the record {} of table {} holds no number: remove its attribute blocks only if there are no events",
                keys::SEQUENCE,
                self.records()
            ))
        })
    }
}
