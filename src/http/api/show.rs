//! Record → view. Pure.

use nestling_domain::{
    announcement::{again, cancelled, closing, moved, offered, unheard},
    app::{App, RemovedApp, Repository},
    deployment::{Cause, CommitInfo, Deployment, Failed, Tests},
    environment::Environment,
    ids::Kind,
    label::Label,
    lifecycle::{Lifecycle, State, Waits, Why},
    record::{Delivery, DeliveryState, DeploymentRecord, Fact, PullRequest},
};
use nestling_protocol::{
    bundle,
    report::{Endpoint, EndpointKind, Exit},
};

use super::views::{
    AppView, CommitView, DeliveryView, DeploymentView, EndpointView, EnvironmentView, FailureView,
    LogsView, NamedDeployment, PhaseView, RemovedAppView, RepositoryView, TestsView, WaitingView,
};
use crate::http::Addresses;

pub(crate) fn app(app: &App, repository: Option<&Repository>, addresses: &Addresses) -> AppView {
    let label = Label::environment(&app.slug, Kind::Production);
    AppView {
        name: format!("{}/{}", app.owner, app.slug),
        owner: app.owner.clone(),
        app: app.slug.to_string(),
        kind: kind(app.kind).to_owned(),
        root: app.root.clone(),
        repository: repository.map_or_else(
            || RepositoryView {
                name: app.repository.to_string(),
                path: None,
                default_branch: String::new(),
                trouble: Some("its record is missing".to_owned()),
            },
            |repository| RepositoryView {
                name: repository.name.clone(),
                path: repository.path.clone(),
                default_branch: repository.default_branch.clone(),
                trouble: repository.trouble.clone(),
            },
        ),
        description: app.description.clone(),
        health: app.health.clone(),
        url: addresses.of(label.as_str()),
        created_at: app.created_at.0,
    }
}

pub(crate) fn removed(removed: &RemovedApp, repositories: &[Repository]) -> RemovedAppView {
    let app = &removed.app;
    RemovedAppView {
        name: format!("{}/{}", app.owner, app.slug),
        repository: repository_of(app, repositories),
        root: app.root.clone(),
        removed_at: removed.removed_at.0,
    }
}

/// What names the repository of an app: its name, or its path where another has that name.
pub(crate) fn repository_of(app: &App, repositories: &[Repository]) -> String {
    let Some(known) = repositories.iter().find(|known| known.id == app.repository) else {
        return app.repository.to_string();
    };
    let alone = repositories
        .iter()
        .filter(|one| one.name == known.name)
        .count()
        == 1;
    match &known.path {
        Some(path) if !alone => path.clone(),
        Some(_) | None => known.name.clone(),
    }
}

/// `ahead` is its place in the queue, see [`find::queue`](super::find::queue).
pub(crate) fn environment(
    record: &Environment,
    ahead: Option<usize>,
    addresses: &Addresses,
) -> EnvironmentView {
    let life = &record.lifecycle;
    let serving = life.serving();
    EnvironmentView {
        name: record.name(),
        environment: record.kind.name(),
        kind: record.kind.class().name().to_owned(),
        branch: record.branch.clone(),
        pull_request: record.kind.pull_request(),
        title: record.title.clone(),
        status: life.shown().name().to_owned(),
        ahead,
        state: life.state_name().to_owned(),
        reason: reason(record),
        url: addresses.of(record.label().as_str()),
        serves: life.answering().is_some(),
        commit: life.newest_commit().map(commit),
        offered: life.offered.as_ref().map(commit),
        endpoints: serving.map_or_else(Vec::new, |deployment| {
            let show = |endpoint| self::endpoint(endpoint, record, addresses);
            deployment.endpoints.iter().map(show).collect()
        }),
        serving: serving.map(named),
        next: life.next().map(named),
        failure: life.failure().map(failure),
        version: record.version.0,
        created_at: record.created_at.0,
        updated_at: record.updated_at.0,
    }
}

