//! Apps are made, installed and taken away.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::github::{
    keys::Key,
    show,
    state::{App, Installation, Permissions, Selection, State},
};

/// Letters of a webhook secret.
const SECRET: usize = 40;

impl State {
    /// Makes an App, with a fresh key and a webhook secret, and without an address for webhooks.
    pub fn register_app(
        &mut self,
        owner: &str,
        name: &str,
        permissions: Permissions,
        events: &[&str],
    ) -> Result<u64> {
        self.account(owner);
        let words = name.to_lowercase();
        let words = words.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let slug = words.join("-");
        let taken = self.apps.values().any(|app| app.slug == slug);
        ensure!(
            !taken && !slug.is_empty(),
            "there is an App called {name}, or that is no name"
        );
        // Numbers of Apps are small.
        let id = 1_000_001 + self.apps.len() as u64;
        let app = App {
            id,
            client_id: format!("Iv23li{}", self.letters(14)),
            slug,
            name: name.to_owned(),
            owner: owner.to_owned(),
            permissions,
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            setup_url: String::new(),
            webhook_url: String::new(),
            webhook_secret: self.letters(SECRET),
            hook_id: self.next_id(),
            bot_id: self.next_id(),
            created_at: self.now(),
            key: self.app_key()?,
        };
        self.apps.insert(id, app);
        Ok(id)
    }

    /// The private half of the App's key, in PEM, as it is downloaded once.
    pub fn private_key(&self, app: u64) -> Result<String> {
        self.app(app)?.key.pem()
    }

    /// A JWT of these claims, signed with the App's key: for a story that asks as the App.
    pub fn sign(&self, app: u64, claims: &Value) -> Result<String> {
        self.app(app)?.key.sign(claims)
    }

    /// Gives the App another key: what is signed with the old one is not taken any more.
    pub fn revoke_key(&mut self, app: u64) -> Result<()> {
        let key = Key::generate()?;
        self.apps
            .get_mut(&app)
            .with_context(|| format!("no App {app}"))?
            .key = key;
        Ok(())
    }

    /// Sets where the App's webhooks go, as in its settings.
    pub fn set_webhook_url(&mut self, app: u64, url: &str) -> Result<()> {
        let found = self.apps.get_mut(&app);
        url.clone_into(&mut found.with_context(|| format!("no App {app}"))?.webhook_url);
        Ok(())
    }

    /// Installs the App at an account, for all its repositories or for those with these numbers.
    pub fn install(&mut self, app: u64, account: &str, selection: Selection) -> Result<u64> {
        let permissions = self.app(app)?.permissions.clone();
        self.account(account);
        let twice = self
            .installations
            .values()
            .any(|one| one.app == app && one.account == account);
        ensure!(!twice, "App {app} is installed at {account}");
        let id = self.next_id();
        let installation = Installation {
            id,
            app,
            account: account.to_owned(),
            selection,
            permissions,
            suspended: None,
            created_at: self.now(),
        };
        self.installations.insert(id, installation);
        self.tell_of_installation(id, "created");
        Ok(id)
    }

    /// Takes the App away from an account; its tokens are void at once.
    pub fn uninstall(&mut self, id: u64) -> Result<()> {
        self.installed(id)?;
        self.tell_of_installation(id, "deleted");
        self.installations.remove(&id);
        self.tokens.retain(|_, token| token.installation != id);
        Ok(())
    }

    /// Suspends the installation.
    pub fn suspend(&mut self, id: u64) -> Result<()> {
        let now = self.now();
        self.installed(id)?.suspended = Some(now);
        self.tell_of_installation(id, "suspend");
        Ok(())
    }

    /// Ends the suspension.
    pub fn unsuspend(&mut self, id: u64) -> Result<()> {
        self.installed(id)?.suspended = None;
        self.tell_of_installation(id, "unsuspend");
        Ok(())
    }

    /// Adds a repository to the selected ones.
    pub fn select(&mut self, id: u64, repository: u64) -> Result<()> {
        self.repository(repository)?;
        let selected = self.selected(id)?;
        ensure!(
            selected.insert(repository),
            "repository {repository} is selected already"
        );
        self.tell_of_selection(id, repository, "added");
        Ok(())
    }

    /// Takes a repository out of the selected ones.
    pub fn deselect(&mut self, id: u64, repository: u64) -> Result<()> {
        let selected = self.selected(id)?;
        ensure!(
            selected.remove(&repository),
            "repository {repository} is not selected"
        );
        self.tell_of_selection(id, repository, "removed");
        Ok(())
    }

    /// Changes what was granted, as when the owner has not agreed to more yet.
    pub fn grant(&mut self, id: u64, permissions: Permissions) -> Result<()> {
        self.installed(id)?.permissions = permissions;
        Ok(())
    }

    /// The owner agrees to what the App asks for by now.
    pub fn accept_permissions(&mut self, id: u64) -> Result<()> {
        let app = self.installed(id)?.app;
        let asked = self.app(app)?.permissions.clone();
        self.installed(id)?.permissions = asked;
        self.tell_of_installation(id, "new_permissions_accepted");
        Ok(())
    }

    /// Makes all tokens void, as GitHub does when one was found where it should not be.
    pub fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Requests an hour that each installation may make.
    pub fn set_rate_limit(&mut self, requests: u32) {
        self.limits.set_primary(requests);
    }

    /// What people see may be written as often as one likes: for a story of many lives in one minute.
    pub fn allow_all_writes(&mut self) {
        self.limits.write_freely();
    }

    fn installed(&mut self, id: u64) -> Result<&mut Installation> {
        self.installations
            .get_mut(&id)
            .with_context(|| format!("no installation {id}"))
    }

    fn selected(&mut self, id: u64) -> Result<&mut BTreeSet<u64>> {
        match &mut self.installed(id)?.selection {
            Selection::Selected(ids) => Ok(ids),
            Selection::All => anyhow::bail!("installation {id} reaches all repositories"),
        }
    }

    fn tell_of_installation(&mut self, id: u64, action: &str) {
        let Some(installation) = self.installations.get(&id) else {
            return;
        };
        let by = installation.account.clone();
        let ids = self.reach(installation);
        let listed: Value = ids.iter().filter_map(|id| self.listed(*id)).collect();
        let mut payload = json!({ "action": action, "repositories": listed });
        if action == "created" {
            payload["requester"] = Value::Null;
        }
        self.announce_installation("installation", id, &by, payload);
    }

    fn tell_of_selection(&mut self, id: u64, repository: u64, action: &str) {
        let Some(installation) = self.installations.get(&id) else {
            return;
        };
        let by = installation.account.clone();
        let selection = show::selection(&installation.selection);
        let listed: Value = self.listed(repository).into_iter().collect();
        let (added, removed) = match action {
            "added" => (listed, json!([])),
            _ => (json!([]), listed),
        };
        let payload = json!({
            "action": action,
            "repository_selection": selection,
            "repositories_added": added,
            "repositories_removed": removed,
            "requester": null,
        });
        self.announce_installation("installation_repositories", id, &by, payload);
    }

    fn listed(&self, repository: u64) -> Option<Value> {
        let found = self.repositories.get(&repository)?;
        Some(show::show_listed_repository(found))
    }
}
