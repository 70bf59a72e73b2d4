//! The API, one file per group of routes. Pure but for the host: a request and the state give an answer.

mod apps;
mod certificates;
mod create;
mod leases;
mod lists;
mod machines;
mod metadata;
mod platform;
mod running;
mod secrets;
mod volumes;
mod wait;

use std::collections::BTreeMap;

use super::{
    action::Action,
    auth::{self, Who},
    ledger::{Nonce, Write},
    state::{App, Lease, Machine, State},
    wire::{self, Answer, Answered, Request},
};

pub(crate) use wait::{Wait, waited};

/// Somebody asks something.
pub(crate) struct Asking<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) request: &'a Request,
    pub(crate) who: Who,
    pub(crate) action: Action,
}

/// What a route gives.
pub(crate) enum Reply {
    Now(Answer),
    Waits(Wait),
}

/// Whether a request says the nonce of this lease.
pub(crate) fn said_nonce(request: &Request, lease: Option<&Lease>) -> Nonce {
    match (nonce(request), lease) {
        (None, _) => Nonce::None,
        (Some(said), Some(lease)) if said == lease.nonce => Nonce::Right,
        (Some(_), _) => Nonce::Wrong,
    }
}

/// The nonce that a request says.
fn nonce(request: &Request) -> Option<&str> {
    let said = request.header("fly-machine-lease-nonce");
    said.filter(|said| !said.is_empty())
}

/// The whole way of a request: the route, who asks, their limits, what they want.
pub(crate) fn answer(state: &mut State, request: &Request, action: Option<Action>) -> Reply {
    let Some(action) = action else {
        return Reply::Now(wire::no_route());
    };
    let who = match auth::identify(state, request) {
        Ok(who) => who,
        Err(_) if action.is_of_apps() => return Reply::Now(wire::message(401, "Unauthorized")),
        Err(refused) => return Reply::Now(refused),
    };
    let mut asking = Asking {
        state,
        request,
        who,
        action,
    };
    if let Err(refused) = asking.limited() {
        return Reply::Now(refused);
    }
    if action == Action::WaitMachine {
        return asking.wait().unwrap_or_else(Reply::Now);
    }
    Reply::Now(asking.dispatch().unwrap_or_else(|refused| refused))
}

