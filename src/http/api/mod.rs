//! The REST API: `/v1/…`. What is registered here is documented, at `/v1/openapi.json`, from the same line.
//!
//! Reads go to the stores; orders go to the actors and are answered after the save. Every error is a
//! [`Problem`](super::problem::Problem). The guard of [`super::auth`] stands before all of it.

#![allow(
    unused_qualifications,
    reason = "the macro that documents a route repeats the types of its extractors"
)]

mod apps;
mod deployments;
mod environments;
pub(crate) mod find;
pub(in crate::http) mod logs;
mod merge;
pub(crate) mod orders;
mod overview;
pub(crate) mod proposals;
pub(crate) mod show;
mod values;
pub mod views;
mod wait;

pub(crate) use apps::folder;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use actix_web::{App, HttpResponse, web};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_actix_web::{AppExt as _, service_config::ServiceConfig};

use super::problem;

/// The longest JSON body: a value of 64 KiB, in which JSON may escape every byte.
const LONGEST_BODY: usize = 512 * 1024;
/// How many items a page has when nobody says.
const PAGE: usize = 50;
/// How many items a page has at most.
const LONGEST_PAGE: usize = 200;
/// Who did it, as the audit log says, until there are accounts.
const BY: &str = "local user";

/// Mounts the API. Needs [`Services`](super::Services) and [`Auth`](super::auth::Auth) as app data, and the
/// guard before it.
pub fn routes(config: &mut web::ServiceConfig) {
    problem::extractors(config, LONGEST_BODY);
    described(&mut ServiceConfig::new(config));
    config.route("/v1/openapi.json", web::get().to(document));
}

/// The API's description, as `/v1/openapi.json` answers it.
pub fn description() -> &'static openapi::OpenApi {
    static DESCRIPTION: OnceLock<openapi::OpenApi> = OnceLock::new();
    DESCRIPTION.get_or_init(|| {
        App::new()
            .into_utoipa_app()
            .openapi(Described::openapi())
            .configure(described)
            .split_for_parts()
            .1
    })
}

/// Every documented route, in one place.
fn described(config: &mut ServiceConfig<'_>) {
    config
        .service(apps::list)
        .service(apps::create)
        .service(apps::get)
        .service(apps::change)
        .service(apps::remove)
        .service(proposals::list)
        .service(environments::list)
        .service(environments::create)
        .service(environments::get)
        .service(orders::redeploy)
        .service(orders::stop)
        .service(orders::start)
        .service(orders::cancel)
        .service(wait::wait)
        .service(deployments::list)
        .service(deployments::get)
        .service(deployments::tests)
        .service(logs::get)
        .service(values::secrets)
        .service(values::reveal_secret)
        .service(values::put_secret)
        .service(values::delete_secret)
        .service(values::variables)
        .service(values::get_variable)
        .service(values::put_variable)
        .service(values::delete_variable)
        .service(values::reseal)
        .service(overview::deliveries)
        .service(overview::queue)
        .service(overview::troubles);
}

async fn document() -> HttpResponse {
    HttpResponse::Ok().json(description())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nestling",
        description = "Environments of your apps: what runs, where, and why not. Errors are problems (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(problem::Problem)),
    security(("token" = [])),
    modifiers(&Token)
)]
struct Described;

struct Token;

impl Modify for Token {
    fn modify(&self, openapi: &mut openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        if let Some(components) = &mut openapi.components {
            components.add_security_scheme("token", scheme);
        }
    }
}
