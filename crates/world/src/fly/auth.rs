//! Who asks, and what they may touch.

use super::{
    state::{App, Hidden, State, Token},
    wire::{self, Answer, Request},
};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) token: Token,
}

/// Reads `Authorization`: `Bearer TOKEN`, or `FlyV1 TOKEN` as tokens are shown to people, or both.
pub(crate) fn identify(state: &State, request: &Request) -> Result<Who, Answer> {
    let given = request.header("authorization").unwrap_or_default();
    let (scheme, rest) = given.split_once(' ').unwrap_or(("", given));
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("flyv1") {
        return Err(wire::bad_token());
    }
    let letters = rest.trim().trim_start_matches("FlyV1 ");
    let token = token(state, letters).ok_or_else(wire::bad_token)?.clone();
    Ok(Who { token })
}

/// The token of these letters, if it holds.
pub(crate) fn token<'a>(state: &'a State, letters: &str) -> Option<&'a Token> {
    let known = state.tokens.get(&Hidden::of(letters));
    known.filter(|token| token.expires_at.is_none_or(|end| end > state.now()))
}

impl Who {
    /// Whether they may touch the app.
    pub(crate) fn reaches(&self, app: &App) -> bool {
        let named = self.token.apps.as_ref();
        let named = named.is_none_or(|apps| apps.contains(&app.name));
        named && app.organisation == self.token.organisation
    }

    /// Whether they may touch all of the organisation.
    pub(crate) fn is_of(&self, organisation: &str) -> bool {
        self.token.apps.is_none() && self.token.organisation == organisation
    }
}
