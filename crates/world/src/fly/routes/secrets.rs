//! Secrets of an app: they are written, and read by machines only.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::Asking;
use crate::{
    clock::iso,
    fly::{
        state::{App, Secret},
        wire::{self, Answer, Answered},
    },
};

#[derive(Deserialize)]
struct Values {
    values: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize)]
struct One {
    value: Option<String>,
}

impl Asking<'_> {
    /// Values are never shown: see "Secrets" of the documentation.
    pub(super) fn secrets(&mut self) -> Answered {
        let app = self.reading_secrets()?;
        let secrets: Vec<Value> = app.secrets.now().iter().map(shown).collect();
        Ok(Answer::ok(json!({ "secrets": secrets })))
    }

    pub(super) fn get_secret(&mut self) -> Answered {
        let app = self.reading_secrets()?;
        let found = app.secrets.now().get_key_value(&self.part(3));
        let found = found.ok_or_else(|| wire::error(404, "secret not found"))?;
        Ok(Answer::ok(shown(found)))
    }

    fn reading_secrets(&self) -> Result<&App, Answer> {
        let app = self.app()?;
        let wanted = self.request.parameter("min_version");
        let wanted: Option<u64> = wanted.and_then(|wanted| wanted.parse().ok());
        if wanted.is_some_and(|wanted| wanted > app.secrets.version()) {
            let words = "min_version is not yet available on this app";
            return Err(wire::error(412, words));
        }
        Ok(app)
    }

    /// Null takes a secret away. All of it happens at once.
    pub(super) fn update_secrets(&mut self) -> Answered {
        self.app_mut()?;
        let asked: Values = wire::body(self.request)?;
        let changes = asked.values.unwrap_or_default();
        let version = self.change_secrets(&changes)?;
        let secrets: Vec<Value> = self.app()?.secrets.now().iter().map(shown).collect();
        Ok(Answer::ok(
            json!({ "version": version, "secrets": secrets }),
        ))
    }

    pub(super) fn set_secret(&mut self) -> Answered {
        let name = self.part(3);
        self.app_mut()?;
        let asked: One = wire::body(self.request)?;
        let value = asked
            .value
            .ok_or_else(|| wire::invalid("value is required"))?;
        let version = self.change_secrets(&[(name.clone(), Some(value))].into())?;
        let app = self.app()?;
        let found = app.secrets.now().get_key_value(&name);
        let mut answer = shown(found.ok_or_else(|| wire::error(404, "secret not found"))?);
        answer["version"] = json!(version);
        Ok(Answer::created(answer))
    }

    pub(super) fn delete_secret(&mut self) -> Answered {
        let name = self.part(3);
        if !self.app_mut()?.secrets.now().contains_key(&name) {
            return Err(wire::error(404, "secret not found"));
        }
        let version = self.change_secrets(&[(name, None)].into())?;
        Ok(Answer::ok(json!({ "version": version })))
    }

    fn change_secrets(
        &mut self,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<u64, Answer> {
        if let Some(bad) = changes.keys().find(|name| !is_secret_name(name)) {
            let words = format!("\"{bad}\" is not the name of a secret");
            return Err(wire::invalid(words));
        }
        let now = self.state.now();
        let version = self.app_mut()?.secrets.change(changes, now);
        for name in changes.keys() {
            self.wrote(name, BTreeMap::new());
        }
        Ok(version)
    }
}

/// It becomes the name of a variable.
fn is_secret_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let digit = |byte: &u8| byte.is_ascii_digit();
    !name.is_empty() && name.bytes().all(fits) && !name.as_bytes().first().is_some_and(digit)
}

fn shown((name, secret): (&String, &Secret)) -> Value {
    json!({
        "name": name,
        "digest": secret.digest,
        "created_at": iso(secret.created_at),
        "updated_at": iso(secret.updated_at),
    })
}
