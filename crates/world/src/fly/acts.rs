//! What happens at Fly without its API, and what stories look at. An error says that a story asks for what cannot be done.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    host::Ended,
    state::{
        Address, AddressKind, App, Due, Hardware, Hidden, Machine, Organisation, Phase, Region,
        State, Token,
    },
};

impl State {
    /// Somebody who pays.
    pub fn create_organisation(&mut self, slug: &str) {
        let number = self.ids.number();
        let organisation = Organisation {
            slug: slug.to_owned(),
            name: slug.to_owned(),
            number,
            memory_quota_mb: None,
        };
        self.organisations.insert(slug.to_owned(), organisation);
    }

    /// A token that may do everything in the organisation; answers its letters.
    pub fn issue_token(&mut self, organisation: &str) -> String {
        self.issue(Token {
            organisation: organisation.to_owned(),
            expires_at: None,
            apps: None,
        })
    }

    /// A token for one app only, as `fly tokens create deploy` makes it; answers its letters.
    pub fn issue_deploy_token(&mut self, organisation: &str, app: &str) -> String {
        self.issue(Token {
            organisation: organisation.to_owned(),
            expires_at: None,
            apps: Some([app.to_owned()].into()),
        })
    }

    fn issue(&mut self, token: Token) -> String {
        let letters = self.ids.token();
        self.tokens.insert(Hidden::of(&letters), token);
        letters
    }

    /// Lets a token end at this moment, in milliseconds since 1970.
    pub fn expire_token(&mut self, letters: &str, at: i64) -> Result<()> {
        let token = self.tokens.get_mut(&Hidden::of(letters));
        token.context("there is no such token")?.expires_at = Some(at);
        Ok(())
    }

    /// How many machines still fit a region; `None` is as many as anybody wants.
    pub fn set_capacity(&mut self, region: &str, left: Option<u32>) -> Result<()> {
        self.region_mut(region)?.capacity = left;
        Ok(())
    }

    /// Whether organisation-wide lists leave a region out, and say so.
    pub fn silence(&mut self, region: &str, silent: bool) -> Result<()> {
        self.region_mut(region)?.silent = silent;
        Ok(())
    }

    fn region_mut(&mut self, region: &str) -> Result<&mut Region> {
        let found = self.regions.get_mut(region);
        found.with_context(|| format!("there is no region {region}"))
    }

    /// How much memory an organisation's machines may have in one region, in megabytes.
    pub fn set_memory_quota(&mut self, organisation: &str, megabytes: Option<u64>) -> Result<()> {
        let found = self.organisations.get_mut(organisation);
        let found = found.with_context(|| format!("there is no organisation {organisation}"))?;
        found.memory_quota_mb = megabytes;
        Ok(())
    }

    /// Takes an image out of its registry.
    pub fn remove_image(&mut self, image: &str) {
        self.missing_images.insert(image.to_owned());
    }

    /// Nobody reaches the host of this machine any more. It may go on running its machines all the same.
    pub fn lose_host(&mut self, machine: &str, still_runs: bool) -> Result<()> {
        let host = self.host_of(machine)?;
        (host.reachable, host.powered) = (false, still_runs);
        let name = host.name.clone();
        if still_runs {
            return Ok(());
        }
        let machines = self.machines.values_mut();
        for machine in machines.filter(|machine| machine.hardware == name && machine.runs) {
            machine.runs = false;
            self.host.halt(&machine.id);
        }
        Ok(())
    }

    /// The host of this machine is back: what was asked of it meanwhile happens now, and what ran there runs again.
    pub fn find_host(&mut self, machine: &str) -> Result<()> {
        let host = self.host_of(machine)?;
        (host.reachable, host.powered) = (true, true);
        let name = host.name.clone();
        self.host_is_back(&name);
        Ok(())
    }

    /// All hosts are reached again.
    pub fn find_hosts(&mut self) {
        let lost = self.hardware.values_mut().filter(|host| !host.reachable);
        let mut names = Vec::new();
        for host in lost {
            (host.reachable, host.powered) = (true, true);
            names.push(host.name.clone());
        }
        for name in names {
            self.host_is_back(&name);
        }
    }

