//! Apps, installations, tokens and deliveries.

use serde_json::{Map, Value, json};

use super::{moment, node};
use crate::github::{
    clock::iso,
    state::{App, Delivery, Installation, Permissions, Selection, State},
};

impl State {
    pub(crate) fn show_app(&self, app: &App) -> Value {
        json!({
            "id": app.id,
            "client_id": app.client_id,
            "slug": app.slug,
            "node_id": node("A_", app.id),
            "owner": self.show_login(&app.owner),
            "name": app.name,
            "description": "",
            "external_url": format!("{}/apps/{}", self.base, app.slug),
            "html_url": format!("{}/apps/{}", self.base, app.slug),
            "created_at": iso(app.created_at),
            "updated_at": iso(app.created_at),
            "permissions": permissions(&app.permissions),
            "events": app.events,
        })
    }

    pub(crate) fn show_installation(&self, installation: &Installation) -> Value {
        let id = installation.id;
        let app = self.apps.get(&installation.app);
        let account = self.show_login(&installation.account);
        let selection = selection(&installation.selection);
        json!({
            "id": id,
            "client_id": app.map(|app| &app.client_id),
            "account": account,
            "repository_selection": selection,
            "access_tokens_url": format!("{}/app/installations/{id}/access_tokens", self.base),
            "repositories_url": format!("{}/installation/repositories", self.base),
            "html_url": format!("{}/settings/installations/{id}", self.base),
            "app_id": installation.app,
            "app_slug": app.map(|app| &app.slug),
            "target_id": account["id"],
            "target_type": account["type"],
            "permissions": permissions(&installation.permissions),
            "events": app.map(|app| &app.events),
            "created_at": iso(installation.created_at),
            "updated_at": iso(installation.suspended.unwrap_or(installation.created_at)),
            "single_file_name": null,
            "has_multiple_single_files": false,
            "single_file_paths": [],
            "suspended_by": installation.suspended.map(|_| account.clone()),
            "suspended_at": moment(installation.suspended),
        })
    }

    /// With all that was said.
    pub(crate) fn show_full_delivery(&self, delivery: &Delivery) -> Value {
        let mut shown = show_delivery(delivery);
        let url = self
            .apps
            .get(&delivery.app)
            .map(|app| app.webhook_url.clone());
        let sent = delivery.sent.as_ref();
        let headers: Map<String, Value> = sent
            .into_iter()
            .flat_map(|sent| &sent.headers)
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        shown["url"] = json!(url.unwrap_or_default());
        shown["request"] = json!({ "headers": headers, "payload": delivery.payload });
        shown["response"] = json!({
            "headers": {},
            "payload": sent.map_or("", |sent| sent.answer.as_str()),
        });
        shown
    }
}

/// As the log lists it.
pub(crate) fn show_delivery(delivery: &Delivery) -> Value {
    let sent = delivery.sent.as_ref();
    json!({
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": iso(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": sent.map_or(0.0, |sent| sent.duration),
        "status": sent.map_or("pending", |sent| sent.words.as_str()),
        "status_code": sent.and_then(|sent| sent.status).unwrap_or(0),
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation,
        "repository_id": delivery.repository,
        "throttled_at": null,
    })
}

pub(crate) fn permissions(permissions: &Permissions) -> Value {
    let each = permissions.iter();
    let each = each.map(|(name, level)| (name.clone(), json!(level.name())));
    Value::Object(each.collect())
}

pub(crate) fn selection(selection: &Selection) -> &'static str {
    match selection {
        Selection::All => "all",
        Selection::Selected(_) => "selected",
    }
}
