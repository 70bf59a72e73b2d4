//! The addresses of pages and forms, in one place for templates and routes.
//!
//! | method and path | page or form fields |
//! |---|---|
//! | `GET /` | [`super::apps`]; `?q=` searches |
//! | `GET /{owner}` | [`super::apps`], those of one owner |
//! | `GET /{owner}/{app}` | [`super::app`] |
//! | `GET /{owner}/{app}/settings` | [`super::app_settings`] |
//! | `GET /{owner}/{app}/{environment}` and `/deployments`, `/deployments/{n}`, `/logs`, `/tests`, `/settings` under it | [`super::environment`] |
//! | `GET /-/read/{environment}/{seal}/logs`, `/tests` and `/deployments/{n}/logs/{log}` under it | [`super::environment::reading`], for whoever has the link |
//! | `GET /-/deliveries` | [`super::deliveries`]; `?after=` a delivery's id goes on there |
//! | `GET /-/github` | [`super::github_app`]: the App that the server is |
//! | `GET /-/github/created`, `/-/github/installed` | where GitHub sends the browser back to |
//! | `GET /-/repositories/{id}/apps` | [`super::proposals`] |
//! | `GET /sign-in` | [`super::sign_in`] |
//! | `GET /assets/{name}` | [`super::assets`] |
//! | `POST /{owner}/{app}/{environment}/{cancel,redeploy,stop,start}` | `csrf`, `key` (an idempotency key) |
//! | `POST /{owner}/{app}/settings/values` | `csrf`, `class`, `name`, `text`, `secret` (`on` or absent), `back` (a path of ours) |
//! | `POST /{owner}/{app}/settings/values/delete` | `csrf`, `class`, `name`, `back` |
//! | `POST /{owner}/{app}/settings/description` | `csrf`, `description` |
//! | `POST /{owner}/{app}/settings/remove` | `csrf`, `name` (the app's, typed) |
//! | `POST /{owner}/{app}/bring-back` | `csrf` |
//! | `POST /-/repositories/{id}/apps` | `csrf`, `root` (a folder) |
//! | `POST /-/github/new` | `csrf`, `name` (of the App), `owner` (an organisation, or empty) |
//! | `POST /pull-requests/{repository}/{number}/start` | `csrf` |

use std::fmt::Write as _;

use nestling_domain::{
    environment::Environment,
    ids::{Generation, RepositoryId},
};
use nestling_protocol::log::Log;

/// The list of apps.
pub const APPS: &str = "/";
/// What the forge told. Nobody is called `-`, so it is no page of an owner.
pub const DELIVERIES: &str = "/-/deliveries";

/// The GitHub App that the server is, and how it is made.
pub const GITHUB_APP: &str = "/-/github";
/// Where an App is asked for.
pub const NEW_APP: &str = "/-/github/new";
/// Where GitHub sends the browser when the App is made.
pub const APP_CREATED: &str = "/-/github/created";
/// Where GitHub sends the browser when the App is installed.
pub const APP_INSTALLED: &str = "/-/github/installed";

/// What the forge told before this delivery.
pub fn deliveries_before(id: &str) -> String {
    format!("{DELIVERIES}?after={}", segment(id))
}

/// The apps of one owner.
pub fn owner(owner: &str) -> String {
    format!("/{}", segment(owner))
}

/// Where an app that was removed is brought back.
pub fn bring_back(owner: &str, slug: &str) -> String {
    format!("{}/bring-back", app(owner, slug))
}

/// The apps that a repository holds, and where one of them is recorded.
pub fn apps_of(repository: RepositoryId) -> String {
    format!("/-/repositories/{repository}/apps")
}

/// Where an app is described.
pub fn describe_app(owner: &str, slug: &str) -> String {
    format!("{}/settings/description", app(owner, slug))
}

/// Where an app is removed.
pub fn remove_app(owner: &str, slug: &str) -> String {
    format!("{}/settings/remove", app(owner, slug))
}

/// An app's page.
pub fn app(owner: &str, slug: &str) -> String {
    format!("/{}/{}", segment(owner), segment(slug))
}

/// An app's settings.
pub fn app_settings(owner: &str, slug: &str) -> String {
    format!("{}/settings", app(owner, slug))
}

/// Where a value is put.
pub fn put_value(owner: &str, slug: &str) -> String {
    format!("{}/settings/values", app(owner, slug))
}

/// Where a value is deleted.
pub fn delete_value(owner: &str, slug: &str) -> String {
    format!("{}/settings/values/delete", app(owner, slug))
}

/// Where a waiting pull request is started.
pub fn start_pull_request(repository: RepositoryId, number: u32) -> String {
    format!("/pull-requests/{repository}/{number}/start")
}

/// An environment's page.
pub fn environment(environment: &Environment) -> String {
    format!(
        "{}/{}",
        app(&environment.owner, environment.slug.as_str()),
        environment.kind.name()
    )
}

/// One deployment's page, under its environment's.
pub fn deployment(environment: &str, generation: Generation) -> String {
    format!("{environment}/deployments/{generation}")
}

/// The logs tab, at one log of one deployment.
pub fn log(environment: &str, generation: Generation, log: Log) -> String {
    format!(
        "{environment}/logs?deployment={generation}&log={}",
        log.name()
    )
}

/// Where the API gives a log: JSON lines, or an event stream with `?follow=true`.
pub fn log_lines(environment: &Environment, generation: Generation, log: Log) -> String {
    format!(
        "/v1/apps/{}/{}/environments/{}/deployments/{generation}/logs/{}",
        segment(&environment.owner),
        environment.slug,
        environment.kind.name(),
        log.name()
    )
}

/// One segment of a path; what could end it or leave it is percent-encoded.
fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'~')
            || (byte == b'.' && text.len() > 2)
        {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