    fn host_is_back(&mut self, name: &str) {
        let now = self.now();
        let (back, rest) = std::mem::take(&mut self.left_behind)
            .into_iter()
            .partition(|(host, _)| host == name);
        self.left_behind = rest;
        let back: Vec<(String, String)> = back;
        for (_, id) in back {
            self.host.halt(&id);
            self.host.destroy(&id);
        }
        let there = self.machines.values_mut();
        let mut again = Vec::new();
        for machine in there.filter(|machine| machine.hardware == name) {
            if let Some(next) = machine.next.as_mut() {
                next.at = next.at.max(now);
                let due = (next.at, Due::Machine(machine.id.clone()));
                self.due.insert(due);
            } else if machine.phase.is_up() && !machine.runs {
                again.push(machine.id.clone());
            }
        }
        for id in again {
            self.boot(&id, now);
        }
    }

    fn host_of(&mut self, machine: &str) -> Result<&mut Hardware> {
        let found = self.machines.get(machine);
        let found = found.with_context(|| format!("there is no machine {machine}"))?;
        let host = self.hardware.get_mut(&found.hardware);
        host.with_context(|| format!("machine {machine} has no host"))
    }

    /// Whether the host of this machine has no room for it to change, nor for another with a volume of it.
    pub fn fill_host(&mut self, machine: &str, full: bool) -> Result<()> {
        self.host_of(machine)?.full = full;
        Ok(())
    }

    /// Whether the checks of a machine fail from now on.
    pub fn set_sick(&mut self, machine: &str, sick: bool) -> Result<()> {
        let found = self.machines.get_mut(machine);
        found
            .with_context(|| format!("there is no machine {machine}"))?
            .sick = sick;
        Ok(())
    }

    /// The program of a machine ends by itself.
    pub fn exit(&mut self, machine: &str, exit_code: i32) -> Result<()> {
        let found = self.machines.get(machine);
        let runs = found.is_some_and(|machine| machine.runs);
        anyhow::ensure!(runs, "nothing runs in a machine {machine}");
        self.host.halt(machine);
        self.program_ended(&Ended {
            machine: machine.to_owned(),
            exit_code,
        });
        Ok(())
    }

    /// Lets the outside DNS lead a hostname to an app.
    pub fn point(&mut self, hostname: &str, app: &str) {
        let dns = self.dns.entry(hostname.to_owned()).or_default();
        dns.leads_to = Some(app.to_owned());
    }

    /// Lets the outside DNS say that a hostname belongs to an app.
    pub fn prove(&mut self, hostname: &str, app: &str) {
        let dns = self.dns.entry(hostname.to_owned()).or_default();
        dns.owned_by = Some(app.to_owned());
    }

    /// Somebody visits the app through Fly's proxy: the machine that they are led to. One that sleeps is woken if it may be,
    /// and then they come again.
    pub fn visit(&mut self, app: &str) -> Option<String> {
        let serves = |machine: &&Machine| {
            let services = machine.config.get("services").and_then(Value::as_array);
            !machine.cordoned && services.is_some_and(|services| !services.is_empty())
        };
        let machines = self.machines_of(app);
        let mut open = machines.iter().copied().filter(serves);
        let up = open.find(|machine| self.is_healthy(&machine.id));
        if let Some(up) = up {
            return Some(up.id.clone());
        }
        let sleeps = |machine: &&Machine| {
            matches!(machine.phase, Phase::Stopped | Phase::Suspended)
                && machine.config.pointer("/services/0/autostart") == Some(&Value::Bool(true))
        };
        let asleep = machines.iter().copied().filter(serves).find(sleeps)?;
        let (id, now) = (asleep.id.clone(), self.now());
        let suspended = asleep.phase == Phase::Suspended;
        if suspended && self.host.resume(&id).is_ok() {
            self.enter(&id, Phase::Starting, "start", "proxy", now);
            let delay = self.manners.delays.start;
            self.becomes(&id, Phase::Started, now, delay);
        } else {
            self.boot(&id, now);
        }
        None
    }

    /// Which machine, and which port of it, a connection ends at that is made from a private network (its organisation and name) to a private address: a
    /// machine of the same network; or, by Fly's proxy, one that is not cordoned, of an app with a Flycast address in that network. `None` is refused.
    pub fn leads(&self, from: (&str, &str), ip: Ipv6Addr, port: u16) -> Option<(&str, u16)> {
        let mut machines = self.machines.values();
        if let Some(machine) = machines.find(|machine| machine.private_ip == ip) {
            let app = self.apps.get(&machine.app)?;
            let is_same = (app.organisation.as_str(), app.network.as_str()) == from;
            return is_same.then_some((&machine.id, port));
        }
        let leads = |app: &&App| {
            let mut addresses = app.addresses.iter();
            app.organisation == from.0
                && addresses.any(|one| one.ip == IpAddr::V6(ip) && one.network == from.1)
        };
        let app = self.apps.values().find(leads)?;
        let mut open = self.open_ports(app).into_iter();
        let (_, to) = open.find(|(open, _)| *open == port)?;
        Some(to)
    }

