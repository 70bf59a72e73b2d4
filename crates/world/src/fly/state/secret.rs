//! Secrets of an app, with their versions.

use std::{collections::BTreeMap, fmt, sync::Arc};

use aws_lc_rs::digest;

/// Sets of secrets that are remembered.
const REMEMBERED: usize = 8;

/// A value that nobody sees by accident.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Hidden {
    pub(crate) fn of(value: &str) -> Self {
        Hidden(value.to_owned())
    }

    /// The value, for the program that it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A secret of an app.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Its value.
    pub value: Hidden,
    /// What the API shows of it.
    pub digest: String,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// In milliseconds since 1970.
    pub updated_at: i64,
}

/// All values of an app at one version.
#[derive(Clone, Debug)]
struct Snapshot {
    version: u64,
    at: i64,
    values: Arc<BTreeMap<String, Hidden>>,
}

/// The secrets of an app, and what they were a while ago.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    secrets: BTreeMap<String, Secret>,
    past: Vec<Snapshot>,
}

impl Snapshots {
    pub(crate) fn now(&self) -> &BTreeMap<String, Secret> {
        &self.secrets
    }

    pub(crate) fn version(&self) -> u64 {
        self.past.last().map_or(0, |last| last.version)
    }

    /// Sets those with a value and takes those without away, at once; answers the new version.
    pub(crate) fn change(&mut self, changes: &BTreeMap<String, Option<String>>, now: i64) -> u64 {
        for (name, value) in changes {
            let Some(value) = value else {
                self.secrets.remove(name);
                continue;
            };
            let created_at = self.secrets.get(name).map_or(now, |old| old.created_at);
            let secret = Secret {
                value: Hidden::of(value),
                digest: fingerprint(value),
                created_at,
                updated_at: now,
            };
            self.secrets.insert(name.clone(), secret);
        }
        let version = self.version() + 1;
        let values = self.secrets.iter();
        let values = values.map(|(name, secret)| (name.clone(), secret.value.clone()));
        self.past.push(Snapshot {
            version,
            at: now,
            values: Arc::new(values.collect()),
        });
        if self.past.len() > REMEMBERED {
            self.past.remove(0);
        }
        version
    }

    /// What a machine gets: the newest of them if it says at least which, else those that were there at this moment.
    pub(crate) fn given(
        &self,
        at_least: Option<u64>,
        seen: i64,
    ) -> (u64, Arc<BTreeMap<String, Hidden>>) {
        let fits = |snapshot: &&Snapshot| at_least.is_some() || snapshot.at <= seen;
        let found = self.past.iter().rev().find(fits);
        found.map_or((0, Arc::default()), |found| {
            (found.version, found.values.clone())
        })
    }
}

/// The first half of a digest: enough to see that a value changed.
fn fingerprint(value: &str) -> String {
    let whole = digest::digest(&digest::SHA256, value.as_bytes());
    let bytes = whole.as_ref().iter().take(8);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
