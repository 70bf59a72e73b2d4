//! What concerns the whole server: the inbox, and the queue for slots.

use actix_web::{get, web};

use super::{
    find::Paging,
    show,
    views::{BuildView, DeliveriesPage, QueueView, TroubleView, TroublesView},
};
use crate::{
    http::{
        Services,
        problem::Problem,
        troubles::{self as known, Trouble},
    },
    messages::admission::{Build, Look},
};

/// What the forge told, newest first, and what came of it.
#[utoipa::path(tag = "server", params(Paging), responses((status = 200, body = DeliveriesPage)))]
#[get("/v1/deliveries")]
pub(super) async fn deliveries(
    services: web::Data<Services>,
    paging: web::Query<Paging>,
) -> Result<web::Json<DeliveriesPage>, Problem> {
    let limit = paging.limit();
    let after = paging.after.as_deref();
    let mut found = services.store.deliveries(after, limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().map(|(delivery, _)| delivery.id.clone());
    Ok(web::Json(DeliveriesPage {
        deliveries: found
            .iter()
            .map(|(delivery, state)| show::delivery(delivery, state))
            .collect(),
        next: last.filter(|_| more),
    }))
}

/// Who builds and who waits for a slot.
#[utoipa::path(tag = "server", responses((status = 200, body = QueueView)))]
#[get("/v1/queue")]
pub(super) async fn queue(services: web::Data<Services>) -> Result<web::Json<QueueView>, Problem> {
    let queue = services.admission.look.send(Look).await?;
    Ok(web::Json(QueueView {
        slots: queue.slots,
        building: shown(&services, &queue.building).await?,
        waiting: shown(&services, &queue.waiting).await?,
        paused: queue.paused,
    }))
}

/// What stands in the way of repositories, or of the server itself; none when all is well.
#[utoipa::path(tag = "server", responses((status = 200, body = TroublesView)))]
#[get("/v1/troubles")]
pub(super) async fn troubles(
    services: web::Data<Services>,
) -> Result<web::Json<TroublesView>, Problem> {
    let troubles = known::all(&services).await?.into_iter();
    let view = |trouble: Trouble| TroubleView {
        about: trouble.about,
        reason: trouble.reason,
        since: trouble.since.map(|since| since.0),
        cost_micro_usd: trouble.cost.map(|cost| cost.micros),
    };
    Ok(web::Json(TroublesView {
        troubles: troubles.map(view).collect(),
    }))
}

async fn shown(services: &Services, builds: &[Build]) -> Result<Vec<BuildView>, Problem> {
    let mut views = Vec::with_capacity(builds.len());
    for build in builds {
        let record = services.store.environment(&build.environment).await?;
        views.push(BuildView {
            environment: record
                .map_or_else(|| build.environment.to_string(), |record| record.name()),
            deployment: build.generation.0,
        });
    }
    Ok(views)
}
