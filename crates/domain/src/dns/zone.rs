//! What is known of a zone, and what an answer changes of that.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ask, Record};

/// What is known of a zone. Nothing but answers changes it.
#[derive(Debug, Clone, Default)]
pub struct Zone {
    /// All records, by name and number.
    pub(super) records: BTreeMap<String, BTreeMap<u64, Record>>,
    /// What the pages of the listing under way have shown.
    listing: Vec<Record>,
    /// How many pages of it were read.
    pub(super) pages: u32,
    /// Whether all pages were.
    pub(super) listed: bool,
    /// Names at which a record may have been made or removed, and nobody knows.
    pub(super) doubts: BTreeSet<String>,
    /// Names that were looked at by themselves since the listing.
    pub(super) seen: BTreeSet<String>,
    /// What was said of names at which something was refused.
    pub(super) refused: BTreeMap<String, String>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// A page of the listing, and whether it is the last one.
    Page(Vec<Record>, bool),
    /// The records of a name.
    Records(Vec<Record>),
    /// The record was made.
    Made(Record),
    /// The record is gone.
    Gone,
    /// It was not done, and would not be if it were asked again: why, in the zone's words.
    Refused(String),
    /// It was not begun.
    Nothing,
    /// It may or may not have been done.
    Unknown,
}

impl Zone {
    /// Looks at all of it again before anything is asked, and tries again what was refused: a person may have changed it.
    pub fn look_again(&mut self) {
        self.listed = false;
        self.begin_listing();
    }

    /// Whether all of it was looked at.
    pub fn is_known(&self) -> bool {
        self.listed
    }

    /// Takes in what came of a request.
    pub fn learn(&mut self, ask: &Ask, came: Came) {
        match (ask, came) {
            (Ask::List { page }, Came::Page(records, is_last)) => {
                self.listing.extend(records);
                self.pages = *page;
                if is_last {
                    self.take_listing();
                }
            }
            // Half a listing is as old as its first page.
            (Ask::List { .. }, _) => self.begin_listing(),
            (Ask::See { name }, Came::Records(records)) => {
                self.records.remove(name);
                let of_it = records.into_iter().filter(|one| one.name == *name);
                of_it.for_each(|record| self.insert(record));
                self.doubts.remove(name);
                self.seen.insert(name.clone());
            }
            (Ask::Create(_), Came::Made(record)) => self.insert(record),
            (Ask::Delete { id, name }, Came::Gone) => {
                if let Some(at) = self.records.get_mut(name) {
                    at.remove(id);
                }
            }
            (Ask::Create(_) | Ask::Delete { .. }, Came::Refused(why)) => {
                let name = ask.changes().unwrap_or_default().to_owned();
                self.refused.insert(name.clone(), why);
                self.doubts.insert(name);
            }
            (Ask::Create(_) | Ask::Delete { .. }, Came::Nothing) => {}
            // What a change was answered with that is no answer to it is as good as none.
            (Ask::Create(_) | Ask::Delete { .. }, _) => {
                let name = ask.changes().unwrap_or_default().to_owned();
                self.doubts.insert(name);
            }
            (Ask::See { .. }, _) => {}
        }
    }

    fn begin_listing(&mut self) {
        self.pages = 0;
        self.listing.clear();
    }

    fn take_listing(&mut self) {
        self.records.clear();
        for record in std::mem::take(&mut self.listing) {
            self.insert(record);
        }
        self.listed = true;
        self.pages = 0;
        self.doubts.clear();
        self.seen.clear();
        self.refused.clear();
    }

    fn insert(&mut self, record: Record) {
        let at = self.records.entry(record.name.clone()).or_default();
        at.insert(record.id, record);
    }

    /// The records of a name.
    pub(super) fn at(&self, name: &str) -> impl Iterator<Item = &Record> {
        self.records
            .get(name)
            .into_iter()
            .flat_map(BTreeMap::values)
    }
}
