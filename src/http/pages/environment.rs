//! The pages of one environment: a head that all of them share, and a tab.

use actix_web::{http::StatusCode, web};
use nestling_domain::{
    deployment::Shown,
    environment::Environment,
    ids::Generation,
    record::{DeploymentRecord, PullRequestStatus},
};
use nestling_protocol::log::Log;

use super::{Asked, ErrorView, NoPage, NoPageAnswer, Notice, Visitor, facts};
use crate::{
    http::{
        Services,
        api::find,
        dashboard::{
            environment::{
                self as environment_page, EnvironmentView, Tab,
                deployments::{DeploymentView, HistoryView},
                head::{Facts, Head},
                logs::LogsView,
                overview::Overview,
                settings::Values,
                tests::TestsView,
            },
            paths,
        },
        troubles,
    },
    messages::{
        environments::Quarantined,
        logging::{LogId, Read},
    },
    records::RECENT,
};

/// Deployments on the page of all of them.
const HISTORY: usize = 50;
/// Events on the overview.
const EVENTS: usize = 30;
/// Lines that a page of logs is made of; older ones are a download away.
const LINES: usize = 2_000;

type Named = web::Path<(String, String, String)>;

pub(super) async fn overview(path: Named, visitor: Visitor) -> NoPageAnswer {
    let environment = named(&visitor, &path).await?;
    let tab = overview_tab(&visitor.services, &environment).await?;
    show(&visitor, environment, tab, None).await
}

/// The overview again, with what was refused.
pub(super) async fn with_notice(
    visitor: &Visitor,
    environment: Environment,
    notice: Notice,
    status: StatusCode,
) -> NoPageAnswer {
    let tab = overview_tab(&visitor.services, &environment).await?;
    let mut response = show(visitor, environment, tab, Some(notice)).await?;
    *response.status_mut() = status;
    Ok(response)
}

pub(super) async fn deployments(path: Named, visitor: Visitor) -> NoPageAnswer {
    let environment = named(&visitor, &path).await?;
    let below = visitor.asked.deployment.map(Generation);
    let store = &visitor.services.store;
    let deployments = store.deployments(&environment.id, below, HISTORY).await?;
    let more = |last: &&DeploymentRecord| last.generation.0 > 1 && deployments.len() == HISTORY;
    let older = deployments.last().filter(more).map(|last| {
        let path = paths::environment(&environment);
        format!("{path}/deployments?deployment={}", last.generation)
    });
    let tab = Tab::Deployments(HistoryView { deployments, older });
    show(&visitor, environment, tab, None).await
}

pub(super) async fn deployment(
    path: web::Path<(String, String, String, u32)>,
    visitor: Visitor,
) -> NoPageAnswer {
    let (owner, slug, name, generation) = path.into_inner();
    let environment = find::environment(&visitor.services, &owner, &slug, &name).await?;
    let record = of_number(&visitor.services, &environment, generation).await?;
    let record = record.ok_or_else(|| {
        NoPage(ErrorView::NotFound(format!(
            "{name} has no deployment {generation}, or it is too old to be kept."
        )))
    })?;
    let tab = Tab::Deployment(Box::new(DeploymentView::of(&record)));
    show(&visitor, environment, tab, None).await
}

pub(super) async fn logs(path: Named, visitor: Visitor) -> NoPageAnswer {
    let environment = named(&visitor, &path).await?;
    let view = logs_of(&visitor.services, &environment, &visitor.asked).await?;
    show(&visitor, environment, Tab::Logs(Box::new(view)), None).await
}

/// The log that is asked for.
pub(super) async fn logs_of(
    services: &Services,
    environment: &Environment,
    asked: &Asked,
) -> Result<LogsView, NoPage> {
    let store = &services.store;
    let recent = store.deployments(&environment.id, None, RECENT).await?;
    let chosen = match asked.deployment {
        Some(generation) => of_number(services, environment, generation).await?,
        None => recent.first().cloned(),
    };
    let log = match asked.log.as_deref() {
        Some("runtime") => Log::Runtime,
        Some(_) => Log::Deployment,
        // What runs is what people come for; before that, how it came about.
        None => match &chosen {
            Some(chosen) if chosen.shown == Shown::Running => Log::Runtime,
            Some(_) | None => Log::Deployment,
        },
    };
    let mut lines = Vec::new();
    if let Some(chosen) = &chosen {
        let id = LogId {
            environment: environment.id.clone(),
            generation: chosen.generation,
            log,
        };
        let read = Read { id, from: 0 };
        lines = services.logging.read.send(read).await?;
        lines.drain(..lines.len().saturating_sub(LINES));
    }
    Ok(LogsView::of(
        environment,
        &recent,
        chosen.as_ref(),
        log,
        &lines,
    ))
}

