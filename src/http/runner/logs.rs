//! Live lines: to Logging and never through an environment.

use actix_web::{HttpResponse, web};
use nestling_protocol::log::Lines;

use super::{
    Runners, fit,
    identity::{self, GoodCaller},
};
use crate::{http::problem::Problem, messages::logging::Append};

pub(super) async fn logs(
    GoodCaller(caller): GoodCaller,
    runners: web::Data<Runners>,
    body: web::Json<Lines>,
) -> Result<HttpResponse, Problem> {
    let claims = &caller.claims;
    identity::same_generation(claims, body.generation)?;
    if !runners
        .logs
        .allow(&claims.environment, claims.generation, caller.now)
    {
        return Err(Problem::too_many(
            "a machine may send 10 batches of lines a second, and 20 at once",
        ));
    }
    fit::lines(&body).map_err(Problem::unfit)?;
    runners.record(claims).await?;
    runners
        .services
        .logging
        .append
        .send(Append {
            environment: claims.environment.clone(),
            lines: body.into_inner(),
        })
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
