//! What a runner needs to begin: its bundle, and the source.

use std::path::Path;

use actix_web::{HttpResponse, body::SizedStream, http::header, web};
use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream};
use nestling_domain::{
    app::App,
    deployment::{Deployment, Phase},
    environment::Environment,
    lifecycle::{Event, Observation, Times},
};
use nestling_protocol::bundle::{self, Bundle, Limits, Source};
use tokio::{fs::File, io::AsyncReadExt};
use tracing::{info, warn};

use super::{
    Runners,
    identity::{self, GoodCaller},
};
use crate::{
    http::{Addresses, problem::Problem},
    messages::{
        environment::Apply,
        forge::{ForgeError, Pack},
        secrets::{Reveal, Revealed, SecretError},
    },
};

/// Who ends a deployment, as the audit log says.
const BY: &str = "secrets";
/// How much of a source file is read at a time.
const PIECE: usize = 64 * 1024;

pub(super) async fn get(
    GoodCaller(caller): GoodCaller,
    runners: web::Data<Runners>,
) -> Result<HttpResponse, Problem> {
    let record = runners.record(&caller.claims).await?;
    let deployment = identity::deployment(&record, &caller.claims)?;
    info!(environment.id = %record.id, "the runner of {} has begun deployment {}", record.name(), deployment.generation);
    let services = &runners.services;
    let app = services
        .store
        .app(&record.app)
        .await?
        .ok_or_else(|| Problem::stale(format!("the app of {} was deleted", record.name())))?;
    let reveal = Reveal {
        app: record.app.clone(),
        class: record.kind.class(),
    };
    let revealed = match services.secrets.reveal.send(reveal).await? {
        Ok(revealed) if deployment.commit.trust.sees_secrets() => revealed,
        // Plain variables are no secret: a preview without them would fail for no reason.
        Ok(revealed) => Revealed {
            secrets: std::collections::BTreeMap::default(),
            ..revealed
        },
        Err(SecretError::Failed(reason)) => return Err(Problem::unavailable(reason)),
        Err(SecretError::Refused(reason) | SecretError::Conflict(reason)) => {
            return Err(without_secrets(&runners, &record, deployment, &reason).await);
        }
    };
    let composed = compose(
        &record,
        deployment,
        &app,
        (revealed, runners.tokens.digest_key(&record.app)),
        &services.addresses,
        &runners.times,
    );
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(composed))
}

/// Ends a deployment whose secrets cannot be had, with the reason: asked again, they could not be had again.
/// What serves already has its secrets, and stays.
async fn without_secrets(
    runners: &Runners,
    record: &Environment,
    deployment: &Deployment,
    reason: &str,
) -> Problem {
    if record.lifecycle.serving() == Some(deployment) {
        return Problem::unfit(reason);
    }
    let event = Event::Observed(Observation::Lost {
        generation: deployment.generation,
        reason: format!("it cannot be given its secrets: {reason}; then redeploy"),
        retry: false,
        exit: None,
        tail: Vec::new(),
    });
    let apply = Apply {
        event,
        by: BY.to_owned(),
        input: None,
        birth: None,
    };
    let environments = &runners.services.environments;
    match environments.apply(record.id.clone(), apply).await {
        Ok(_) => Problem::stale(reason),
        // The runner asks again.
        Err(error) => Problem::unavailable(error.to_string()),
    }
}

/// The bundle of a deployment.
fn compose(
    record: &Environment,
    deployment: &Deployment,
    app: &App,
    (revealed, digest_key): (Revealed, String),
    addresses: &Addresses,
    times: &Times,
) -> Bundle {
    let label = record.label();
    Bundle {
        protocol: nestling_protocol::VERSION,
        generation: deployment.generation.0,
        app: bundle::App {
            name: app.slug.to_string(),
            kind: app.kind,
            root: app.root.clone(),
            base_config: None,
        },
        environment: bundle::Environment {
            kind: record.kind.class().name().to_owned(),
            branch: record.branch.clone(),
            pull_request: record.kind.pull_request(),
            url: addresses.of(label.as_str()),
            endpoint_url: addresses.of(&format!("{{endpoint}}--{label}")),
        },
        source: Source::Bundle {
            commit: deployment.commit.id.to_string(),
        },
        variables: revealed.variables,
        secrets: revealed.secrets,
        digest_key,
        limits: Limits {
            setup: times.setup.as_secs(),
            test: times.test.as_secs(),
            start: times.start.as_secs(),
        },
    }
}

pub(super) async fn source(
    GoodCaller(caller): GoodCaller,
    runners: web::Data<Runners>,
) -> Result<HttpResponse, Problem> {
    let record = runners.record(&caller.claims).await?;
    let deployment = identity::deployment(&record, &caller.claims)?;
    if !clones(deployment.phase) {
        return Err(Problem::gone(format!(
            "the source of deployment {} is given only until it is cloned",
            deployment.generation
        )));
    }
    let pack = Pack {
        repository: record.repository,
        kind: record.kind,
        commit: deployment.commit.id.clone(),
    };
    let path = match runners.services.forge.pack.send(pack).await? {
        Ok(path) => path,
        // Asked again, it would be refused again: the deployment fails with the reason.
        Err(ForgeError::Rejected(reason)) => return Err(Problem::unfit(reason)),
        Err(failed @ ForgeError::Failed(_)) => return Err(failed.into()),
    };
    let unreadable = |error: std::io::Error| {
        warn!(environment.id = %record.id, "could not read the packed source of {}: {error}", record.name());
        Problem::unavailable(format!(
            "the packed source of {} could not be read: {error}",
            deployment.commit.id.short()
        ))
    };
    let (length, pieces) = open(&path).await.map_err(unreadable)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/octet-stream")
        .body(SizedStream::new(length, pieces)))
}

fn clones(phase: Phase) -> bool {
    match phase {
        // The machine's runner may ask before the launch is known to have ended.
        Phase::Queued | Phase::Launching | Phase::Booting | Phase::Cloning => true,
        Phase::SettingUp
        | Phase::Testing
        | Phase::Prepared
        | Phase::Starting
        | Phase::Probing
        | Phase::Serving => false,
    }
}

/// A file, in pieces, with its length.
async fn open(
    path: &Path,
) -> std::io::Result<(u64, impl Stream<Item = std::io::Result<Bytes>> + use<>)> {
    let file = File::open(path).await?;
    let length = file.metadata().await?.len();
    let pieces = stream::try_unfold(file, |mut file| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    });
    Ok((length, pieces))
}
