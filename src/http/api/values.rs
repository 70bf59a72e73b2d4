//! Secrets and plain variables of an app, for `production` and for all its previews.

use actix_web::{HttpResponse, delete, get, http::header, post, put, web};
use nestling_domain::{
    app::{App, VariableName},
    ids::Class,
};

use super::{
    find,
    views::{LeftView, PlainValue, ResealedView, ValueView, ValuesPage},
};
use crate::{
    http::{Services, problem::Problem},
    messages::secrets::{Delete, List, Listed, Put, Reseal, RevealOne},
};

type All = web::Path<(String, String, String)>;
type One = web::Path<(String, String, String, String)>;

/// The secrets of an app for a kind of environment, masked.
#[utoipa::path(tag = "values", responses((status = 200, body = ValuesPage), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/secrets/{kind}")]
pub(super) async fn secrets(
    services: web::Data<Services>,
    path: All,
) -> Result<web::Json<ValuesPage>, Problem> {
    list(&services, path, true).await
}

/// One secret, in the clear.
#[utoipa::path(tag = "values", responses((status = 200, body = PlainValue), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/secrets/{kind}/{name}")]
pub(super) async fn reveal_secret(
    services: web::Data<Services>,
    path: One,
) -> Result<HttpResponse, Problem> {
    reveal(&services, path, true).await
}

/// Record a secret, at least 6 bytes long; deployments from now on get it.
#[utoipa::path(tag = "values", request_body = PlainValue, responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
#[put("/v1/apps/{owner}/{app}/secrets/{kind}/{name}")]
pub(super) async fn put_secret(
    services: web::Data<Services>,
    path: One,
    body: web::Json<PlainValue>,
) -> Result<HttpResponse, Problem> {
    record(&services, path, body.into_inner(), true).await
}

/// Remove a secret.
#[utoipa::path(tag = "values", responses((status = 204), (status = 404, body = Problem)))]
#[delete("/v1/apps/{owner}/{app}/secrets/{kind}/{name}")]
pub(super) async fn delete_secret(
    services: web::Data<Services>,
    path: One,
) -> Result<HttpResponse, Problem> {
    remove(&services, path, true).await
}

/// The plain variables of an app for a kind of environment.
#[utoipa::path(tag = "values", responses((status = 200, body = ValuesPage), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/variables/{kind}")]
pub(super) async fn variables(
    services: web::Data<Services>,
    path: All,
) -> Result<web::Json<ValuesPage>, Problem> {
    list(&services, path, false).await
}

/// One plain variable.
#[utoipa::path(tag = "values", responses((status = 200, body = PlainValue), (status = 404, body = Problem)))]
#[get("/v1/apps/{owner}/{app}/variables/{kind}/{name}")]
pub(super) async fn get_variable(
    services: web::Data<Services>,
    path: One,
) -> Result<HttpResponse, Problem> {
    reveal(&services, path, false).await
}

/// Record a plain variable; deployments from now on get it.
#[utoipa::path(tag = "values", request_body = PlainValue, responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
#[put("/v1/apps/{owner}/{app}/variables/{kind}/{name}")]
pub(super) async fn put_variable(
    services: web::Data<Services>,
    path: One,
    body: web::Json<PlainValue>,
) -> Result<HttpResponse, Problem> {
    record(&services, path, body.into_inner(), false).await
}

/// Remove a plain variable.
#[utoipa::path(tag = "values", responses((status = 204), (status = 404, body = Problem)))]
#[delete("/v1/apps/{owner}/{app}/variables/{kind}/{name}")]
pub(super) async fn delete_variable(
    services: web::Data<Services>,
    path: One,
) -> Result<HttpResponse, Problem> {
    remove(&services, path, false).await
}

/// Seal every secret of every app anew by the key that seals now, after it was changed. Those that cannot be opened are told
/// and left as they are.
#[utoipa::path(tag = "values", responses((status = 200, body = ResealedView), (status = 503, body = Problem)))]
#[post("/v1/secrets/reseal")]
pub(super) async fn reseal(
    services: web::Data<Services>,
) -> Result<web::Json<ResealedView>, Problem> {
    let resealed = services.secrets.reseal.send(Reseal).await??;
    let left = resealed.left.into_iter();
    Ok(web::Json(ResealedView {
        secrets: resealed.secrets,
        left: left
            .map(|(name, reason)| LeftView { name, reason })
            .collect(),
    }))
}

/// A value that a path names.
struct Named {
    app: App,
    class: Class,
    name: VariableName,
}

async fn named(services: &Services, path: One) -> Result<Named, Problem> {
    let (owner, slug, class, name) = path.into_inner();
    Ok(Named {
        app: find::app(services, &owner, &slug).await?,
        class: find::class(&class)?,
        name: VariableName::parse(&name).map_err(|error| Problem::unfit(error.to_string()))?,
    })
}

async fn list(
    services: &Services,
    path: All,
    secret: bool,
) -> Result<web::Json<ValuesPage>, Problem> {
    let (owner, slug, class) = path.into_inner();
    let app = find::app(services, &owner, &slug).await?;
    let listed = of_app(services, &app, find::class(&class)?).await?;
    let values = listed
        .into_iter()
        .filter(|value| value.text.is_none() == secret);
    Ok(web::Json(ValuesPage {
        values: values
            .map(|value| ValueView {
                name: value.name.as_str().to_owned(),
                value: value.text,
                updated_at: value.updated_at.0,
            })
            .collect(),
    }))
}

async fn reveal(services: &Services, path: One, secret: bool) -> Result<HttpResponse, Problem> {
    let named = named(services, path).await?;
    must_be(services, &named, secret).await?;
    let value = services
        .secrets
        .reveal_one
        .send(RevealOne {
            app: named.app.id.clone(),
            class: named.class,
            name: named.name.clone(),
        })
        .await??
        .ok_or_else(|| missing(&named, secret))?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(PlainValue { value }))
}

async fn record(
    services: &Services,
    path: One,
    PlainValue { value }: PlainValue,
    secret: bool,
) -> Result<HttpResponse, Problem> {
    let named = named(services, path).await?;
    services
        .secrets
        .put
        .send(Put {
            app: named.app.id,
            class: named.class,
            name: named.name,
            text: value,
            secret,
        })
        .await??;
    Ok(HttpResponse::NoContent().finish())
}

async fn remove(services: &Services, path: One, secret: bool) -> Result<HttpResponse, Problem> {
    let named = named(services, path).await?;
    must_be(services, &named, secret).await?;
    let there = services
        .secrets
        .delete
        .send(Delete {
            app: named.app.id.clone(),
            class: named.class,
            name: named.name.clone(),
        })
        .await??;
    if there {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(missing(&named, secret))
    }
}

/// Secrets and variables share their names, and each is found at its own address only.
async fn must_be(services: &Services, named: &Named, secret: bool) -> Result<(), Problem> {
    let listed = of_app(services, &named.app, named.class).await?;
    let is = |known: &Listed| known.name == named.name && known.text.is_none() == secret;
    if listed.iter().any(is) {
        Ok(())
    } else {
        Err(missing(named, secret))
    }
}

async fn of_app(services: &Services, app: &App, class: Class) -> Result<Vec<Listed>, Problem> {
    let list = List {
        app: app.id.clone(),
        class,
    };
    Ok(services.secrets.list.send(list).await??)
}

fn missing(named: &Named, secret: bool) -> Problem {
    let what = if secret { "secret" } else { "variable" };
    Problem::not_found(format!(
        "{}/{} has no {what} {} for {} environments",
        named.app.owner,
        named.app.slug,
        named.name.as_str(),
        named.class.name()
    ))
}
