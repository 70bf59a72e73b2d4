//! What the model holds.

use std::collections::BTreeMap;

use crate::{
    clock::Clock,
    orders::{Orders, Times},
};

/// Everything.
#[derive(Debug, Default)]
pub struct State {
    /// Whose each token is, by account.
    pub(super) tokens: BTreeMap<String, u64>,
    /// Zones by account and name.
    pub(super) zones: BTreeMap<(u64, String), BTreeMap<u64, Record>>,
    pub(super) last: u64,
    pub(super) faults: Orders<Fault>,
    /// Requests in each hour.
    pub limit: Limit,
    /// Every request, in order.
    pub asked: Vec<Asked>,
    /// The model's clock.
    pub clock: Clock,
}

/// How many requests an account may make in an hour (<https://developer.dnsimple.com/v2/#rate-limiting>).
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// How many.
    pub each_hour: u32,
    pub(super) used: u32,
    /// When the hour is over, in milliseconds since 1970.
    pub(super) until: i64,
}

impl Default for Limit {
    fn default() -> Self {
        Limit {
            each_hour: 2400,
            used: 0,
            until: 0,
        }
    }
}

/// A record of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub id: u64,
    /// Its name below the zone; empty for the zone's own.
    pub name: String,
    /// `CNAME`, `TXT`, `A` and so on.
    pub kind: String,
    /// What it says.
    pub content: String,
    /// For how long resolvers may keep it, in seconds.
    pub ttl: u64,
    /// Whether DNSimple made it.
    pub system: bool,
}

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `GET` and so on.
    pub method: String,
    /// With its query.
    pub target: String,
    /// What it was answered with; 0 when the answer was lost.
    pub status: u16,
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This status; nothing has happened.
    Status(u16),
    /// The connection is cut before anything happens.
    Cut,
    /// It happens, and the connection is cut before the answer.
    LostAnswer,
}

impl State {
    /// Makes a zone of an account, with the records that DNSimple makes.
    pub fn create_zone(&mut self, account: u64, zone: &str) {
        self.zones
            .insert((account, zone.to_owned()), BTreeMap::new());
        let soa = "ns1.dnsimple.com admin.dnsimple.com 1458642070 86400 7200 604800 300";
        for (kind, content) in [("SOA", soa), ("NS", "ns1.dnsimple.com")] {
            self.last += 1;
            let record = Record {
                id: self.last,
                name: String::new(),
                kind: kind.to_owned(),
                content: content.to_owned(),
                ttl: 3600,
                system: true,
            };
            self.put(account, zone, record);
        }
    }

    /// A new token of an account.
    pub fn issue_token(&mut self, account: u64) -> String {
        self.last += 1;
        let token = format!("dnsimple_a_{:032}", self.last);
        self.tokens.insert(token.clone(), account);
        token
    }

    /// Tokens are good no more.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Somebody makes a record by hand; its number.
    pub fn add(
        &mut self,
        account: u64,
        zone: &str,
        (name, kind, content): (&str, &str, &str),
    ) -> u64 {
        self.last += 1;
        let record = Record {
            id: self.last,
            name: name.to_owned(),
            kind: kind.to_owned(),
            content: content.to_owned(),
            ttl: 3600,
            system: false,
        };
        self.put(account, zone, record);
        self.last
    }

    /// Somebody removes a record by hand.
    pub fn remove(&mut self, account: u64, zone: &str, id: u64) {
        if let Some(records) = self.zones.get_mut(&(account, zone.to_owned())) {
            records.remove(&id);
        }
    }

    fn put(&mut self, account: u64, zone: &str, record: Record) {
        let zone = self.zones.entry((account, zone.to_owned())).or_default();
        zone.insert(record.id, record);
    }

    /// The records of a zone that DNSimple has not made itself.
    pub fn records(&self, zone: &str) -> Vec<&Record> {
        let zones = self.zones.iter().filter(|((_, name), _)| name == zone);
        let records = zones.flat_map(|(_, records)| records.values());
        records.filter(|one| !one.system).collect()
    }

    /// The host that a name's CNAME leads to, as a resolver finds it: the name's own record goes before a wildcard beside it (RFC 4592).
    pub fn leads_to(&self, host: &str) -> Option<String> {
        let (zone, name) = self.zones.keys().find_map(|(_, zone)| {
            let name = host.strip_suffix(zone.as_str())?;
            Some((zone, name.trim_end_matches('.')))
        })?;
        let records = self.records(zone);
        let of = |name: &str| {
            let mut named = records.iter().filter(|one| one.name == name);
            named.find(|one| one.kind == "CNAME")
        };
        let wildcard = || {
            let (_, above) = name.split_once('.')?;
            of(&format!("*.{above}"))
        };
        let found = of(name).or_else(wildcard)?;
        Some(found.content.clone())
    }

    /// Orders a fault of requests: `"POST /v2/*/zones/*/records"`, where `*` is any one part of the path.
    pub fn goes_wrong(&mut self, route: &str, fault: Fault, times: Times) {
        self.faults.add(route, 0, fault, times);
    }

    /// The same of one request of this route, after so many others of it.
    pub fn goes_wrong_later(&mut self, route: &str, passes: u32, fault: Fault) {
        self.faults.add(route, passes, fault, Times::Only(1));
    }

    /// Whether all that was ordered has come about.
    pub fn is_spent(&self) -> bool {
        self.faults.is_empty()
    }

    /// How many requests changed something, or tried to.
    pub fn changes(&self) -> usize {
        let changes = self.asked.iter().filter(|one| one.method != "GET");
        changes.count()
    }
}
