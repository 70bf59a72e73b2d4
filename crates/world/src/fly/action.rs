//! What the API can be asked for: the routes that the model knows, under the names of Fly's own description.

use crate::wire::Request;

/// One operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "each is called as the API's description calls it"
)]
pub enum Action {
    ListApps,
    CreateApp,
    GetApp,
    DeleteApp,
    ListMachines,
    CreateMachine,
    GetMachine,
    UpdateMachine,
    DeleteMachine,
    StartMachine,
    StopMachine,
    SuspendMachine,
    RestartMachine,
    SignalMachine,
    CordonMachine,
    UncordonMachine,
    WaitMachine,
    ListEvents,
    ListVersions,
    GetLease,
    CreateLease,
    ReleaseLease,
    GetMetadata,
    UpdateMetadata,
    GetMetadataKey,
    SetMetadataKey,
    DeleteMetadataKey,
    ListVolumes,
    CreateVolume,
    GetVolume,
    UpdateVolume,
    DeleteVolume,
    ExtendVolume,
    ListSnapshots,
    CreateSnapshot,
    ListAddresses,
    AssignAddress,
    DeleteAddress,
    ListCertificates,
    RequestCertificate,
    ImportCertificate,
    GetCertificate,
    CheckCertificate,
    DeleteCertificate,
    DeleteAcmeCertificate,
    DeleteCustomCertificate,
    ListSecrets,
    UpdateSecrets,
    GetSecret,
    SetSecret,
    DeleteSecret,
    ListOrgMachines,
    ListOrgVolumes,
    ListRegions,
    GetPlacements,
    CurrentToken,
}

impl Action {
    /// What is asked; `None` if the model knows no such route.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let ["v1", rest @ ..] = segments.as_slice() else {
            return None;
        };
        let method = request.method.as_str();
        Some(match (method, rest) {
            ("GET", ["apps"]) => Action::ListApps,
            ("POST", ["apps"]) => Action::CreateApp,
            ("GET", ["apps", _]) => Action::GetApp,
            ("DELETE", ["apps", _]) => Action::DeleteApp,
            (_, ["apps", _, "machines", rest @ ..]) => return of_machines(method, rest),
            (_, ["apps", _, "volumes", rest @ ..]) => return of_volumes(method, rest),
            ("GET", ["apps", _, "ip_assignments"]) => Action::ListAddresses,
            ("POST", ["apps", _, "ip_assignments"]) => Action::AssignAddress,
            ("DELETE", ["apps", _, "ip_assignments", _]) => Action::DeleteAddress,
            (_, ["apps", _, "certificates", rest @ ..]) => return of_certificates(method, rest),
            ("GET", ["apps", _, "secrets"]) => Action::ListSecrets,
            ("POST", ["apps", _, "secrets"]) => Action::UpdateSecrets,
            ("GET", ["apps", _, "secrets", _]) => Action::GetSecret,
            ("POST", ["apps", _, "secrets", _]) => Action::SetSecret,
            ("DELETE", ["apps", _, "secrets", _]) => Action::DeleteSecret,
            ("GET", ["orgs", _, "machines"]) => Action::ListOrgMachines,
            ("GET", ["orgs", _, "volumes"]) => Action::ListOrgVolumes,
            ("GET", ["platform", "regions"]) => Action::ListRegions,
            ("POST", ["platform", "placements"]) => Action::GetPlacements,
            ("GET", ["tokens", "current"]) => Action::CurrentToken,
            _ => return None,
        })
    }

    /// Whether it changes a machine that is there, so that its lease counts.
    pub fn changes_a_machine(self) -> bool {
        matches!(
            self,
            Action::UpdateMachine
                | Action::DeleteMachine
                | Action::StartMachine
                | Action::StopMachine
                | Action::SuspendMachine
                | Action::RestartMachine
                | Action::SignalMachine
                | Action::CordonMachine
                | Action::UncordonMachine
                | Action::UpdateMetadata
                | Action::SetMetadataKey
                | Action::DeleteMetadataKey
        )
    }

    /// Whether the part of Fly that keeps apps, addresses and certificates answers it, and not the one that runs machines.
    pub(crate) fn is_of_apps(self) -> bool {
        matches!(
            self,
            Action::ListAddresses
                | Action::AssignAddress
                | Action::DeleteAddress
                | Action::ListCertificates
                | Action::RequestCertificate
                | Action::ImportCertificate
                | Action::GetCertificate
                | Action::CheckCertificate
                | Action::DeleteCertificate
                | Action::DeleteAcmeCertificate
                | Action::DeleteCustomCertificate
        )
    }
}

fn of_machines(method: &str, rest: &[&str]) -> Option<Action> {
    Some(match (method, rest) {
        ("GET", []) => Action::ListMachines,
        ("POST", []) => Action::CreateMachine,
        ("GET", [_]) => Action::GetMachine,
        ("POST", [_]) => Action::UpdateMachine,
        ("DELETE", [_]) => Action::DeleteMachine,
        ("POST", [_, "start"]) => Action::StartMachine,
        ("POST", [_, "stop"]) => Action::StopMachine,
        ("POST", [_, "suspend"]) => Action::SuspendMachine,
        ("POST", [_, "restart"]) => Action::RestartMachine,
        ("POST", [_, "signal"]) => Action::SignalMachine,
        ("POST", [_, "cordon"]) => Action::CordonMachine,
        ("POST", [_, "uncordon"]) => Action::UncordonMachine,
        ("GET", [_, "wait"]) => Action::WaitMachine,
        ("GET", [_, "events"]) => Action::ListEvents,
        ("GET", [_, "versions"]) => Action::ListVersions,
        ("GET", [_, "lease"]) => Action::GetLease,
        ("POST", [_, "lease"]) => Action::CreateLease,
        ("DELETE", [_, "lease"]) => Action::ReleaseLease,
        ("GET", [_, "metadata"]) => Action::GetMetadata,
        ("PUT" | "PATCH", [_, "metadata"]) => Action::UpdateMetadata,
        ("GET", [_, "metadata", _]) => Action::GetMetadataKey,
        ("POST", [_, "metadata", _]) => Action::SetMetadataKey,
        ("DELETE", [_, "metadata", _]) => Action::DeleteMetadataKey,
        _ => return None,
    })
}

fn of_volumes(method: &str, rest: &[&str]) -> Option<Action> {
    Some(match (method, rest) {
        ("GET", []) => Action::ListVolumes,
        ("POST", []) => Action::CreateVolume,
        ("GET", [_]) => Action::GetVolume,
        ("PUT", [_]) => Action::UpdateVolume,
        ("DELETE", [_]) => Action::DeleteVolume,
        ("PUT", [_, "extend"]) => Action::ExtendVolume,
        ("GET", [_, "snapshots"]) => Action::ListSnapshots,
        ("POST", [_, "snapshots"]) => Action::CreateSnapshot,
        _ => return None,
    })
}

fn of_certificates(method: &str, rest: &[&str]) -> Option<Action> {
    Some(match (method, rest) {
        ("GET", []) => Action::ListCertificates,
        ("POST", ["acme"]) => Action::RequestCertificate,
        ("POST", ["custom"]) => Action::ImportCertificate,
        ("GET", [_]) => Action::GetCertificate,
        ("DELETE", [_]) => Action::DeleteCertificate,
        ("POST", [_, "check"]) => Action::CheckCertificate,
        ("DELETE", [_, "acme"]) => Action::DeleteAcmeCertificate,
        ("DELETE", [_, "custom"]) => Action::DeleteCustomCertificate,
        _ => return None,
    })
}
