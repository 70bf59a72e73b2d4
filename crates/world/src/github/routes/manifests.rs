//! Apps made from a manifest: the page where a person agrees, and the code that is turned into keys.

use serde_json::{Value, json};

use super::{Asking, text};
use crate::github::{
    state::{Level, Permissions},
    wire::{Answer, Answered},
};

impl Asking<'_> {
    /// The form that a dashboard sends by the person's browser; the answer is the page where they agree.
    pub(super) fn propose_app(&mut self, organisation: Option<&str>) -> Answered {
        let form = url::form_urlencoded::parse(&self.request.body).into_owned();
        let form: std::collections::BTreeMap<String, String> = form.collect();
        let manifest = form
            .get("manifest")
            .and_then(|text| serde_json::from_str::<Value>(text).ok());
        let manifest =
            manifest.ok_or_else(|| Answer::error(422, "Invalid GitHub App configuration"))?;
        let back = text(&manifest, "redirect_url")
            .unwrap_or_default()
            .to_owned();
        if !back.starts_with("http") {
            return Err(Answer::error(
                422,
                "Invalid GitHub App configuration: redirect_url is needed",
            ));
        }
        let code = self.state.letters(40);
        let mut kept = manifest.clone();
        kept["owner"] = json!(organisation.unwrap_or("octocat"));
        self.state.manifests.insert(code.clone(), kept);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code);
        let state = form
            .get("state")
            .or_else(|| self.request.query.get("state"));
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        let joint = if back.contains('?') { '&' } else { '?' };
        let link = escaped(&format!("{back}{joint}{}", query.finish()));
        let name = escaped(text(&manifest, "name").unwrap_or_default());
        Ok(Answer::other(
            "text/html; charset=utf-8",
            format!(
                "<!doctype html><title>Create GitHub App</title><h1>Create GitHub App</h1><p>{name}</p>\
                 <p><a id=\"create\" href=\"{link}\">Create GitHub App for me</a></p>"
            ),
        ))
    }

    pub(super) fn convert_manifest(&mut self, code: &str) -> Answered {
        // A code is good for once.
        let manifest = self
            .state
            .manifests
            .remove(code)
            .ok_or_else(Answer::not_found)?;
        let wanted = manifest
            .get("default_permissions")
            .and_then(Value::as_object);
        let permissions: Permissions = wanted
            .into_iter()
            .flatten()
            .filter_map(|(name, level)| Some((name.clone(), Level::parse(level.as_str()?)?)))
            .collect();
        let events = manifest.get("default_events").and_then(Value::as_array);
        let events: Vec<&str> = events
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let name = text(&manifest, "name").unwrap_or("An App");
        let owner = text(&manifest, "owner").unwrap_or("octocat");
        let failed = |_| Answer::error(500, "Server Error");
        let id = self
            .state
            .register_app(owner, name, permissions, &events)
            .map_err(failed)?;
        let hook = manifest
            .pointer("/hook_attributes/url")
            .and_then(Value::as_str);
        let app = self.state.apps.get_mut(&id).ok_or_else(Answer::not_found)?;
        hook.unwrap_or_default().clone_into(&mut app.webhook_url);
        let setup = text(&manifest, "setup_url").unwrap_or_default();
        setup.clone_into(&mut app.setup_url);
        let (secret, pem) = (app.webhook_secret.clone(), app.key.pem().map_err(failed)?);
        let client_secret = self.state.letters(40);
        let app = self.state.apps.get(&id).ok_or_else(Answer::not_found)?;
        let mut shown = self.state.show_app(app);
        shown["client_secret"] = json!(client_secret);
        shown["webhook_secret"] = json!(secret);
        shown["pem"] = json!(pem);
        Ok(Answer::created(shown))
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
