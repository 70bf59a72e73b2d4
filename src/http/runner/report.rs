//! Reports and heartbeats: what a runner has done and that it lives, each answered with what to do next.

use actix_web::{HttpResponse, web};
use nestling_domain::{
    ids::InputId,
    lifecycle::{Event, Observation},
};
use nestling_protocol::report::{Answer, Heartbeat, Next, Phase, Report};

use super::{
    Runners, fit,
    identity::{self, Caller},
};
use crate::{
    http::problem::Problem,
    messages::environment::{Apply, NotApplied},
};

/// Who caused it, as the audit log says.
const BY: &str = "runner";

pub(super) async fn report(
    caller: Caller,
    runners: web::Data<Runners>,
    body: web::Json<Report>,
) -> Result<HttpResponse, Problem> {
    let report = body.into_inner();
    identity::same_generation(&caller.claims, report.generation)?;
    runners.not_too_often(&caller)?;
    let report = fit::report(report).map_err(Problem::unfit)?;
    runners.metrics.reported(word(&report.phase));
    if caller.expired {
        // Not taken: `wait` makes the runner say it again, with the token of this answer.
        runners.record(&caller.claims).await?;
        return Ok(answer(Next::Wait, runners.renewed(&caller)));
    }
    let claims = &caller.claims;
    let last_word = matches!(report.phase, Phase::Failed(_));
    let applied = runners
        .services
        .environments
        .apply(
            claims.environment.clone(),
            Apply {
                input: Some(InputId(format!("{}:{}", report.boot, report.seq))),
                event: Event::Observed(Observation::Reported {
                    generation: claims.generation,
                    boot: report.boot,
                    seq: report.seq,
                    phase: report.phase,
                }),
                by: BY.to_owned(),
                birth: None,
            },
        )
        .await
        .map_err(|error| not_applied(&error, &caller))?;
    if last_word {
        // It may have ended the deployment, or another report of it may have: the runner ends either way.
        return Ok(answer(Next::Stop, None));
    }
    identity::deployment(&applied.environment, claims)?;
    let next = applied
        .answer
        .unwrap_or_else(|| applied.environment.lifecycle.answer(claims.generation));
    Ok(answer(next, runners.renewed(&caller)))
}

pub(super) async fn heartbeat(
    caller: Caller,
    runners: web::Data<Runners>,
    body: web::Json<Heartbeat>,
) -> Result<HttpResponse, Problem> {
    identity::same_generation(&caller.claims, body.generation)?;
    runners.not_too_often(&caller)?;
    fit::boot(&body.boot).map_err(Problem::unfit)?;
    let claims = &caller.claims;
    if caller.expired {
        let record = runners.record(claims).await?;
        let next = record.lifecycle.answer(claims.generation);
        return Ok(answer(next, runners.renewed(&caller)));
    }
    let next = runners
        .services
        .environments
        .beat(claims.environment.clone(), claims.generation)
        .await
        .map_err(|error| not_applied(&error, &caller))?;
    if next == Next::Stop {
        return Err(identity::stale(claims));
    }
    Ok(answer(next, runners.renewed(&caller)))
}

impl Runners {
    fn not_too_often(&self, caller: &Caller) -> Result<(), Problem> {
        let claims = &caller.claims;
        if self
            .reports
            .allow(&claims.environment, claims.generation, caller.now)
        {
            return Ok(());
        }
        Err(Problem::too_many(
            "a machine may report 5 times a second, and 20 times at once",
        ))
    }
}

fn answer(next: Next, token: Option<String>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(Answer { next, token })
}

fn not_applied(error: &NotApplied, caller: &Caller) -> Problem {
    match error {
        // No record names the generation.
        NotApplied::Unknown(_) => identity::stale(&caller.claims),
        // 409 would stop the runner: what cannot be saved now may be saved in a moment.
        NotApplied::Refused(_)
        | NotApplied::Quarantined { .. }
        | NotApplied::Busy(_)
        | NotApplied::Uncertain(_) => Problem::unavailable(error.to_string()),
    }
}

fn word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Deploying { .. } => "deploying",
        Phase::Cloned { .. } => "cloned",
        Phase::SetUp { .. } => "set-up",
        Phase::RunningTests => "running-tests",
        Phase::Tested { .. } => "tested",
        Phase::TestsBroken { .. } => "tests-broken",
        Phase::Prepared { .. } => "prepared",
        Phase::Starting => "starting",
        Phase::Running { .. } => "running",
        Phase::Noted { .. } => "noted",
        Phase::Restarted { .. } => "restarted",
        Phase::Failed(_) => "failed",
    }
}
