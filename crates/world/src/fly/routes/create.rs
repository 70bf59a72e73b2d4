//! Machines as they are created, and as they get another configuration.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Ipv6Addr,
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::fly::{
    config,
    state::{Event, Machine, Phase},
    wire::{self, Answer, Answered},
};

/// Where a machine goes if nobody says where.
const REGION: &str = "iad";

#[derive(Deserialize)]
pub(super) struct NewMachine {
    name: Option<String>,
    region: Option<String>,
    config: Option<Value>,
    current_version: Option<String>,
    lease_ttl: Option<u32>,
    min_secrets_version: Option<u64>,
    #[serde(default)]
    skip_launch: bool,
    #[serde(default)]
    skip_secrets: bool,
    #[serde(default)]
    skip_service_registration: bool,
}

impl Asking<'_> {
    pub(super) fn create_machine(&mut self) -> Answered {
        let app = self.app_mut()?.name.clone();
        let new: NewMachine = wire::body(self.request)?;
        let config = new.config.clone().unwrap_or(Value::Null);
        config::check(&config, self.state)?;
        let name = new.name.clone().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| self.state.ids.name());
        self.is_free(&app, &name)?;
        let region = self.region(&new, &config)?;
        let given = self.secrets_for(&app, &new)?;
        self.fits(&app, &region, &config)?;
        let hardware = self.place(&app, &region, &config)?;
        let now = self.state.now();
        let id = self.state.ids.machine();
        let instance = self.state.ids.ulid(now);
        let sick = self.state.faults.sick(&app);
        let launched = Event {
            id: self.state.ids.ulid(now),
            kind: "launch",
            status: "created",
            source: "user",
            at: now,
            exit_code: None,
        };
        let machine = Machine {
            id: id.clone(),
            name,
            app: app.clone(),
            region: region.clone(),
            instance,
            phase: Phase::Created,
            config,
            private_ip: self.private_ip(&app),
            created_at: now,
            updated_at: now,
            started_at: None,
            events: VecDeque::from([launched]),
            lease: None,
            cordoned: new.skip_service_registration,
            hardware,
            secrets_version: given.0,
            sick,
            versions: Vec::new(),
            secrets: given.1,
            next: None,
            probed: BTreeMap::new(),
            runs: false,
            restarts: 0,
        };
        self.admit(machine);
        if !new.skip_launch {
            let delay = self.state.manners.delays.boot;
            self.state.becomes(&id, Phase::Starting, now, delay);
        }
        self.leased_answer(&id, new.lease_ttl)
    }

    /// The answer to a creation or a change, with the nonce of the lease that was asked for with it.
    fn leased_answer(&mut self, id: &str, ttl: Option<u32>) -> Answered {
        let nonce = ttl.filter(|ttl| *ttl > 0);
        let nonce = nonce.map(|ttl| self.lease(id, i64::from(ttl), String::new()));
        let machine = self.state.machines.get(id).ok_or_else(wire::no_machine)?;
        let metadata = machine.metadata();
        let mut shown = self.state.show_machine(machine);
        if let Some(nonce) = nonce {
            shown["nonce"] = json!(nonce);
        }
        if self.action == crate::fly::Action::CreateMachine {
            self.wrote(id, metadata);
        }
        Ok(Answer::ok(shown))
    }

    fn admit(&mut self, machine: Machine) {
        let id = machine.id.clone();
        for (volume, _) in machine.mounts() {
            if let Some(volume) = self.state.volumes.get_mut(&volume) {
                volume.attached = Some(id.clone());
            }
        }
        let region = self.state.regions.get_mut(&machine.region);
        if let Some(left) = region.and_then(|region| region.capacity.as_mut()) {
            *left = left.saturating_sub(1);
        }
        if let Some(app) = self.state.apps.get_mut(&machine.app) {
            app.machines.push(id.clone());
        }
        self.state.machines.insert(id, machine);
    }

    /// Names are unique in an app; that of a destroyed machine is free again.
    fn is_free(&self, app: &str, name: &str) -> Result<(), Answer> {
        let machines = self.state.machines_of(app);
        let taken = machines.into_iter().find(|machine| machine.name == name);
        let Some(Machine { id, .. }) = taken else {
            return Ok(());
        };
        let words = format!(
            "already_exists: unique machine name violation, machine ID {id} already exists with name \"{name}\""
        );
        Err(wire::error(409, words))
    }

    /// What was asked for, else where its volume is.
    fn region(&self, new: &NewMachine, config: &Value) -> Result<String, Answer> {
        let said = new.region.clone().filter(|region| !region.is_empty());
        let volume = config.pointer("/mounts/0/volume").and_then(Value::as_str);
        let volume = volume.and_then(|id| self.state.volumes.get(id));
        let region = said
            .or_else(|| volume.map(|volume| volume.region.clone()))
            .unwrap_or_else(|| REGION.into());
        let words = format!("unknown region \"{region}\"");
        let known = self.state.regions.contains_key(&region);
        known.then_some(region).ok_or_else(|| wire::invalid(words))
    }

    fn secrets_for(
        &self,
        app: &str,
        new: &NewMachine,
    ) -> Result<(u64, std::sync::Arc<BTreeMap<String, crate::fly::Hidden>>), Answer> {
        let known = self.state.apps.get(app).map(|app| &app.secrets);
        let known = known.ok_or_else(|| wire::no_app(app))?;
        let wanted = new.min_secrets_version;
        if let Some(wanted) = wanted.filter(|wanted| *wanted > known.version()) {
            let words = format!("min_secrets_version {wanted} is not yet available on this app");
            return Err(wire::error(412, words));
        }
        if new.skip_secrets {
            return Ok((0, std::sync::Arc::default()));
        }
        let seen = self.state.now() - self.state.manners.delays.secrets;
        Ok(known.given(wanted, seen))
    }

    /// Whether the organisation's quota and the region have room for one more.
    fn fits(&self, app: &str, region: &str, config: &Value) -> Result<(), Answer> {
        let organisation = self.state.apps.get(app).map(|app| app.organisation.clone());
        let organisation = organisation.and_then(|slug| self.state.organisations.get(&slug));
        if let Some(organisation) = organisation
            && let Some(quota) = organisation.memory_quota_mb
        {
            let used = self.state.memory_in(&organisation.slug, region) + config::memory_mb(config);
            if used > quota {
                let name = &organisation.name;
                let words = format!(
                    "organization \"{name}\" is using {used} MB of memory in {region} which is over the allowed quota. please consider other regions"
                );
                return Err(wire::error(403, words));
            }
        }
        let capacity = self
            .state
            .regions
            .get(region)
            .and_then(|region| region.capacity);
        if capacity == Some(0) {
            let status = self.state.manners.capacity_status;
            let words = "could not find a candidate host";
            return Err(wire::coded(status, words, "insufficient_capacity"));
        }
        Ok(())
    }

    /// The physical host: that of the volume, or any that answers.
    fn place(&mut self, app: &str, region: &str, config: &Value) -> Result<String, Answer> {
        if let Some(id) = config.pointer("/mounts/0/volume").and_then(Value::as_str) {
            let volume = self
                .state
                .volumes
                .get(id)
                .filter(|volume| volume.app == app);
            let volume =
                volume.ok_or_else(|| wire::invalid(format_args!("volume {id} not found")))?;
            if volume.region != region {
                let at = &volume.region;
                let words = format!(
                    "Mounts source volume \"{id}\" is in the wrong region (\"{at}\" != \"{region}\")"
                );
                return Err(wire::error(400, words));
            }
            if let Some(machine) = &volume.attached {
                let words = format!("volume {id} is currently bound to machine: {machine}");
                return Err(wire::precondition(words));
            }
            let host = self.state.hardware.get(&volume.hardware);
            if host.is_some_and(|host| host.full || !host.reachable) {
                let words = format!(
                    "insufficient resources to create new machine with existing volume id '{id}'"
                );
                return Err(wire::coded(412, words, "volume_placement_capacity"));
            }
            return Ok(volume.hardware.clone());
        }
        let status = self.state.manners.capacity_status;
        self.state.any_host(region).ok_or_else(|| {
            let words = "could not find a candidate host";
            wire::coded(status, words, "insufficient_capacity")
        })
    }

    fn private_ip(&mut self, app: &str) -> Ipv6Addr {
        let network = self.state.apps.get(app).map_or(0, |app| app.number);
        let number = self.state.ids.number();
        let part = |number: u64, shift: u32| u16::try_from(number >> shift & 0xffff).unwrap_or(0);
        Ipv6Addr::new(
            0xfdaa,
            part(network, 16),
            part(network, 0),
            0xa7b,
            0,
            part(number, 16),
            part(number, 0),
            2,
        )
    }

    pub(super) fn update_machine(&mut self) -> Answered {
        let machine = self.changing()?;
        let (id, app, old) = (machine.id.clone(), machine.app.clone(), machine.phase);
        let (before, mounts) = (machine.metadata(), machine.mounts());
        let (present, full) = (machine.instance.clone(), self.state.is_full(machine));
        let new: NewMachine = wire::body(self.request)?;
        let config = new.config.clone().unwrap_or(Value::Null);
        config::check(&config, self.state)?;
        if matches!(old, Phase::Destroying | Phase::Destroyed) {
            return Err(wire::precondition(format_args!(
                "machine is {}",
                old.name()
            )));
        }
        let wanted = new.current_version.as_ref();
        if wanted.is_some_and(|wanted| *wanted != present) {
            let words = format!("current_version mismatch: the machine is at {present}");
            return Err(wire::precondition(words));
        }
        if config::mounts(&config) != mounts {
            let words = "the volume of a machine cannot be changed";
            return Err(wire::invalid(words));
        }
        if full {
            let words = "aborted: could not reserve resource for machine: insufficient memory available to fulfill request on the current host";
            return Err(wire::error(409, words));
        }
        let given = self.secrets_for(&app, &new)?;
        let now = self.state.now();
        let instance = self.state.ids.ulid(now);
        let sick = self.state.faults.sick(&app);
        self.wrote(&id, before);
        self.state
            .enter(&id, Phase::Replacing, "update", "user", now);
        if let Some(machine) = self.state.machines.get_mut(&id) {
            let past = std::mem::replace(&mut machine.config, config);
            let instance = std::mem::replace(&mut machine.instance, instance);
            machine.versions.push((instance, past));
            (machine.secrets_version, machine.secrets) = given;
            machine.sick = sick;
            machine.started_at = None;
            machine.restarts = 0;
            machine.cordoned |= new.skip_service_registration;
        }
        let to = match (new.skip_launch, old) {
            (false, _) => Phase::Starting,
            (true, Phase::Created) => Phase::Created,
            (true, _) => Phase::Stopped,
        };
        let delay = self.state.manners.delays.replace;
        self.state.stop_machine(&id, None, to, delay);
        self.leased_answer(&id, new.lease_ttl)
    }
}
