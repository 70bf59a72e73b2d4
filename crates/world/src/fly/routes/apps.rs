//! Apps, and their addresses.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::{
    clock::iso,
    fly::{
        state::{Address, AddressKind, App, Due, Phase},
        wire::{self, Answer, Answered},
    },
};

/// Letters of an app's name.
const NAME: usize = 63;
/// What all shared IPv4 addresses are.
const SHARED_V4: Ipv4Addr = Ipv4Addr::new(66, 241, 124, 12);

#[derive(Deserialize)]
struct NewApp {
    /// As the description has it.
    name: Option<String>,
    /// As the documentation has it.
    app_name: Option<String>,
    org_slug: Option<String>,
    network: Option<String>,
}

#[derive(Deserialize)]
struct NewAddress {
    #[serde(rename = "type")]
    kind: Option<String>,
    region: Option<String>,
    service_name: Option<String>,
    org_slug: Option<String>,
    network: Option<String>,
}

/// The private network of an organisation that nobody has named.
const DEFAULT: &str = "default";

impl Asking<'_> {
    pub(super) fn apps(&mut self) -> Answered {
        let slug = self.request.parameter("org_slug");
        let slug = slug.ok_or_else(|| wire::error(400, "org_slug is required"))?;
        if !self.who.is_of(slug) {
            return Err(wire::error(404, "Organization not found"));
        }
        let now = self.state.now();
        let apps = self.state.apps.values();
        let seen = apps.filter(|app| app.organisation == slug && app.seen_from <= now);
        let apps: Vec<Value> = seen.map(|app| self.state.show_app(app)).collect();
        Ok(Answer::ok(
            json!({ "total_apps": apps.len(), "apps": apps }),
        ))
    }

    pub(super) fn create_app(&mut self) -> Answered {
        let new: NewApp = wire::body(self.request)?;
        let slug = new.org_slug.unwrap_or_default();
        if !self.who.is_of(&slug) {
            return Err(wire::error(404, "Organization not found"));
        }
        let name = new.name.or(new.app_name).unwrap_or_default();
        if !is_app_name(&name) {
            let words = "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes";
            return Err(wire::error(422, words));
        }
        if self.state.apps.contains_key(&name) {
            let words = "Validation failed: Name has already been taken";
            return Err(wire::coded(422, words, "name_taken"));
        }
        let now = self.state.now();
        let waits = self.flag("wait");
        let later = if waits {
            0
        } else {
            self.state.manners.delays.appear
        };
        let network = new.network.filter(|network| !network.is_empty());
        let app = App {
            id: self.state.ids.app(),
            number: self.state.ids.number(),
            name: name.clone(),
            organisation: slug,
            network: network.unwrap_or_else(|| DEFAULT.into()),
            created_at: now,
            seen_from: now + later,
            going: false,
            machines: Vec::new(),
            volumes: Vec::new(),
            addresses: Vec::new(),
            certificates: BTreeMap::new(),
            secrets: crate::fly::state::Snapshots::default(),
        };
        let mut shown = self.state.show_app(&app);
        shown["created_at"] = json!(now);
        self.state.apps.insert(name.clone(), app);
        self.wrote(&name, BTreeMap::new());
        Ok(Answer::created(shown))
    }

    pub(super) fn get_app(&mut self) -> Answered {
        let app = self.app()?;
        Ok(Answer::ok(self.state.show_app(app)))
    }

    /// All that belongs to it goes with it.
    pub(super) fn delete_app(&mut self) -> Answered {
        let now = self.state.now();
        let delays = self.state.manners.delays;
        let app = self.app_mut()?;
        app.going = true;
        let (name, machines) = (app.name.clone(), app.machines.clone());
        self.wrote(&name, BTreeMap::new());
        let due = (now + delays.delete, Due::App(name));
        self.state.due.insert(due);
        for id in machines {
            let machine = self.state.machines.get(&id);
            let alive = machine.is_some_and(|machine| machine.phase != Phase::Destroyed);
            if alive {
                let going = Phase::Destroying;
                self.state.enter(&id, going, "destroy", "user", now);
                self.state
                    .becomes(&id, Phase::Destroyed, now, delays.destroy);
            }
        }
        Ok(Answer {
            status: 202,
            ..Answer::empty()
        })
    }

    pub(super) fn addresses(&mut self) -> Answered {
        let app = self.app()?;
        let shown = app.addresses.iter().map(|one| {
            let mut shown = shown(one);
            if one.kind == AddressKind::PrivateV6 {
                let name = if one.network == DEFAULT {
                    ""
                } else {
                    &one.network
                };
                shown["network"] = json!({ "name": name, "org_slug": app.organisation });
            }
            shown
        });
        let ips: Vec<Value> = shown.collect();
        Ok(Answer::ok(json!({ "ips": ips })))
    }

    pub(super) fn assign_address(&mut self) -> Answered {
        let now = self.state.now();
        let number = self.state.ids.number();
        self.app_mut()?;
        let new: NewAddress = wire::body(self.request)?;
        let said = new.kind.unwrap_or_default();
        let known = AddressKind::NAMES.iter().find(|(name, _)| *name == said);
        let Some((_, kind)) = known else {
            let words = format!(
                "Validation failed: Type {said:?} is not one of shared_v4, v4, v6, private_v6"
            );
            return Err(wire::error(422, words));
        };
        let is_private = *kind == AddressKind::PrivateV6;
        if new.org_slug.is_some() && !is_private {
            let words = "org_slug is only for private_v6";
            return Err(wire::error(422, words));
        }
        let network = new.network.filter(|network| !network.is_empty());
        let network = network.unwrap_or_else(|| DEFAULT.into());
        let ip = if is_private && self.state.manners.loopback {
            self.state.ids.loopback().to_ipv6_mapped().into()
        } else {
            address(*kind, number)
        };
        let app = self.app_mut()?;
        let old = app.addresses.iter().find(|old| old.kind == *kind);
        if let Some(old) = old.filter(|_| *kind == AddressKind::SharedV4) {
            return Ok(Answer::ok(shown(old)));
        }
        let region = new.region.filter(|region| !region.is_empty());
        let address = Address {
            ip,
            kind: *kind,
            network: if is_private { network } else { String::new() },
            region: region.unwrap_or_else(|| "global".into()),
            service: new.service_name.unwrap_or_default(),
            created_at: now,
        };
        let answer = shown(&address);
        let ip = address.ip.to_string();
        app.addresses.push(address);
        self.wrote(&ip, BTreeMap::new());
        Ok(Answer::ok(answer))
    }

    pub(super) fn delete_address(&mut self) -> Answered {
        let ip: Option<IpAddr> = self.part(3).parse().ok();
        let app = self.app_mut()?;
        let place = app.addresses.iter().position(|one| Some(one.ip) == ip);
        let Some(place) = place else {
            return Err(wire::message(404, "IP address not found"));
        };
        let gone = app.addresses.remove(place);
        self.wrote(&gone.ip.to_string(), BTreeMap::new());
        Ok(Answer::empty())
    }
}

/// Numbers, small letters and dashes, not at its ends: it is a part of a hostname.
fn is_app_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty()
        && name.len() <= NAME
        && name.bytes().all(fits)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn address(kind: AddressKind, number: u64) -> IpAddr {
    let [_, _, _, _, a, b, c, d] = number.to_be_bytes();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    match kind {
        AddressKind::SharedV4 => SHARED_V4.into(),
        // Addresses that are for documentation lead nowhere, should somebody try.
        AddressKind::V4 => Ipv4Addr::new(198, 51, c, d).into(),
        AddressKind::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, high, low).into(),
        AddressKind::PrivateV6 => Ipv6Addr::new(0xfdaa, 0, 0x18, 0, 1, 0, high, low).into(),
    }
}

fn shown(address: &Address) -> Value {
    json!({
        "ip": address.ip.to_string(),
        "region": address.region,
        "service_name": address.service,
        "shared": address.kind == AddressKind::SharedV4,
        "created_at": iso(address.created_at),
    })
}