/// Why it does not run what was last asked for, or what may be true by now, in words.
fn reason(record: &Environment) -> Option<String> {
    let of_state = reason_of_state(record);
    let unheard = unheard(&record.lifecycle);
    let words: Vec<String> = of_state.into_iter().chain(unheard).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn reason_of_state(record: &Environment) -> Option<String> {
    let life = &record.lifecycle;
    let failed = |failed: &Failed| {
        format!(
            "deployment {} failed while {}: {}",
            failed.generation,
            failed.phase.name(),
            failed.reason
        )
    };
    match &life.state {
        State::Creating { .. } | State::Running { .. } | State::Restarting { .. } => {
            let again = life.serving().and_then(|serving| serving.again).map(again);
            let words: Vec<String> = again
                .into_iter()
                .chain(life.failure().map(failed))
                .chain(cancelled(life))
                .chain(offered(life))
                .collect();
            (!words.is_empty()).then(|| words.join("; "))
        }
        State::Stopped { why, .. } => Some(match why {
            Why::Closed if record.kind == Kind::Production => {
                "its repository is gone, or cannot be reached: start it once it can".to_owned()
            }
            Why::Closed if life.is_closing() => closing(life).unwrap_or_default(),
            Why::Closed => "its pull request is closed, or its branch is gone".to_owned(),
            Why::Person => format!("stopped by a person{}", passed_over(life)),
            Why::Policy(words) => format!("{words}{}", passed_over(life)),
            Why::Waits(Waits { reason, .. }) => reason.clone(),
            Why::Idle => "sleeps, because nobody visited it for a while".to_owned(),
            Why::Failed(failed) => {
                format!("failed while {}: {}", failed.phase.name(), failed.reason)
            }
        }),
    }
}

/// What came while it was stopped, for the end of a sentence; empty when nothing did.
fn passed_over(life: &Lifecycle) -> String {
    life.skipped.as_ref().map_or_else(String::new, |head| {
        format!("; {} came since, and waits for a start", head.id.short())
    })
}

fn endpoint(endpoint: &Endpoint, record: &Environment, addresses: &Addresses) -> EndpointView {
    let label = if endpoint.primary {
        record.label()
    } else {
        record.endpoint_label(&endpoint.name)
    };
    EndpointView {
        name: endpoint.name.clone(),
        label: endpoint.label.clone(),
        kind: match endpoint.kind {
            EndpointKind::App => "app".to_owned(),
            EndpointKind::Console => "console".to_owned(),
        },
        primary: endpoint.primary,
        browser: endpoint.browser,
        url: addresses.of(label.as_str()),
    }
}

fn named(deployment: &Deployment) -> NamedDeployment {
    NamedDeployment {
        number: deployment.generation.0,
        status: deployment.phase.shown().name().to_owned(),
        commit: commit(&deployment.commit),
        since: deployment.since.0,
        tests: tests(&deployment.tests),
        trouble: deployment.trouble.clone(),
        notes: deployment.notes.clone(),
    }
}

pub(crate) fn deployment(record: &DeploymentRecord, environment: &Environment) -> DeploymentView {
    let path = format!(
        "/v1/apps/{}/{}/environments/{}/deployments/{}",
        environment.owner,
        environment.slug,
        environment.kind.name(),
        record.generation
    );
    DeploymentView {
        number: record.generation.0,
        status: record.shown.name().to_owned(),
        commit: commit(&record.commit),
        cause: cause(&record.cause),
        phases: phases(record),
        tests: tests(&record.tests),
        failure: record.failed.as_ref().map(failure),
        created_at: record.created_at.0,
        ended_at: record.ended_at.map(|at| at.0),
        logs: LogsView {
            deployment: format!("{path}/logs/deployment"),
            runtime: format!("{path}/logs/runtime"),
        },
        results: format!("{path}/tests"),
    }
}

fn phases(record: &DeploymentRecord) -> Vec<PhaseView> {
    let ends = record.phases.iter().skip(1).map(|(_, at)| Some(*at));
    let ends = ends.chain([record.ended_at]);
    let timed = record.phases.iter().zip(ends);
    timed
        .map(|((phase, from), until)| PhaseView {
            phase: phase.name().to_owned(),
            from: from.0,
            millis: until.map(|until| until.0.saturating_sub(from.0)),
        })
        .collect()
}

fn commit(commit: &CommitInfo) -> CommitView {
    CommitView {
        id: commit.id.to_string(),
        message: commit.message.clone(),
        author: commit.author.clone(),
    }
}

fn tests(tests: &Tests) -> TestsView {
    match tests {
        Tests::Pending => TestsView {
            status: "pending".to_owned(),
            ..TestsView::default()
        },
        Tests::Ran(counts) => TestsView {
            status: "ran".to_owned(),
            passed: counts.passed,
            failed: counts.failed,
            skipped: counts.skipped,
            reason: None,
        },
        Tests::Broken(reason) => TestsView {
            status: "broken".to_owned(),
            reason: Some(reason.clone()),
            ..TestsView::default()
        },
    }
}

pub(crate) fn failure(failed: &Failed) -> FailureView {
    FailureView {
        number: failed.generation.0,
        phase: failed.phase.name().to_owned(),
        reason: failed.reason.clone(),
        exit: failed.exit.map(|exit| match exit {
            Exit::Code(code) => format!("code {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
            Exit::Memory => "memory".to_owned(),
            Exit::Timeout => "timeout".to_owned(),
        }),
        tail: failed.tail.clone(),
        at: failed.at.0,
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Push => "push".to_owned(),
        Cause::Redeploy => "redeploy".to_owned(),
        Cause::Start => "start".to_owned(),
        Cause::Visit => "visit".to_owned(),
        Cause::Reopened => "reopened".to_owned(),
        Cause::Retry(of) => format!("retry of {of}"),
        Cause::Lost(of) => format!("the machine of {of} was lost"),
        Cause::RolledBack(from) => format!("rolled back from {from}"),
        Cause::Moved { from, to } => moved(from, to),
    }
}

pub(crate) fn waiting(pull_request: &PullRequest, app: &App) -> WaitingView {
    let kind = Kind::Preview(pull_request.number).name();
    WaitingView {
        name: format!("{}/{}/{kind}", app.owner, app.slug),
        pull_request: pull_request.number,
        branch: pull_request.branch.clone(),
        title: pull_request.title.clone(),
        start: format!(
            "/v1/apps/{}/{}/environments/{kind}/start",
            app.owner, app.slug
        ),
    }
}

pub(crate) fn delivery(delivery: &Delivery, state: &DeliveryState) -> DeliveryView {
    let says = match &delivery.fact {
        Fact::Production { commit, branch } => {
            format!("the default branch ({branch}) is at {}", commit.short())
        }
        Fact::Missing { .. } => {
            "the repository is not shown to the App, so that it may be gone".to_owned()
        }
        Fact::PullRequest {
            number,
            branch,
            commit,
            trigger,
            ..
        } => {
            let at = commit
                .as_ref()
                .map_or(String::new(), |commit| format!(" at {}", commit.short()));
            format!("pull request {number} ({branch}){at}: {trigger:?}").to_lowercase()
        }
        Fact::Preview { app, number, .. } => {
            format!("a preview of pull request {number} was asked for, of app {app}")
        }
        Fact::Returned { app, .. } => format!("app {app} was added, or brought back"),
        Fact::Webhook { webhook, .. } => webhook.to_string(),
        Fact::Unreadable { event, .. } => format!("a {event:?} webhook that cannot be read"),
    };
    let (status, decisions) = match state {
        DeliveryState::Pending => ("pending", std::collections::BTreeMap::new()),
        DeliveryState::Done { decisions } => ("done", decisions.clone()),
    };
    DeliveryView {
        id: delivery.id.clone(),
        at: delivery.at.0,
        repository: delivery.repository.map(|repository| repository.0),
        says,
        status: status.to_owned(),
        decisions,
    }
}

pub(super) fn kind(kind: bundle::Kind) -> &'static str {
    match kind {
        bundle::Kind::Wing => "wing",
        bundle::Kind::Node => "node",
        bundle::Kind::Static => "static",
        bundle::Kind::Any => "any",
    }
}