    /// Where such a connection ends on this box.
    pub fn reach(&self, from: (&str, &str), ip: Ipv6Addr, port: u16) -> Option<SocketAddr> {
        let (machine, port) = self.leads(from, ip, port)?;
        self.host.address(machine, port)
    }

    /// The ports at which Fly's proxy leads to machines of an app, each with the machine and the port of that.
    fn open_ports(&self, app: &App) -> Vec<(u16, (&str, u16))> {
        let number = |value: &Value| u16::try_from(value.as_u64()?).ok();
        let machines = self.machines_of(&app.name).into_iter();
        let open = machines.filter(|one| !one.cordoned && one.phase == Phase::Started);
        let mut ports = Vec::new();
        for machine in open {
            let services = machine.config.get("services").and_then(Value::as_array);
            for service in services.into_iter().flatten() {
                let inside = service.get("internal_port").and_then(number);
                let outside = service.get("ports").and_then(Value::as_array);
                let outside = outside.into_iter().flatten();
                let outside = outside.filter_map(|one| one.get("port").and_then(number));
                ports.extend(outside.filter_map(|one| Some((one, (machine.id.as_str(), inside?)))));
            }
        }
        ports
    }

    /// Where Fly's proxy listens on this box, for real programs, and where each connection ends.
    pub(crate) fn doors(&self) -> BTreeMap<SocketAddr, SocketAddr> {
        let mut doors = BTreeMap::new();
        for app in self.apps.values().filter(|_| self.manners.loopback) {
            let flycast = |one: &&Address| one.kind == AddressKind::PrivateV6;
            for address in app.addresses.iter().filter(flycast) {
                for (port, (machine, inside)) in self.open_ports(app) {
                    let at = SocketAddr::new(address.ip.to_canonical(), port);
                    doors.extend(self.host.address(machine, inside).map(|to| (at, to)));
                }
            }
        }
        doors
    }

    /// Everything that there is in an organisation, in words: at the end of a story that closed all, nothing.
    pub fn left_over(&self, organisation: &str) -> Vec<String> {
        let mut left = Vec::new();
        let apps = self.apps.values();
        for app in apps.filter(|app| app.organisation == organisation) {
            left.push(format!("app {}", app.name));
            for machine in self.machines_of(&app.name) {
                let (id, phase) = (&machine.id, machine.phase.name());
                left.push(format!(
                    "machine {id} ({}) of {}, {phase}",
                    machine.name, app.name
                ));
            }
            let volumes = self.volumes_of(&app.name).into_iter();
            left.extend(volumes.map(|volume| format!("volume {} of {}", volume.id, app.name)));
            let addresses = app.addresses.iter();
            left.extend(addresses.map(|one| format!("address {} of {}", one.ip, app.name)));
            let hostnames = app.certificates.keys();
            left.extend(hostnames.map(|one| format!("certificate of {one} of {}", app.name)));
        }
        let behind = self.left_behind.iter();
        left.extend(behind.map(|(host, id)| format!("machine {id}, which still runs on {host}")));
        left
    }

    /// Fails on an exchange that is not as Fly's own description says.
    pub fn finish(&self) -> Result<()> {
        let wrong = &self.ledger.violations;
        anyhow::ensure!(
            wrong.is_empty(),
            "not as Fly describes:\n{}",
            wrong.join("\n")
        );
        Ok(())
    }

    /// Ends what machines run: nobody is left to do it later.
    pub(crate) fn halt_everything(&mut self) {
        let running = self.machines.values().filter(|machine| machine.runs);
        let running: Vec<String> = running.map(|machine| machine.id.clone()).collect();
        let behind = std::mem::take(&mut self.left_behind);
        let behind = behind.into_iter().map(|(_, id)| id);
        for id in running.into_iter().chain(behind) {
            self.host.halt(&id);
        }
    }
}
