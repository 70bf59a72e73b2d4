//! What DynamoDB holds, and what it was asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    faults::Faults,
    table::Table,
    value::{Item, Value},
    wire::Fail,
};

/// A key of an item anywhere.
pub(super) type Place = (String, (String, String));

/// A token is remembered for so long.
pub(super) const TOKEN: Duration = Duration::from_mins(10);

/// What became of a transaction with a token.
#[derive(Debug, Clone)]
pub(super) struct Spent {
    /// What it asked for.
    pub(super) actions: String,
    pub(super) since: Instant,
    pub(super) is_done: bool,
}

/// One request as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The operation, such as `Query`.
    pub operation: String,
    /// The code of its error; nothing when it went well.
    pub error: Option<String>,
    /// Read units that it took.
    pub read_units_twice: u64,
    /// Write units that it took, those of indexes among them.
    pub write_units: u64,
}

/// All of it.
#[derive(Debug)]
pub struct State {
    /// The tables, by name.
    pub tables: BTreeMap<String, Table>,
    /// What is to go wrong.
    pub faults: Faults,
    /// By how many seconds DynamoDB's clock is ahead of that of this machine.
    pub clock_ahead: i64,
    /// Every request, in order.
    pub asked: Vec<Asked>,
    /// Every item as it was written, in order, once a story wants to know.
    pub written: Option<Vec<Item>>,
    /// How long a transaction holds its items; another one that comes meanwhile is refused.
    pub window: Duration,
    /// Items that a transaction holds.
    pub(super) held: BTreeSet<Place>,
    pub(super) tokens: BTreeMap<String, Spent>,
    /// Units of the request that is worked on.
    pub(super) reads_twice: u64,
    pub(super) writes: u64,
}

impl Default for State {
    fn default() -> Self {
        State {
            tables: BTreeMap::new(),
            faults: Faults::default(),
            clock_ahead: 0,
            asked: Vec::new(),
            written: None,
            window: Duration::from_millis(1),
            held: BTreeSet::new(),
            tokens: BTreeMap::new(),
            reads_twice: 0,
            writes: 0,
        }
    }
}

impl State {
    /// From now on, whoever does not insist on the truth sees what is there now, and nothing that comes.
    pub fn lag(&mut self) {
        for table in self.tables.values_mut() {
            table.seen = Some(table.items.clone());
        }
    }

    /// Everybody sees what is there.
    pub fn catch_up(&mut self) {
        for table in self.tables.values_mut() {
            table.seen = None;
        }
    }

    /// Removes what has expired by this second, as DynamoDB does within days.
    pub fn expire(&mut self, second: u64) {
        for table in self.tables.values_mut() {
            let Some(name) = &table.expires else {
                continue;
            };
            let is_old = |item: &Item| match item.get(name) {
                Some(Value::N(at)) => *at <= i128::from(second),
                _ => false,
            };
            table.items.retain(|_, item| !is_old(item));
        }
    }

    /// Write units of everything since the request of this number.
    pub fn write_units(&self, since: usize) -> u64 {
        let asked = self.asked.iter().skip(since);
        asked.map(|asked| asked.write_units).sum()
    }

    /// Read units of everything since the request of this number, twice: half a unit is the least.
    pub fn read_units_twice(&self, since: usize) -> u64 {
        let asked = self.asked.iter().skip(since);
        asked.map(|asked| asked.read_units_twice).sum()
    }

    pub(super) fn table(&self, name: &str) -> Result<&Table, Fail> {
        self.tables.get(name).ok_or_else(|| Fail::no_table(name))
    }

    /// Replaces an item, and counts the units: twice for a transaction.
    pub(super) fn replace(
        &mut self,
        (name, key): &Place,
        after: Option<Item>,
        factor: u64,
    ) -> Option<Item> {
        let table = self.tables.get_mut(name)?;
        if let (Some(written), Some(item)) = (&mut self.written, &after) {
            written.push(item.clone());
        }
        let before = match &after {
            Some(item) => table.items.insert(key.clone(), item.clone()),
            None => table.items.remove(key),
        };
        let own = Table::write_units(before.as_ref(), after.as_ref());
        self.writes += own * factor + table.index_units(before.as_ref(), after.as_ref());
        before
    }
}
