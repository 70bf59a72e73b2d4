//! What the record of an environment holds beside the environment: the deployments that have not ended, and what was told last.
//!
//! Both change with nearly every save, and the record is written with it anyhow: here they cost nothing, while an item of their own
//! would cost two units each time. The body is lines: the environment; then one of each deployment, marked `D`; then what was told
//! by each save, marked `T`, followed by each thing that happened, marked `W`. A line that cannot be read hides no other.

use std::collections::BTreeMap;

use nestling_domain::{
    environment::Environment,
    ids::{EnvironmentId, Generation, Timestamp, Version},
    lifecycle::Happened,
    record::{DeploymentRecord, EventNumber, EventRecord},
};
use serde::{Deserialize, Serialize};

use super::{
    DynamoDb,
    items::{Item, body, decode_text, encode_any, item, keep},
    keys,
    trouble::Trouble,
};

/// What is kept beside an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// The newest generation when it was saved last.
    pub(super) newest: Generation,
    /// Deployments that have not ended, as JSON, by generation.
    pub(super) deployments: BTreeMap<u32, String>,
    /// What was told and has no item of its own among the events of the environment, oldest first.
    pub(super) told: Vec<Told>,
}

/// What happened with one save.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// The number of the first event; the others follow it.
    pub(super) first: u64,
    version: u64,
    /// When, in milliseconds.
    pub(super) at: u64,
    by: String,
    /// Each event, as JSON.
    #[serde(skip)]
    what: Vec<String>,
}

/// What of an environment matters here.
#[derive(Deserialize)]
struct Known {
    lifecycle: Counted,
}

#[derive(Deserialize)]
struct Counted {
    generation: Generation,
}

impl Kept {
    /// What the record of an environment holds.
    pub(super) fn read(record: &Item) -> Result<Self, Trouble> {
        let body = body(record)?;
        let (environment, beside) = parts(&body);
        let known = serde_json::from_str(environment);
        let newest = known.map_or(Generation(0), |known: Known| known.lifecycle.generation);
        Ok(Kept {
            newest,
            ..Kept::of_lines(record, beside)
        })
    }

    /// The same of the environment of this id. Whoever looks for what is kept elsewhere, too, asks this first: what leaves the
    /// record meanwhile is found twice then, and not nowhere.
    pub(super) async fn of(store: &DynamoDb, id: &EnvironmentId) -> Result<Self, Trouble> {
        let pk = keys::environment(id);
        let record = store.get(store.records(), &pk, &pk).await?;
        let kept = record.as_ref().map(Kept::read).transpose()?;
        Ok(kept.unwrap_or_default())
    }

    /// What these lines of an item hold.
    pub(super) fn of_lines(of: &Item, lines: &str) -> Self {
        let mut kept = Kept::default();
        // What happened belongs to the line before; when that cannot be read, to nothing.
        let mut is_told = false;
        for line in lines.split('\n') {
            match line.split_at_checked(1) {
                Some(("D", json)) => match decode_text::<Numbered>(of, json) {
                    Ok(Numbered { generation }) => {
                        kept.deployments.insert(generation.0, json.to_owned());
                    }
                    Err(trouble) => tracing::warn!("skipped a deployment: {trouble}"),
                },
                Some(("T", json)) => {
                    let before = kept.told.len();
                    keep(decode_text(of, json), &mut kept.told);
                    is_told = kept.told.len() > before;
                }
                Some(("W", json)) if is_told => {
                    if let Some(told) = kept.told.last_mut() {
                        told.what.push(json.to_owned());
                    }
                }
                _ => {}
            }
        }
        kept
    }

    /// The body of a record, with this environment as JSON.
    pub(super) fn body(&self, environment: &str) -> Result<String, Trouble> {
        let deployments = self.deployments.values();
        let deployments = deployments.flat_map(|json| ["\nD", json.as_str()]);
        let deployments: String = deployments.collect();
        Ok(format!("{environment}{deployments}{}", lines(&self.told)?))
    }

    /// The deployments that can be read, by generation.
    pub(super) fn records(&self, id: &EnvironmentId) -> BTreeMap<u32, DeploymentRecord> {
        let of = record_of(id);
        let mut records = Vec::new();
        for json in self.deployments.values() {
            keep(decode_text::<DeploymentRecord>(&of, json), &mut records);
        }
        let records = records.into_iter();
        records
            .map(|record| (record.generation.0, record))
            .collect()
    }
}

/// A deployment, as far as it must be known to be kept.
#[derive(Deserialize)]
struct Numbered {
    generation: Generation,
}

impl Told {
    /// What a save tells.
    pub(super) fn of(events: &[EventRecord]) -> Result<Option<Self>, Trouble> {
        let Some(first) = events.first() else {
            return Ok(None);
        };
        let what = events
            .iter()
            .map(|event| encode_any("an event", &event.what));
        Ok(Some(Told {
            first: first.number.0,
            version: first.version.0,
            at: first.at.0,
            by: first.by.clone(),
            what: what.collect::<Result<_, _>>()?,
        }))
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        let count = u64::try_from(self.what.len()).unwrap_or_default();
        self.first + count.saturating_sub(1)
    }

    /// The bytes of what it holds.
    pub(super) fn bytes(&self) -> usize {
        self.what.iter().map(String::len).sum()
    }

    /// The events that can be read, in order.
    pub(super) fn events(&self, id: &EnvironmentId) -> Vec<EventRecord> {
        let of = record_of(id);
        let mut events = Vec::new();
        for (number, json) in (self.first..).zip(&self.what) {
            let event = decode_text::<Happened>(&of, json).map(|what| EventRecord {
                number: EventNumber(number),
                environment: id.clone(),
                version: Version(self.version),
                at: Timestamp(self.at),
                by: self.by.clone(),
                what,
            });
            keep(event, &mut events);
        }
        events
    }
}

/// What was told, as lines that each begin anew.
pub(super) fn lines(told: &[Told]) -> Result<String, Trouble> {
    let mut lines = String::new();
    for one in told {
        lines.push_str("\nT");
        lines.push_str(&encode_any("what was told", one)?);
        for what in &one.what {
            lines.push_str("\nW");
            lines.push_str(what);
        }
    }
    Ok(lines)
}

/// The environment that a record holds.
pub(super) fn environment(record: &Item) -> Result<Environment, Trouble> {
    let body = body(record)?;
    decode_text(record, parts(&body).0)
}

/// The environment and the lines beside it; a body of an earlier version has none. JSON as we write it has no line breaks.
fn parts(body: &str) -> (&str, &str) {
    body.split_once('\n').unwrap_or((body, ""))
}

/// The key of the record, by which what cannot be read in it is named.
fn record_of(id: &EnvironmentId) -> Item {
    let pk = keys::environment(id);
    item(&pk, &pk)
}
