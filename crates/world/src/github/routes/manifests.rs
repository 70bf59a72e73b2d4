//! Apps made from a manifest: the page where a person agrees, and the code that is turned into keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Asking, text};
use crate::github::{
    state::{Level, Permissions},
    wire::{Answer, Answered},
};

/// How long a code is good.
const CODE_MS: i64 = 3_600_000;
/// GitHub takes no longer name of an App, in characters.
const LONGEST_NAME: usize = 34;
/// Who is signed in, as far as these pages are concerned.
const PERSON: &str = "octocat";

/// An App that a person agreed to, until its keys are taken.
#[derive(Debug)]
pub(crate) struct Agreed {
    manifest: Value,
    owner: String,
    name: String,
    at: i64,
}

type Form = BTreeMap<String, String>;

impl Asking<'_> {
    /// The form that a dashboard sends by the person's browser; the answer is the page where they agree.
    pub(super) fn propose_app(&self, organisation: Option<&str>) -> Answered {
        let form = self.form();
        let manifest = manifest(&form)?;
        let state = form
            .get("state")
            .or_else(|| self.request.query.get("state"));
        let name = text(&manifest, "name").unwrap_or_default();
        let state = state.map_or("", String::as_str);
        Ok(agreeing(organisation, &manifest, name, state, None))
    }

    /// The person agreed: the browser goes back with a code.
    pub(super) fn agree_to_app(&mut self, organisation: Option<&str>) -> Answered {
        let form = self.form();
        let manifest = manifest(&form)?;
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let (name, state) = (field("name").to_owned(), field("state"));
        let taken = self.state.apps.values().any(|app| app.name == name);
        let wrong = if name.is_empty() || name.chars().count() > LONGEST_NAME {
            Some("Name must have 1 to 34 characters")
        } else if taken {
            Some("Name has already been taken")
        } else {
            None
        };
        if wrong.is_some() {
            return Ok(agreeing(organisation, &manifest, &name, state, wrong));
        }
        let back = text(&manifest, "redirect_url").unwrap_or_default();
        let code = self.state.letters(40);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code);
        if !state.is_empty() {
            query.append_pair("state", state);
        }
        let joint = if back.contains('?') { '&' } else { '?' };
        let to = format!("{back}{joint}{}", query.finish());
        let agreed = Agreed {
            owner: organisation.unwrap_or(PERSON).to_owned(),
            at: self.state.now(),
            manifest,
            name,
        };
        self.state.manifests.insert(code, agreed);
        let answer = Answer::other("text/html; charset=utf-8", "");
        Ok(Answer {
            status: 302,
            ..answer
        }
        .with("location", to))
    }

    fn form(&self) -> Form {
        url::form_urlencoded::parse(&self.request.body)
            .into_owned()
            .collect()
    }

    pub(super) fn convert_manifest(&mut self, code: &str) -> Answered {
        // A code is good for once, and for an hour.
        let agreed = self.state.manifests.remove(code);
        let now = self.state.now();
        let agreed = agreed.filter(|agreed| now - agreed.at < CODE_MS);
        let agreed = agreed.ok_or_else(Answer::not_found)?;
        let manifest = &agreed.manifest;
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
        let failed = |_| Answer::error(500, "Server Error");
        let id = self
            .state
            .register_app(&agreed.owner, &agreed.name, permissions, &events)
            .map_err(failed)?;
        let hook = manifest.get("hook_attributes");
        let sends = hook.filter(|hook| hook.get("active") != Some(&json!(false)));
        let app = self.state.apps.get_mut(&id).ok_or_else(Answer::not_found)?;
        let url = sends.and_then(|hook| text(hook, "url")).unwrap_or_default();
        url.clone_into(&mut app.webhook_url);
        let setup = text(manifest, "setup_url").unwrap_or_default();
        setup.clone_into(&mut app.setup_url);
        let secret = hook.map(|_| app.webhook_secret.clone());
        let pem = app.key.pem().map_err(failed)?;
        let client_secret = self.state.letters(40);
        let app = self.state.apps.get(&id).ok_or_else(Answer::not_found)?;
        let mut shown = self.state.show_app(app);
        shown["client_secret"] = json!(client_secret);
        shown["webhook_secret"] = json!(secret);
        shown["pem"] = json!(pem);
        Ok(Answer::created(shown))
    }
}

/// The manifest of a form, held against what GitHub takes.
fn manifest(form: &Form) -> Result<Value, Answer> {
    let read = form
        .get("manifest")
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    let manifest = read.ok_or_else(|| invalid("it is no JSON"))?;
    let is_there = |place: &str| {
        let found = manifest.pointer(place).and_then(Value::as_str);
        found.is_some_and(|url| url.starts_with("http"))
    };
    let has = |place: &str| manifest.get(place).is_some();
    if !is_there("/url") || (has("hook_attributes") && !is_there("/hook_attributes/url")) {
        return Err(invalid("Error \"url\" wasn't supplied."));
    }
    if !is_there("/redirect_url") {
        return Err(invalid("Error \"redirect_url\" wasn't supplied."));
    }
    // GitHub also takes no address of this machine as a hook; the model does, since that is where stories are.
    let events = manifest.get("default_events").and_then(Value::as_array);
    if events.is_some_and(|events| !events.is_empty()) && !has("hook_attributes") {
        return Err(invalid("Hook url cannot be blank"));
    }
    Ok(manifest)
}

/// The page where the person sees what is to be made, and may change its name.
fn agreeing(
    organisation: Option<&str>,
    manifest: &Value,
    name: &str,
    state: &str,
    wrong: Option<&str>,
) -> Answer {
    let action = match organisation {
        Some(organisation) => format!("/organizations/{}/settings/apps", escaped(organisation)),
        None => "/settings/apps".to_owned(),
    };
    let owner = escaped(organisation.unwrap_or(PERSON));
    let (manifest, name, state) = (
        escaped(&manifest.to_string()),
        escaped(name),
        escaped(state),
    );
    let wrong_words = wrong.map(|wrong| format!("<p role=\"alert\">{wrong}</p>"));
    let answer = Answer::other(
        "text/html; charset=utf-8",
        format!(
            "<!doctype html><title>Create GitHub App</title><h1>Create GitHub App for {owner}</h1>{}\
             <form method=\"post\" action=\"{action}\">\
             <input type=\"hidden\" name=\"manifest\" value=\"{manifest}\"><input type=\"hidden\" name=\"state\" value=\"{state}\">\
             <p><label>GitHub App name <input name=\"name\" value=\"{name}\"></label></p>\
             <p><button>Create GitHub App for {owner}</button></p></form>",
            wrong_words.unwrap_or_default()
        ),
    );
    let status = if wrong.is_some() { 422 } else { 200 };
    Answer { status, ..answer }
}

fn invalid(why: &str) -> Answer {
    let answer = Answer::other(
        "text/html; charset=utf-8",
        format!(
            "<!doctype html><h1>Invalid GitHub App configuration</h1><p>The configuration does not appear to be a valid GitHub App manifest. {why}</p>"
        ),
    );
    Answer {
        status: 422,
        ..answer
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
