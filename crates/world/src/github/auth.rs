//! Who asks, and what they may do.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    keys::{self, BadJwt},
    state::{Access, Level, State, Token},
    wire::{Answer, Request},
};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    Nobody,
    /// With a JWT.
    App(u64),
    /// With an installation token.
    Installation(Token),
}

impl Who {
    /// As the ledger and the limits call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Who::Nobody => "nobody".into(),
            Who::App(id) => format!("app {id}"),
            Who::Installation(token) => format!("installation {}", token.installation),
        }
    }
}

/// Reads `Authorization`, as the API and git know it.
pub(crate) fn identify(state: &State, request: &Request) -> Result<Who, Answer> {
    let Some(given) = request.header("authorization") else {
        return Ok(Who::Nobody);
    };
    let bad = || Answer::error(401, "Bad credentials");
    let (scheme, value) = given.split_once(' ').ok_or_else(bad)?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => by_token(state, value.trim()),
        "basic" => {
            let decoded = STANDARD.decode(value.trim()).map_err(|_| bad())?;
            let pair = String::from_utf8(decoded).map_err(|_| bad())?;
            let (_, password) = pair.split_once(':').ok_or_else(bad)?;
            by_token(state, password)
        }
        _ => Err(bad()),
    }
}

fn by_token(state: &State, text: &str) -> Result<Who, Answer> {
    if text.starts_with("ghs_") {
        let known = state.tokens.get(text);
        let valid = known.filter(|token| token.expires_at > state.now());
        let token = valid.ok_or_else(|| Answer::error(401, "Bad credentials"))?;
        let home = state.installations.get(&token.installation);
        let home = home.ok_or_else(|| Answer::error(401, "Bad credentials"))?;
        if home.suspended.is_some() {
            return Err(suspended());
        }
        return Ok(Who::Installation(token.clone()));
    }
    if text.split('.').count() == 3 {
        return by_jwt(state, text);
    }
    Err(Answer::error(401, "Bad credentials"))
}

/// What GitHub says while an installation is suspended.
pub(crate) fn suspended() -> Answer {
    Answer::error(403, "This installation has been suspended")
}

fn by_jwt(state: &State, jwt: &str) -> Result<Who, Answer> {
    let undecodable = || Answer::error(401, "A JSON web token could not be decoded");
    let issuer = keys::issuer(jwt).ok_or_else(undecodable)?;
    let is = |id: u64, client: &str| issuer == id.to_string() || issuer == client;
    let mut apps = state.apps.values();
    let app = apps.find(|app| is(app.id, &app.client_id));
    let app = app.ok_or_else(|| Answer::error(404, "Integration not found"))?;
    match app.key.check(jwt, state.now()) {
        Ok(()) => Ok(Who::App(app.id)),
        Err(BadJwt::Undecodable) => Err(undecodable()),
        Err(BadJwt::Expired) => Err(Answer::error(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        )),
        Err(BadJwt::TooLong) => Err(Answer::error(
            401,
            "'Expiration time' claim ('exp') is too far in the future",
        )),
        Err(BadJwt::FromTheFuture) => Err(Answer::error(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        )),
    }
}

/// The App that asks with its JWT; nobody else may.
pub(crate) fn app(who: &Who) -> Result<u64, Answer> {
    match who {
        Who::App(id) => Ok(*id),
        Who::Nobody => Err(Answer::error(401, "Requires authentication")),
        Who::Installation(_) => Err(Answer::error(401, "A JSON web token could not be decoded")),
    }
}

/// The installation that asks with its token; nobody else may.
pub(crate) fn installation(who: &Who) -> Result<&Token, Answer> {
    match who {
        Who::Installation(token) => Ok(token),
        Who::Nobody => Err(Answer::error(401, "Requires authentication")),
        Who::App(_) => Err(inaccessible()),
    }
}

/// What GitHub says when a token lacks a permission.
pub(crate) fn inaccessible() -> Answer {
    Answer::error(403, "Resource not accessible by integration")
}

/// Whether somebody may do this in a repository; or what GitHub says instead.
pub(crate) fn admit(
    state: &State,
    who: &Who,
    repository: u64,
    access: Access,
) -> Result<(), Answer> {
    let known = state.repositories.get(&repository);
    let known = known.ok_or_else(Answer::not_found)?;
    let looks = access.level == Level::Read;
    let refused = || match looks {
        true if !known.private => Ok(()),
        _ if known.private => Err(Answer::not_found()),
        _ => Err(inaccessible()),
    };
    match who {
        Who::Nobody if known.private || looks => refused(),
        Who::Nobody => Err(Answer::error(401, "Requires authentication")),
        Who::App(_) => Err(inaccessible()),
        Who::Installation(token) => {
            if !reaches(state, token, repository) {
                return refused();
            }
            // What was taken from the installation since is taken from its tokens, too.
            let home = state.installations.get(&token.installation);
            let kept = home.is_some_and(|home| access.given_by(&home.permissions));
            if kept && access.given_by(&token.permissions) || looks && !known.private {
                return Ok(());
            }
            Err(accepted(inaccessible(), access))
        }
    }
}

/// Whether the token is for this repository, among others.
pub(crate) fn reaches(state: &State, token: &Token, repository: u64) -> bool {
    let named = token
        .repositories
        .as_ref()
        .is_none_or(|ids| ids.contains(&repository));
    let home = state.installations.get(&token.installation);
    named && home.is_some_and(|home| state.reaches(home, repository))
}

/// As GitHub tells which permission would have done.
fn accepted(answer: Answer, access: Access) -> Answer {
    let level = access.level.name();
    let each: Vec<String> = access
        .any_of
        .iter()
        .map(|name| format!("{name}={level}"))
        .collect();
    answer.with("x-accepted-github-permissions", each.join("; "))
}
