//! The shapes of DNSimple's answers, as far as they are read. Each field is named as in its description (<https://developer.dnsimple.com/v2/openapi.yml>).

use std::collections::BTreeMap;

use nestling_domain::dns::{self, Came};
use serde::Deserialize;

/// How much of what DNSimple says is kept, in letters.
const LONGEST_WORDS: usize = 300;

/// Answer of `listZoneRecords`.
#[derive(Deserialize)]
pub(super) struct Listed {
    data: Vec<ZoneRecord>,
    pagination: Pagination,
}

/// Schema `Pagination`.
#[derive(Deserialize)]
struct Pagination {
    current_page: u64,
    total_entries: u64,
    total_pages: u64,
}

/// Schema `ZoneRecord`.
#[derive(Deserialize)]
struct ZoneRecord {
    id: u64,
    name: String,
    content: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Answer of `createZoneRecord`.
#[derive(Deserialize)]
pub(super) struct Made {
    data: ZoneRecord,
}

impl ZoneRecord {
    fn record(self) -> dns::Record {
        let ZoneRecord {
            id,
            name,
            content,
            kind,
        } = self;
        dns::Record {
            id,
            name,
            kind,
            content,
        }
    }
}

impl Made {
    pub(super) fn record(self) -> dns::Record {
        self.data.record()
    }
}

impl Listed {
    pub(super) fn records(self) -> Vec<dns::Record> {
        self.data.into_iter().map(ZoneRecord::record).collect()
    }

    pub(super) fn total(&self) -> u64 {
        self.pagination.total_entries
    }

    pub(super) fn page(self) -> Came {
        let is_last = self.pagination.current_page >= self.pagination.total_pages;
        Came::Page(self.records(), is_last)
    }
}

/// What DNSimple says of what it does not do (<https://developer.dnsimple.com/v2/#errors>).
#[derive(Deserialize, Default)]
pub(super) struct Problem {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: BTreeMap<String, Vec<String>>,
}

impl Problem {
    /// In one line, clean and in bounds.
    pub(super) fn words(&self) -> String {
        let each = self.errors.iter().map(|(field, why)| match field.as_str() {
            "base" => why.join(", "),
            field => format!("{field} {}", why.join(", ")),
        });
        let all: Vec<String> = std::iter::once(self.message.clone()).chain(each).collect();
        let clean = |letter: &char| !letter.is_control();
        let said = all.join(": ");
        let said: String = said.chars().filter(clean).take(LONGEST_WORDS).collect();
        if said.is_empty() {
            "it does not say why".to_owned()
        } else {
            said
        }
    }
}
