//! The App, its installations and their tokens.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Asking, number};
use crate::github::{
    auth,
    clock::iso,
    keys, show,
    state::{Installation, Level, Permissions, Token},
    wire::{Answer, Answered, page},
};

/// A token lives an hour.
const LIFE_MS: i64 = 3_600_000;

impl Asking<'_> {
    pub(super) fn app(&self) -> Answered {
        let id = auth::app(&self.who)?;
        let app = self.state.apps.get(&id).ok_or_else(Answer::not_found)?;
        let installed = self.state.installations.values();
        let installed = installed
            .filter(|installation| installation.app == id)
            .count();
        let mut shown = self.state.show_app(app);
        shown["installations_count"] = json!(installed);
        Ok(Answer::ok(shown))
    }

    pub(super) fn installations(&self) -> Answered {
        let id = auth::app(&self.who)?;
        let ours = self.state.installations.values();
        let ours = ours.filter(|installation| installation.app == id);
        let shown = ours.map(|installation| self.state.show_installation(installation));
        Ok(page(self.request, &self.state.base, shown.collect()).answer())
    }

    pub(super) fn installation(&self, id: &str) -> Answered {
        let found = self.ours(id)?;
        Ok(Answer::ok(self.state.show_installation(found)))
    }

    pub(super) fn installation_of_repository(&self, owner: &str, name: &str) -> Answered {
        let app = auth::app(&self.who)?;
        let repository = self
            .state
            .named(owner, name)
            .ok_or_else(Answer::not_found)?;
        let mut ours = self.state.installations.values();
        let found = ours.find(|installation| {
            installation.app == app && self.state.reaches(installation, repository.id)
        });
        let found = found.ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(self.state.show_installation(found)))
    }

    pub(super) fn create_token(&mut self, id: &str) -> Answered {
        let installation = self.ours(id)?.clone();
        if installation.suspended.is_some() {
            return Err(auth::suspended());
        }
        let body = self.request.json()?;
        let repositories = self.narrowed_repositories(&installation, &body)?;
        let permissions = narrowed_permissions(&installation, &body)?;
        let letters = self.state.letters(keys::TOKEN_LETTERS);
        let text = keys::installation_token(installation.app, &letters);
        let expires_at = self.state.now() + LIFE_MS;
        let mut shown = json!({
            "token": text,
            "expires_at": iso(expires_at),
            "permissions": show::permissions(&permissions),
            "repository_selection": if repositories.is_some() { "selected" } else { show::selection(&installation.selection) },
        });
        if let Some(ids) = &repositories {
            let named = ids.iter().filter_map(|id| self.state.repositories.get(id));
            let named = named.map(|repository| self.state.show_repository(repository));
            shown["repositories"] = named.collect();
        }
        let token = Token {
            installation: installation.id,
            repositories,
            permissions,
            expires_at,
        };
        self.state.tokens.insert(text, token);
        Ok(Answer::created(shown))
    }

    pub(super) fn revoke_token(&mut self) -> Answered {
        auth::installation(&self.who)?;
        let given = self.request.header("authorization").unwrap_or_default();
        let text = given.split(' ').next_back().unwrap_or_default().to_owned();
        self.state.tokens.remove(&text);
        Ok(Answer::empty())
    }

    pub(super) fn installation_repositories(&self) -> Answered {
        let token = auth::installation(&self.who)?;
        let home = self.state.installations.get(&token.installation);
        let home = home.ok_or_else(Answer::not_found)?;
        let ids = self.state.reach(home);
        let ids = ids
            .into_iter()
            .filter(|id| auth::reaches(self.state, token, *id));
        let known = ids.filter_map(|id| self.state.repositories.get(&id));
        let shown: Vec<Value> = known
            .map(|known| self.state.show_repository(known))
            .collect();
        let total = shown.len();
        let mut answer = page(self.request, &self.state.base, shown).counted("repositories", total);
        if let crate::github::wire::Body::Json(body) = &mut answer.body {
            body["repository_selection"] = json!(show::selection(&home.selection));
        }
        Ok(answer)
    }

    /// An installation of the App that asks.
    fn ours(&self, id: &str) -> Result<&Installation, Answer> {
        let app = auth::app(&self.who)?;
        let found = self.state.installations.get(&number(id)?);
        let found = found.filter(|installation| installation.app == app);
        found.ok_or_else(Answer::not_found)
    }

    fn narrowed_repositories(
        &self,
        installation: &Installation,
        body: &Value,
    ) -> Result<Option<BTreeSet<u64>>, Answer> {
        let mut wanted = BTreeSet::new();
        let missing = || {
            Answer::unprocessable(
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            )
        };
        let list = |field: &str| body.get(field).and_then(Value::as_array);
        for id in list("repository_ids").into_iter().flatten() {
            wanted.insert(id.as_u64().ok_or_else(missing)?);
        }
        for name in list("repositories").into_iter().flatten() {
            let name = name.as_str().ok_or_else(missing)?;
            let found = self.state.named(&installation.account, name);
            wanted.insert(found.ok_or_else(missing)?.id);
        }
        let reached = |id: &u64| match self.state.repositories.get(id) {
            Some(_) => self.state.reaches(installation, *id),
            None => false,
        };
        if !wanted.iter().all(reached) {
            return Err(missing());
        }
        let named = list("repository_ids").is_some() || list("repositories").is_some();
        Ok(named.then_some(wanted))
    }
}

fn narrowed_permissions(installation: &Installation, body: &Value) -> Result<Permissions, Answer> {
    let Some(wanted) = body.get("permissions").and_then(Value::as_object) else {
        return Ok(installation.permissions.clone());
    };
    let refused =
        || Answer::unprocessable("The permissions requested are not granted to this installation.");
    let mut narrowed = Permissions::new();
    for (name, level) in wanted {
        let level = level.as_str().and_then(Level::parse).ok_or_else(refused)?;
        let granted = installation.permissions.get(name).ok_or_else(refused)?;
        if level > *granted {
            return Err(refused());
        }
        narrowed.insert(name.clone(), level);
    }
    // Every token may look at metadata, asked for or not.
    narrowed.entry("metadata".into()).or_insert(Level::Read);
    Ok(narrowed)
}
