//! A repository, and what somebody may do in it.

use serde_json::json;

use super::{Asking, METADATA};
use crate::github::{
    auth::{self, Who},
    state::Role,
    wire::{Answer, Answered},
};

impl Asking<'_> {
    pub(super) fn repository(&self, id: u64) -> Answered {
        self.admit(id, METADATA)?;
        let mut shown = self.state.show_full_repository(self.at(id)?);
        if let Who::Installation(token) = &self.who
            && auth::reaches(self.state, token, id)
        {
            // What an App has here is said by its token, not by this old field.
            shown["permissions"] = json!({
                "admin": false, "maintain": false, "push": false, "triage": false, "pull": false,
            });
        }
        Ok(Answer::ok(shown))
    }

    pub(super) fn permission(&self, id: u64, login: &str) -> Answered {
        auth::installation(&self.who)?;
        self.admit(id, METADATA)?;
        let repository = self.at(id)?;
        let account = self
            .state
            .known_account(login)
            .map_err(|_| Answer::not_found())?;
        let role = repository.role(&account.login);
        let name = role.map_or("none", Role::name);
        let mut user = self.state.show_login(&account.login);
        let at_least = |least: Role| role.is_some_and(|role| role >= least);
        user["role_name"] = json!(name);
        user["permissions"] = json!({
            "pull": at_least(Role::Read),
            "triage": at_least(Role::Triage),
            "push": at_least(Role::Write),
            "maintain": at_least(Role::Maintain),
            "admin": at_least(Role::Admin),
        });
        Ok(Answer::ok(json!({
            "permission": role.map_or("none", Role::permission),
            "role_name": name,
            "user": user,
        })))
    }
}
