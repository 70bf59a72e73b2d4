//! Lists of a whole organisation, in pages.

use serde_json::{Value, json};

use super::Asking;
use crate::{
    clock::iso,
    fly::{
        show,
        state::Machine,
        wire::{self, Answer, Answered},
    },
};

/// Items of a page at most, and if nobody says how many.
const PAGE: usize = 1_000;

/// A part of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where the next one begins.
    pub(super) next: Option<String>,
}

impl Asking<'_> {
    /// The organisation that the path names, if the asker is of it.
    pub(super) fn organisation(&self) -> Result<String, Answer> {
        let slug = self.part(1);
        let theirs = self.who.is_of(&slug);
        theirs
            .then_some(slug)
            .ok_or_else(|| wire::error(404, "Organization not found"))
    }

    /// Whether something was changed after what was asked for.
    pub(super) fn is_new(&self, updated_at: i64) -> bool {
        let after = self.request.parameter("updated_after");
        after.is_none_or(|after| iso(updated_at).as_str() > after)
    }

    /// The page that begins behind the cursor; the list is sorted by the same key.
    pub(super) fn page<T>(
        &self,
        all: Vec<T>,
        key: impl Fn(&T) -> (i64, String),
    ) -> Result<Page<T>, Answer> {
        let limit = self.request.parameter("limit");
        let limit = limit.and_then(|limit| limit.parse().ok()).unwrap_or(PAGE);
        let limit = limit.clamp(1, PAGE);
        let behind = match self.request.parameter("cursor") {
            Some(cursor) => Some(read(cursor)?),
            None => None,
        };
        let mut rest: Vec<T> = match behind {
            Some(behind) => all.into_iter().filter(|item| key(item) > behind).collect(),
            None => all,
        };
        let more = rest.len() > limit;
        rest.truncate(limit);
        let last = rest.last().filter(|_| more).map(&key);
        Ok(Page {
            items: rest,
            next: last.map(|(at, id)| format!("{at}.{id}")),
        })
    }

    /// Machines of regions that are silent are left out, and the regions are named.
    pub(super) fn all_machines(&mut self) -> Answered {
        let slug = self.organisation()?;
        let apps = self.state.apps.values();
        let apps = apps.filter(|app| app.organisation == slug);
        let ids = apps.flat_map(|app| &app.machines);
        let machines = ids.filter_map(|id| self.state.machines.get(id));
        let silent = |machine: &&Machine| {
            let region = self.state.regions.get(&machine.region);
            region.is_some_and(|region| region.silent)
        };
        let mut machines: Vec<&Machine> = machines
            .filter(|machine| self.asks_for(machine) && !silent(machine))
            .filter(|machine| self.is_new(machine.updated_at))
            .collect();
        machines.sort_by(|a, b| (a.updated_at, &a.id).cmp(&(b.updated_at, &b.id)));
        let page = self.page(machines, |machine| (machine.updated_at, machine.id.clone()))?;
        let summary = self.flag("summary");
        let list: Vec<Value> = page
            .items
            .iter()
            .map(|machine| show::overview(machine, summary))
            .collect();
        let regions = self.state.regions.values();
        let silent = regions.filter(|region| region.silent);
        let silent: Vec<&String> = silent.map(|region| &region.code).collect();
        let last = page.items.last();
        Ok(Answer::ok(show::without_nulls(json!({
            "machines": list,
            "last_machine_id": last.map(|machine| &machine.id),
            "last_updated_at": last.map(|machine| iso(machine.updated_at)),
            "next_cursor": page.next,
            "error_regions": silent,
        }))))
    }
}

fn read(cursor: &str) -> Result<(i64, String), Answer> {
    let parts = cursor.split_once('.');
    let parsed = parts.and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parsed.ok_or_else(|| wire::invalid(format_args!("invalid cursor {cursor}")))
}
