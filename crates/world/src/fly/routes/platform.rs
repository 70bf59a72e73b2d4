//! What the platform says of itself, and of a token.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::fly::wire::{self, Answer, Answered};

/// Machines that fit a region which nobody has filled, as placements tell it.
const ROOM: u32 = 100;
/// Megabytes of the machine that placements are for if nobody says how big it is.
const MEMORY_MB: u64 = 2_048;

#[derive(Deserialize)]
struct Placement {
    org_slug: String,
    region: Option<String>,
    count: Option<u32>,
    compute: Option<Value>,
}

impl Asking<'_> {
    pub(super) fn regions(&mut self) -> Answered {
        let regions = self.state.regions.values();
        let list: Vec<Value> = regions
            .map(|region| {
                json!({
                    "code": region.code,
                    "name": region.name,
                    "latitude": region.latitude,
                    "longitude": region.longitude,
                    "geo_region": region.part,
                    "gateway_available": true,
                    "requires_paid_plan": false,
                    "deprecated": false,
                })
            })
            .collect();
        Ok(Answer::ok(json!({ "nearest": "ams", "regions": list })))
    }

    /// In which of the regions that were asked for there is room, by capacity and by the organisation's quota.
    pub(super) fn placements(&mut self) -> Answered {
        let asked: Placement = wire::body(self.request)?;
        if !self.who.is_of(&asked.org_slug) {
            return Err(wire::error(404, "Organization not found"));
        }
        let wanted = asked.region.unwrap_or_default();
        let wanted: Vec<&str> = wanted.split(',').map(str::trim).collect();
        let any = wanted.iter().any(|one| matches!(*one, "" | "any"));
        let regions = self.state.regions.values();
        let fitting = regions.filter(|region| any || wanted.contains(&region.code.as_str()));
        let most = asked.count.filter(|count| *count > 0).unwrap_or(ROOM);
        let memory = asked
            .compute
            .and_then(|guest| guest.get("memory_mb")?.as_u64());
        let memory = memory.filter(|memory| *memory > 0).unwrap_or(MEMORY_MB);
        let organisation = self.state.organisations.get(&asked.org_slug);
        let quota = organisation.and_then(|known| known.memory_quota_mb);
        let by_quota = |region: &str| {
            let used = self.state.memory_in(&asked.org_slug, region);
            let left = quota.map(|quota| quota.saturating_sub(used) / memory);
            left.map_or(ROOM, |left| u32::try_from(left).unwrap_or(ROOM))
        };
        let list: Vec<Value> = fitting
            .map(|region| {
                let room = region.capacity.unwrap_or(ROOM);
                (region, room.min(by_quota(&region.code)).min(most))
            })
            .filter(|(_, room)| *room > 0)
            .map(|(region, room)| {
                json!({ "region": region.code, "count": room, "concurrency": room })
            })
            .collect();
        Ok(Answer::ok(json!({ "regions": list })))
    }

    pub(super) fn current_token(&mut self) -> Answered {
        let token = &self.who.token;
        let organisation = self.state.organisations.get(&token.organisation);
        let apps = token.apps.clone().unwrap_or_default();
        let list = json!([{
            "token_id": "model",
            "org_slug": token.organisation,
            "organization": organisation.map_or("", |known| known.name.as_str()),
            "apps": apps,
        }]);
        Ok(Answer::ok(json!({ "tokens": list })))
    }
}
