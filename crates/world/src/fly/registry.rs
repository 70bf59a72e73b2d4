//! The registry of images, at the same address as the API: whether it has one, for whoever shows a token as `fly auth docker` has Docker show it
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{
    auth,
    state::State,
    wire::{Answer, Request},
};

/// The name under which Docker shows a token of Fly.
const NAME: &str = "x:";
/// What an image is described by.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The answer to who looks for an image; `None` if it is for Fly's API.
pub(crate) fn answer(state: &State, request: &Request) -> Option<Answer> {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let ["v2", name @ .., "manifests", version] = segments.as_slice() else {
        return None;
    };
    if !is_known(state, request) {
        let refused = said(401, "UNAUTHORIZED", "authentication required");
        return Some(refused.with("www-authenticate", "Basic realm=\"Fly\""));
    }
    let registry = state.base.trim_start_matches("http://");
    let image = format!("{registry}/{}:{version}", name.join("/"));
    if state.missing_images.contains(&image) {
        return Some(said(404, "MANIFEST_UNKNOWN", "manifest unknown"));
    }
    Some(Answer::other(MANIFEST, "{}"))
}

/// Whether whoever asks shows a token that holds.
fn is_known(state: &State, request: &Request) -> bool {
    let shown = request.header("authorization").unwrap_or_default();
    let shown = shown.strip_prefix("Basic ").unwrap_or_default();
    let shown = STANDARD.decode(shown).unwrap_or_default();
    let shown = String::from_utf8_lossy(&shown);
    let letters = shown.strip_prefix(NAME);
    letters.is_some_and(|letters| auth::token(state, letters).is_some())
}

fn said(status: u16, code: &str, words: &str) -> Answer {
    let errors = json!({ "errors": [{ "code": code, "message": words }] });
    Answer::json(status, errors)
}
