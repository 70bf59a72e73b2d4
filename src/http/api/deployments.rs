//! Deployments: the history of an environment, and the test results of each.

use actix_web::{HttpResponse, get, http::header, web};
use nestling_domain::{environment::Environment, ids::Generation, record::DeploymentRecord};
use nestling_protocol::test;

use super::{
    find::{self, Paging},
    show,
    views::{DeploymentView, DeploymentsPage},
};
use crate::{
    actors::logging::blob_key,
    http::{Services, problem::Problem},
};

/// The deployments of an environment, newest first.
#[utoipa::path(tag = "deployments", params(Paging), responses((status = 200, body = DeploymentsPage), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/environments/{environment}/deployments")]
pub(super) async fn list(
    services: web::Data<Services>,
    path: web::Path<(String, String, String)>,
    paging: web::Query<Paging>,
) -> Result<web::Json<DeploymentsPage>, Problem> {
    let (owner, slug, name) = path.into_inner();
    let environment = find::environment(&services, &owner, &slug, &name).await?;
    let below = match &paging.after {
        None => None,
        Some(after) => {
            let number = after.parse().map_err(|_| find::bad_cursor(after))?;
            Some(Generation(number))
        }
    };
    // One more than the page, to know whether there is a next one.
    let limit = paging.limit();
    let mut records = services
        .store
        .deployments(&environment.id, below, limit + 1)
        .await?;
    let more = records.len() > limit;
    records.truncate(limit);
    let last = records.last().map(|record| record.generation.to_string());
    Ok(web::Json(DeploymentsPage {
        deployments: records
            .iter()
            .map(|record| show::deployment(record, &environment))
            .collect(),
        next: last.filter(|_| more),
    }))
}

/// One deployment: its phases with their times, its tests, how it failed.
#[utoipa::path(tag = "deployments", responses((status = 200, body = DeploymentView), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/environments/{environment}/deployments/{number}")]
pub(super) async fn get(
    services: web::Data<Services>,
    path: web::Path<(String, String, String, u32)>,
) -> Result<web::Json<DeploymentView>, Problem> {
    let (owner, slug, name, number) = path.into_inner();
    let (environment, record) = find_deployment(&services, &owner, &slug, &name, number).await?;
    Ok(web::Json(show::deployment(&record, &environment)))
}

/// The test results of a deployment: `{"tests": [{"path", "name", "outcome", "error", "millis", "log"}]}`.
#[utoipa::path(tag = "deployments", responses((status = 200, content_type = "application/json", description = "one record per test, in the order in which they ran"), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/environments/{environment}/deployments/{number}/tests")]
pub(super) async fn tests(
    services: web::Data<Services>,
    path: web::Path<(String, String, String, u32)>,
) -> Result<HttpResponse, Problem> {
    let (owner, slug, name, number) = path.into_inner();
    let (environment, record) = find_deployment(&services, &owner, &slug, &name, number).await?;
    let key = blob_key(&environment.id, record.generation, test::ARTIFACT);
    let bytes = services.blobs.get(&key).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "deployment {number} of {} has no test results: its tests have not ended, or could not be run (the deployment says why), or the results are past their age",
            environment.name()
        ))
    })?;
    // A runner wrote them: they are read before they are believed.
    let results: test::Results = serde_json::from_slice(&bytes).map_err(|error| {
        Problem::internal(format!(
            "the test results of deployment {number} of {} cannot be read: {error}",
            environment.name()
        ))
    })?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(results))
}

/// The deployment that a path names.
pub(super) async fn find_deployment(
    services: &Services,
    owner: &str,
    slug: &str,
    name: &str,
    number: u32,
) -> Result<(Environment, DeploymentRecord), Problem> {
    let environment = find::environment(services, owner, slug, name).await?;
    let record = services
        .store
        .deployment(&environment.id, Generation(number))
        .await?
        .ok_or_else(|| {
            Problem::not_found(format!(
                "{} has no deployment {number}; its newest is {}",
                environment.name(),
                environment.lifecycle.generation
            ))
        })?;
    Ok((environment, record))
}
