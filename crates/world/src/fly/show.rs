//! How Fly writes what it knows of apps, machines and volumes.

use serde_json::{Value, json};

use super::state::{App, Event, HostStatus, Machine, Phase, State, Volume};
use crate::clock::iso;

impl State {
    pub(crate) fn show_app(&self, app: &App) -> Value {
        let machines = self.machines_of(&app.name);
        let organisation = self.organisations.get(&app.organisation);
        let started = machines
            .iter()
            .any(|machine| machine.phase == Phase::Started);
        let status = match (machines.is_empty(), started) {
            (true, _) => "pending",
            (false, true) => "deployed",
            (false, false) => "suspended",
        };
        json!({
            "id": app.id,
            "internal_numeric_id": app.number,
            "name": app.name,
            "status": status,
            "network": app.network,
            "machine_count": machines.len(),
            "volume_count": app.volumes.len(),
            "organization": {
                "name": organisation.map_or("", |known| known.name.as_str()),
                "slug": app.organisation,
                "internal_numeric_id": organisation.map_or(0, |known| known.number),
            },
        })
    }

    /// What the API knows of the host of a machine or volume.
    pub(crate) fn host_status(&self, hardware: &str) -> HostStatus {
        match self.hardware.get(hardware) {
            Some(host) if host.reachable => HostStatus::Ok,
            Some(_) => HostStatus::Unreachable,
            None => HostStatus::Unknown,
        }
    }

    /// All of a machine; what its host alone knows is missing while nobody reaches that.
    pub(crate) fn show_machine(&self, machine: &Machine) -> Value {
        let status = self.host_status(&machine.hardware);
        let mut shown = summary(machine);
        shown["host_status"] = json!(status.name());
        shown["events"] = machine.events.iter().map(event).collect();
        shown["cordoned"] = json!(machine.cordoned);
        let config = match status {
            HostStatus::Ok => "config",
            HostStatus::Unknown | HostStatus::Unreachable => "incomplete_config",
        };
        shown[config] = machine.config.clone();
        let checks = self.checks_of(machine);
        if !checks.is_empty() {
            shown["checks"] = checks.into_iter().collect();
        }
        shown
    }

    pub(crate) fn show_volume(&self, volume: &Volume) -> Value {
        json!({
            "id": volume.id,
            "name": volume.name,
            "state": volume.state.name(),
            "size_gb": volume.size_gb,
            "region": volume.region,
            "zone": volume.hardware,
            "encrypted": volume.encrypted,
            "attached_machine_id": volume.attached,
            "attached_alloc_id": null,
            "created_at": iso(volume.created_at),
            "blocks": volume.size_gb << 18,
            "block_size": 4096,
            "blocks_free": volume.size_gb << 18,
            "blocks_avail": volume.size_gb << 18,
            "fstype": "ext4",
            "snapshot_retention": volume.snapshot_retention,
            "auto_backup_enabled": volume.auto_backup,
            "host_status": self.host_status(&volume.hardware).name(),
        })
    }
}

/// What a list that is asked for it in short says of a machine.
pub(crate) fn summary(machine: &Machine) -> Value {
    let image = machine.config.get("image").and_then(Value::as_str);
    json!({
        "id": machine.id,
        "name": machine.name,
        "state": machine.phase.name(),
        "region": machine.region,
        "image_ref": image_ref(image.unwrap_or_default()),
        "instance_id": machine.instance,
        "private_ip": machine.private_ip.to_string(),
        "created_at": iso(machine.created_at),
        "updated_at": iso(machine.updated_at),
    })
}

/// What the list of an organisation says of a machine.
pub(crate) fn overview(machine: &Machine, summary: bool) -> Value {
    let mut shown = json!({
        "id": machine.id,
        "name": machine.name,
        "app_name": machine.app,
        "state": machine.phase.name(),
        "region": machine.region,
        "version": machine.instance,
        "instance_id": machine.instance,
        "private_ip": machine.private_ip.to_string(),
        "created_at": iso(machine.created_at),
        "updated_at": iso(machine.updated_at),
    });
    if !summary {
        let part = |key: &str| machine.config.get(key).cloned();
        shown["config"] = without_nulls(json!({
            "image": part("image"),
            "guest": part("guest"),
            "metadata": machine.metadata(),
        }));
    }
    shown
}

pub(crate) fn event(event: &Event) -> Value {
    let mut shown = json!({
        "id": event.id,
        "type": event.kind,
        "status": event.status,
        "source": event.source,
        "timestamp": event.at,
    });
    if let Some(code) = event.exit_code {
        shown["request"] = json!({ "exit_event": { "exit_code": code } });
    }
    shown
}

pub(crate) fn version((instance, config): &(String, Value)) -> Value {
    json!({ "version": instance, "user_config": config })
}

/// The same without the fields that have nothing in them.
pub(crate) fn without_nulls(mut of: Value) -> Value {
    if let Some(fields) = of.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    of
}

/// `registry/repository:tag@digest`, in parts.
fn image_ref(image: &str) -> Value {
    let (rest, digest) = image.split_once('@').unwrap_or((image, ""));
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (rest, "latest"),
    };
    let (registry, repository) = match path.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) => (first, rest),
        _ => ("registry-1.docker.io", path),
    };
    json!({
        "registry": registry,
        "repository": repository,
        "tag": tag,
        "digest": digest,
        "labels": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_told_in_parts() {
        let parts = image_ref("registry.fly.io/nestling-runner:v1@sha256:ab");
        assert_eq!(parts["registry"], "registry.fly.io");
        assert_eq!(parts["repository"], "nestling-runner");
        assert_eq!(
            (&parts["tag"], &parts["digest"]),
            (&json!("v1"), &json!("sha256:ab"))
        );
        let plain = image_ref("library/ubuntu");
        assert_eq!(plain["registry"], "registry-1.docker.io");
        assert_eq!(plain["tag"], "latest");
        let port = image_ref("localhost:5000/runner");
        assert_eq!(
            (&port["registry"], &port["tag"]),
            (&json!("localhost:5000"), &json!("latest"))
        );
    }
}
