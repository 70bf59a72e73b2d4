//! The pages on which a person installs an App.

use std::collections::BTreeSet;

use super::{Asking, manifests::escaped};
use crate::github::{
    state::{App, Selection},
    wire::{Answer, Answered},
};

impl Asking<'_> {
    /// The page with a button for each account that has a repository.
    pub(super) fn installing(&self, slug: &str) -> Answered {
        let app = self.by_slug(slug)?;
        let owners: BTreeSet<&str> = self
            .state
            .repositories
            .values()
            .map(|home| home.owner.as_str())
            .collect();
        let button = |owner: &&str| {
            let owner = escaped(owner);
            format!("<p><button name=\"account\" value=\"{owner}\">Install on {owner}</button></p>")
        };
        let buttons: String = owners.iter().map(button).collect();
        let name = escaped(&app.name);
        let slug = escaped(slug);
        Ok(Answer::other(
            "text/html; charset=utf-8",
            format!(
                "<!doctype html><title>Install {name}</title><h1>Install {name}</h1>\
                 <form method=\"post\" action=\"/apps/{slug}/installations\">{buttons}</form>"
            ),
        ))
    }

    /// The button was pressed: the browser goes where the App wants it.
    pub(super) fn install(&mut self, slug: &str) -> Answered {
        let app = self.by_slug(slug)?;
        let (id, setup) = (app.id, app.setup_url.clone());
        let mut form = url::form_urlencoded::parse(&self.request.body);
        let account = form
            .find(|(name, _)| name == "account")
            .map(|(_, account)| account.into_owned());
        let account = account.ok_or_else(|| Answer::unprocessable("account is needed"))?;
        let installed = self.state.install(id, &account, Selection::All);
        let installed = installed.map_err(|error| Answer::unprocessable(&error.to_string()))?;
        if setup.is_empty() {
            return Ok(Answer::other(
                "text/html; charset=utf-8",
                "<!doctype html><h1>Installed</h1>",
            ));
        }
        let joint = if setup.contains('?') { '&' } else { '?' };
        let to = format!("{setup}{joint}installation_id={installed}&setup_action=install");
        let answer = Answer::other("text/html; charset=utf-8", "");
        Ok(Answer {
            status: 302,
            ..answer
        }
        .with("location", to))
    }

    fn by_slug(&self, slug: &str) -> Result<&App, Answer> {
        let found = self.state.apps.values().find(|app| app.slug == slug);
        found.ok_or_else(Answer::not_found)
    }
}