pub(super) async fn tests(path: Named, visitor: Visitor) -> NoPageAnswer {
    let environment = named(&visitor, &path).await?;
    let view = tests_of(&visitor.services, &environment, &visitor.asked).await?;
    show(&visitor, environment, Tab::Tests(Box::new(view)), None).await
}

/// The tests of the deployment that is asked for.
pub(super) async fn tests_of(
    services: &Services,
    environment: &Environment,
    asked: &Asked,
) -> Result<TestsView, NoPage> {
    let records = facts::records(services);
    let tested = match asked.deployment {
        Some(generation) => {
            let record = of_number(services, environment, generation).await?;
            let tests = record.map(|record| record.tests).unwrap_or_default();
            Some((Generation(generation), tests))
        }
        None => records.newest_tested(environment).await?,
    };
    let results = match &tested {
        Some((generation, _)) => records.results(environment, *generation).await?,
        None => None,
    };
    let (generation, tests) = tested.unzip();
    Ok(TestsView::of(
        generation,
        &tests.unwrap_or_default(),
        results.as_ref(),
    ))
}

pub(super) async fn settings(path: Named, visitor: Visitor) -> NoPageAnswer {
    let environment = named(&visitor, &path).await?;
    let app = find::app(&visitor.services, &path.0, &path.1).await?;
    let class = environment.kind.class();
    let listed = facts::listed(&visitor.services, &app.id, class).await?;
    let back = format!("{}/settings", paths::environment(&environment));
    let values = Values::of(&app, class, &listed, &back);
    show(&visitor, environment, Tab::Settings(Box::new(values)), None).await
}

async fn named(visitor: &Visitor, path: &Named) -> Result<Environment, NoPage> {
    Ok(find::environment(&visitor.services, &path.0, &path.1, &path.2).await?)
}

async fn of_number(
    services: &Services,
    environment: &Environment,
    generation: u32,
) -> Result<Option<DeploymentRecord>, NoPage> {
    Ok(services
        .store
        .deployment(&environment.id, Generation(generation))
        .await?)
}

async fn overview_tab(services: &Services, environment: &Environment) -> Result<Tab, NoPage> {
    let store = &services.store;
    let recent = store.deployments(&environment.id, None, RECENT).await?;
    let events = store.events_of(&environment.id, None, EVENTS).await?;
    let results = facts::records(services).newest_results(environment).await?;
    let announcement = facts::announcement(services, environment).await?;
    let overview = Overview::of(
        environment,
        &recent,
        results.as_ref(),
        &events,
        announcement.as_deref(),
        &services.addresses,
    );
    Ok(Tab::Overview(Box::new(overview)))
}

async fn show(
    visitor: &Visitor,
    environment: Environment,
    tab: Tab,
    notice: Option<Notice>,
) -> NoPageAnswer {
    let services = &visitor.services;
    let app = find::app(services, &environment.owner, environment.slug.as_str()).await?;
    let queue = facts::records(services).queue().await?;
    let quarantined = services.environments.quarantined.send(Quarantined).await?;
    let stands = find::standing(services, app.repository, environment.kind).await?;
    let facts = Facts {
        app: &app,
        environment: &environment,
        ahead: queue.ahead(&environment.id),
        paused: queue.paused.as_deref(),
        quarantined: quarantined.get(&environment.id).map(String::as_str),
        troubles: &troubles::of_environment(services, &environment).await?,
        waits: stands == Some(PullRequestStatus::Waiting),
    };
    let view = EnvironmentView {
        visit: visitor.visit(notice),
        head: Head::of(&facts, &services.addresses),
        tab,
    };
    Ok(visitor.asked.choose(
        || environment_page::page(&view),
        || environment_page::fragment(&view),
    ))
}
