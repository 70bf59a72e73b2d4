//! Volumes, and copies of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::{
    clock::iso,
    fly::{
        show,
        state::{Due, Phase, Snapshot, Volume, VolumeState},
        wire::{self, Answer, Answered},
    },
};

/// Gigabytes of one that does not say how many, and how many there may be.
const SIZE_GB: (u64, u64) = (3, 500);
/// Days that copies are kept if nobody says, and how many may be said.
const RETENTION: (u64, std::ops::RangeInclusive<u64>) = (5, 1..=60);

#[derive(Deserialize)]
struct NewVolume {
    name: Option<String>,
    region: Option<String>,
    size_gb: Option<u64>,
    encrypted: Option<bool>,
    snapshot_retention: Option<u64>,
    auto_backup_enabled: Option<bool>,
}

#[derive(Deserialize)]
struct Extension {
    size_gb: Option<u64>,
}

impl Asking<'_> {
    pub(super) fn volumes(&mut self) -> Answered {
        let app = self.app()?;
        let volumes = app.volumes.iter();
        let volumes = volumes.filter_map(|id| self.state.volumes.get(id));
        let list = volumes.map(|volume| self.state.show_volume(volume));
        Ok(Answer::ok(list.collect()))
    }

    pub(super) fn create_volume(&mut self) -> Answered {
        let app = self.app_mut()?.name.clone();
        let new: NewVolume = wire::body(self.request)?;
        let name = new.name.filter(|name| is_volume_name(name));
        let name = name.ok_or_else(|| {
            let words = "a volume's name has 30 small letters, digits and underscores at most";
            wire::invalid(words)
        })?;
        let region = new.region.unwrap_or_else(|| "iad".into());
        let known = self.state.regions.get(&region);
        let Some(known) = known else {
            return Err(wire::invalid(format_args!("unknown region \"{region}\"")));
        };
        let size_gb = new.size_gb.unwrap_or(SIZE_GB.0);
        if size_gb == 0 || size_gb > SIZE_GB.1 {
            let words = format!("size_gb {size_gb} is not between 1 and {}", SIZE_GB.1);
            return Err(wire::invalid(words));
        }
        let snapshot_retention = retention(new.snapshot_retention)?;
        if known.capacity == Some(0) {
            return Err(wire::error(400, "no capacity"));
        }
        let host = self.state.any_host(&region);
        let hardware = host.ok_or_else(|| wire::error(400, "no capacity"))?;
        let now = self.state.now();
        let id = self.state.ids.prefixed("vol");
        let volume = Volume {
            id: id.clone(),
            name,
            app: app.clone(),
            region,
            hardware,
            size_gb,
            state: VolumeState::Created,
            attached: None,
            encrypted: new.encrypted.unwrap_or(true),
            snapshot_retention,
            auto_backup: new.auto_backup_enabled.unwrap_or(true),
            created_at: now,
            updated_at: now,
            snapshots: Vec::new(),
        };
        let shown = self.state.show_volume(&volume);
        self.state.volumes.insert(id.clone(), volume);
        if let Some(app) = self.state.apps.get_mut(&app) {
            app.volumes.push(id.clone());
        }
        self.wrote(&id, BTreeMap::new());
        Ok(Answer::ok(shown))
    }

    /// The volume that the path names.
    fn volume(&self) -> Result<&Volume, Answer> {
        let app = self.app()?;
        let found = self.state.volumes.get(&self.part(3));
        let found = found.filter(|volume| volume.app == app.name);
        found.ok_or_else(|| wire::error(404, "volume not found"))
    }

    fn changed_volume(&mut self, change: impl FnOnce(&mut Volume)) -> Answered {
        let id = self.volume()?.id.clone();
        let now = self.state.now();
        if let Some(volume) = self.state.volumes.get_mut(&id) {
            change(volume);
            volume.updated_at = now;
        }
        self.wrote(&id, BTreeMap::new());
        self.get_volume()
    }

    pub(super) fn get_volume(&mut self) -> Answered {
        let volume = self.volume()?;
        Ok(Answer::ok(self.state.show_volume(volume)))
    }

    pub(super) fn update_volume(&mut self) -> Answered {
        let old = self.volume()?.snapshot_retention;
        let asked: NewVolume = wire::body(self.request)?;
        let kept = retention(Some(asked.snapshot_retention.unwrap_or(old)))?;
        self.changed_volume(|volume| {
            volume.snapshot_retention = kept;
            volume.auto_backup = asked.auto_backup_enabled.unwrap_or(volume.auto_backup);
        })
    }

    pub(super) fn delete_volume(&mut self) -> Answered {
        let volume = self.volume()?;
        let id = volume.id.clone();
        let bound = volume.attached.as_ref();
        let bound = bound.and_then(|id| self.state.machines.get(id));
        if let Some(machine) = bound.filter(|machine| machine.phase != Phase::Destroyed) {
            let words = format!("volume is currently bound to machine: {}", machine.id);
            return Err(wire::precondition(words));
        }
        let due = self.state.now() + self.state.manners.delays.delete;
        self.state.due.insert((due, Due::Volume(id)));
        self.changed_volume(|volume| volume.state = VolumeState::PendingDestroy)
    }

    pub(super) fn extend_volume(&mut self) -> Answered {
        let volume = self.volume()?;
        let (old, bound) = (volume.size_gb, volume.attached.is_some());
        let asked: Extension = wire::body(self.request)?;
        let size = asked.size_gb.unwrap_or(0);
        if size <= old || size > SIZE_GB.1 {
            let words = format!("size_gb {size} is not more than {old}, or too much");
            return Err(wire::invalid(words));
        }
        self.changed_volume(|volume| volume.size_gb = size)?;
        let volume = self.state.show_volume(self.volume()?);
        let answer = json!({ "volume": volume, "needs_restart": bound });
        Ok(Answer::ok(answer))
    }

    pub(super) fn snapshots(&mut self) -> Answered {
        let volume = self.volume()?;
        let shown = |snapshot: &Snapshot| -> Value {
            json!({
                "id": snapshot.id,
                "created_at": iso(snapshot.created_at),
                "status": "created",
                "retention_days": volume.snapshot_retention,
                "volume_size": volume.size_gb << 30,
            })
        };
        Ok(Answer::ok(volume.snapshots.iter().map(shown).collect()))
    }

    pub(super) fn create_snapshot(&mut self) -> Answered {
        let snapshot = Snapshot {
            id: self.state.ids.prefixed("vs"),
            created_at: self.state.now(),
        };
        self.changed_volume(|volume| volume.snapshots.push(snapshot))?;
        Ok(wire::done())
    }

    pub(super) fn all_volumes(&mut self) -> Answered {
        let slug = self.organisation()?;
        let apps = self.state.apps.values();
        let apps = apps.filter(|app| app.organisation == slug);
        let volumes = apps.flat_map(|app| self.state.volumes_of(&app.name));
        let region = self.request.parameter("region");
        let mut volumes: Vec<&Volume> = volumes
            .filter(|volume| region.is_none_or(|region| region == volume.region))
            .filter(|volume| self.is_new(volume.updated_at))
            .collect();
        volumes.sort_by(|a, b| (a.updated_at, &a.id).cmp(&(b.updated_at, &b.id)));
        let page = self.page(volumes, |volume| (volume.updated_at, volume.id.clone()))?;
        let list: Vec<Value> = page
            .items
            .iter()
            .map(|volume| {
                let mut shown = self.state.show_volume(volume);
                shown["app_name"] = json!(volume.app);
                shown["updated_at"] = json!(iso(volume.updated_at));
                shown
            })
            .collect();
        let last = page.items.last();
        Ok(Answer::ok(show::without_nulls(json!({
            "volumes": list,
            "last_volume_id": last.map(|volume| &volume.id),
            "last_updated_at": last.map(|volume| iso(volume.updated_at)),
            "next_cursor": page.next,
        }))))
    }
}

fn is_volume_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 30 && name.bytes().all(fits)
}

fn retention(days: Option<u64>) -> Result<u64, Answer> {
    let days = days.unwrap_or(RETENTION.0);
    let words = format!("snapshot_retention {days} is not between 1 and 60");
    let fits = RETENTION.1.contains(&days);
    fits.then_some(days).ok_or_else(|| wire::invalid(words))
}
