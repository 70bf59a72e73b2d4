//! What a person orders of an environment. Answered after the save; a repeat with the same
//! `Idempotency-Key` gets the first answer.

use actix_web::{HttpRequest, post, web};
use nestling_domain::{
    app::App,
    ids::{EnvironmentId, InputId, Kind},
    lifecycle::{Command, Event},
    record::PullRequestStatus,
};

use super::{BY, find, show, views::OrderedView};
use crate::{
    http::{Services, problem::Problem},
    messages::{
        environment::{Apply, NotApplied},
        forge::StartWaiting,
    },
};

/// The longest idempotency key.
const LONGEST_KEY: usize = 128;

type Named = web::Path<(String, String, String)>;
type Answer = Result<web::Json<OrderedView>, Problem>;

/// Deploy the newest commit again.
#[utoipa::path(tag = "orders", params(("Idempotency-Key" = Option<String>, Header)), responses((status = 200, body = OrderedView), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[post("/v1/apps/{owner}/{app}/environments/{environment}/redeploy")]
pub(super) async fn redeploy(
    request: HttpRequest,
    services: web::Data<Services>,
    path: Named,
) -> Answer {
    order(&request, &services, path, Command::Redeploy).await
}

/// Stop it; its state folder is kept.
#[utoipa::path(tag = "orders", params(("Idempotency-Key" = Option<String>, Header)), responses((status = 200, body = OrderedView), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[post("/v1/apps/{owner}/{app}/environments/{environment}/stop")]
pub(super) async fn stop(
    request: HttpRequest,
    services: web::Data<Services>,
    path: Named,
) -> Answer {
    order(&request, &services, path, Command::Stop).await
}

/// Give up the deployment on its way.
#[utoipa::path(tag = "orders", params(("Idempotency-Key" = Option<String>, Header)), responses((status = 200, body = OrderedView), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[post("/v1/apps/{owner}/{app}/environments/{environment}/cancel")]
pub(super) async fn cancel(
    request: HttpRequest,
    services: web::Data<Services>,
    path: Named,
) -> Answer {
    order(&request, &services, path, Command::Cancel).await
}

/// Start a stopped environment, or a pull request that waits because the limit is reached.
#[utoipa::path(tag = "orders", params(("Idempotency-Key" = Option<String>, Header)), responses((status = 200, body = OrderedView), (status = 404, body = Problem), (status = 409, body = Problem)))]
#[post("/v1/apps/{owner}/{app}/environments/{environment}/start")]
pub(super) async fn start(
    request: HttpRequest,
    services: web::Data<Services>,
    path: Named,
) -> Answer {
    let (owner, slug, name) = &*path;
    let app = find::app(&services, owner, slug).await?;
    let kind = find::kind(name)?;
    let stands = find::standing(&services, app.repository, kind).await?;
    if stands == Some(PullRequestStatus::Waiting) {
        release(&services, &app, kind).await?;
        return Ok(on_its_way());
    }
    // Released a moment ago: the forge's next look makes its environment, or opens the one that was closed.
    let comes = stands == Some(PullRequestStatus::Open) && {
        let id = EnvironmentId::derive(&app.id, kind);
        let known = services.store.environment(&id).await?;
        known.is_none_or(|known| known.lifecycle.is_closed())
    };
    if comes {
        return Ok(on_its_way());
    }
    order(&request, &services, path, Command::Start).await
}

fn on_its_way() -> web::Json<OrderedView> {
    web::Json(OrderedView {
        decision: "the pull request no longer waits: its environment is on its way".to_owned(),
        environment: None,
    })
}

/// Tells the forge that a person wants the preview of this app of a waiting pull request.
pub(crate) async fn release(services: &Services, app: &App, kind: Kind) -> Result<(), Problem> {
    if let Some(number) = kind.pull_request() {
        let released = StartWaiting {
            repository: app.repository,
            number,
            app: Some(app.id.clone()),
        };
        services.forge.start_waiting.send(released).await??;
    }
    Ok(())
}

async fn order(
    request: &HttpRequest,
    services: &Services,
    path: Named,
    command: Command,
) -> Answer {
    let (owner, slug, name) = path.into_inner();
    let app = find::app(services, &owner, &slug).await?;
    let kind = find::kind(&name)?;
    let id = EnvironmentId::derive(&app.id, kind);
    let apply = Apply {
        input: key(request, &command)?,
        event: Event::Command(command),
        by: BY.to_owned(),
        birth: None,
    };
    let applied = match services.environments.apply(id, apply).await {
        Err(NotApplied::Unknown(_)) => {
            return Err(find::no_environment(services, &app, kind).await?);
        }
        applied => applied?,
    };
    let environment = &*applied.environment;
    // The order is done, whether or not anybody can say how many go before it.
    let queue = find::queue(services, [environment]).await.ok();
    let ahead = queue.and_then(|queue| queue.ahead(&environment.id));
    Ok(web::Json(OrderedView {
        decision: applied.decision,
        environment: Some(show::environment(environment, ahead, &services.addresses)),
    }))
}

fn key(request: &HttpRequest, command: &Command) -> Result<Option<InputId>, Problem> {
    let Some(key) = request.headers().get("idempotency-key") else {
        return Ok(None);
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Problem::malformed(format!(
            "an Idempotency-Key has 1 to {LONGEST_KEY} visible ASCII characters"
        )));
    }
    // The same key on another order is another order.
    Ok(Some(InputId(format!("api:{command:?}:{key}"))))
}