impl Asking<'_> {
    fn limited(&mut self) -> Result<(), Answer> {
        let now = self.state.now();
        let of = match self.request.segments.as_slice() {
            [_, kind, name, group, id, ..] if kind == "apps" && group == "machines" => {
                format!("{name}/{id}")
            }
            [_, kind, name, ..] if kind == "apps" || kind == "orgs" => name.clone(),
            _ => self.who.token.organisation.clone(),
        };
        // A new app has no id yet: nothing that is documented limits how many are made.
        let taken = if self.action == Action::CreateApp {
            Ok(())
        } else {
            self.state.limits.take(self.action, &of, now)
        };
        let says = self.state.manners.retry_after;
        let refused = |ms| wire::limited(says.then_some(ms));
        taken.map_err(refused)?;
        if self.action == Action::DeleteApp {
            let organisation = self.who.token.organisation.clone();
            let deleted = self.state.limits.delete_app(&organisation, now);
            deleted.map_err(refused)?;
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Answered {
        match self.action {
            Action::ListApps => self.apps(),
            Action::CreateApp => self.create_app(),
            Action::GetApp => self.get_app(),
            Action::DeleteApp => self.delete_app(),
            Action::ListMachines => self.machines(),
            Action::CreateMachine => self.create_machine(),
            Action::GetMachine => self.get_machine(),
            Action::UpdateMachine => self.update_machine(),
            Action::DeleteMachine => self.delete_machine(),
            Action::StartMachine => self.start_machine(),
            Action::StopMachine => self.stop_machine(),
            Action::SuspendMachine => self.suspend_machine(),
            Action::RestartMachine => self.restart_machine(),
            Action::SignalMachine => self.signal_machine(),
            Action::CordonMachine => self.cordon(true),
            Action::UncordonMachine => self.cordon(false),
            Action::WaitMachine => Err(wire::no_route()),
            Action::ListEvents => self.events(),
            Action::ListVersions => self.versions(),
            Action::GetLease => self.get_lease(),
            Action::CreateLease => self.create_lease(),
            Action::ReleaseLease => self.release_lease(),
            Action::GetMetadata => self.get_metadata(),
            Action::UpdateMetadata => self.update_metadata(),
            Action::GetMetadataKey => self.get_metadata_key(),
            Action::SetMetadataKey => self.set_metadata_key(),
            Action::DeleteMetadataKey => self.delete_metadata_key(),
            Action::ListVolumes => self.volumes(),
            Action::CreateVolume => self.create_volume(),
            Action::GetVolume => self.get_volume(),
            Action::UpdateVolume => self.update_volume(),
            Action::DeleteVolume => self.delete_volume(),
            Action::ExtendVolume => self.extend_volume(),
            Action::ListSnapshots => self.snapshots(),
            Action::CreateSnapshot => self.create_snapshot(),
            Action::ListAddresses => self.addresses(),
            Action::AssignAddress => self.assign_address(),
            Action::DeleteAddress => self.delete_address(),
            Action::ListCertificates => self.certificates(),
            Action::RequestCertificate => self.request_certificate(),
            Action::ImportCertificate => self.import_certificate(),
            Action::GetCertificate => self.get_certificate(),
            Action::CheckCertificate => self.check_certificate(),
            Action::DeleteCertificate => self.delete_certificate(),
            Action::DeleteAcmeCertificate => self.delete_acme(),
            Action::DeleteCustomCertificate => self.delete_custom(),
            Action::ListSecrets => self.secrets(),
            Action::UpdateSecrets => self.update_secrets(),
            Action::GetSecret => self.get_secret(),
            Action::SetSecret => self.set_secret(),
            Action::DeleteSecret => self.delete_secret(),
            Action::ListOrgMachines => self.all_machines(),
            Action::ListOrgVolumes => self.all_volumes(),
            Action::ListRegions => self.regions(),
            Action::GetPlacements => self.placements(),
            Action::CurrentToken => self.current_token(),
        }
    }

    /// A part of the path behind `/v1`, counted from 0.
    pub(crate) fn part(&self, place: usize) -> String {
        let part = self.request.segments.get(place + 1);
        part.cloned().unwrap_or_default()
    }

    /// A parameter that is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.request.parameter(name), Some("true" | "1"))
    }

    /// The app that the path names, if the asker may touch it.
    pub(crate) fn app(&self) -> Result<&App, Answer> {
        let name = self.part(1);
        let found = self.state.apps.get(&name);
        let found = found.filter(|app| app.seen_from <= self.state.now());
        let app = found.ok_or_else(|| wire::no_app(&name))?;
        let reaches = self.who.reaches(app);
        reaches
            .then_some(app)
            .ok_or_else(|| wire::foreign_app(&name))
    }

    /// The same, to change it; nobody changes one that is being deleted.
    pub(crate) fn app_mut(&mut self) -> Result<&mut App, Answer> {
        let app = self.app()?;
        let (name, going) = (app.name.clone(), app.going);
        let found = self.state.apps.get_mut(&name).filter(|_| !going);
        found.ok_or_else(|| wire::no_app(&name))
    }

    /// The machine that the path names.
    pub(crate) fn machine(&self) -> Result<&Machine, Answer> {
        let app = self.app()?.name.clone();
        let machine = self.state.machine_of(&app, &self.part(3));
        machine.ok_or_else(wire::no_machine)
    }

    /// The machine, if its host answers and the asker may change it: without a lease anybody may, else whoever says its nonce.
    pub(crate) fn changing(&self) -> Result<&Machine, Answer> {
        let machine = self.machine()?;
        self.leases(machine)?;
        let reaches = self.state.reaches(machine);
        reaches.then_some(machine).ok_or_else(wire::unreachable)
    }

    /// Puts a change that had its effect into the ledger.
    pub(crate) fn wrote(&mut self, what: &str, metadata: BTreeMap<String, String>) {
        let name = if self.action == Action::CreateApp {
            what.to_owned()
        } else {
            self.part(1)
        };
        let network = self.state.apps.get(&name).map(|app| app.network.clone());
        let lease = self.state.machines.get(what);
        let lease = lease.and_then(|machine| machine.leased(self.state.now()));
        let nonce = said_nonce(self.request, lease);
        let write = Write {
            at: self.state.now(),
            who: self.who.token.organisation.clone(),
            action: self.action,
            app: name,
            network: network.unwrap_or_default(),
            what: what.to_owned(),
            metadata,
            nonce,
        };
        self.state.ledger.wrote(write);
    }
}
