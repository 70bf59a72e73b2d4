//! What the platform says of itself, and of a token.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::fly::wire::{self, Answer, Answered};

/// Machines that fit a region which nobody has filled, as placements tell it.
const ROOM: u32 = 100;

#[derive(Deserialize)]
struct Placement {
    org_slug: String,
    region: Option<String>,
    count: Option<u32>,
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

    /// In how many of the regions that were asked for there is room.
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
        let list: Vec<Value> = fitting
            .map(|region| (region, region.capacity.unwrap_or(ROOM).min(most)))
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
