//! What pages show, read from the records.

use actix_web::{http::StatusCode, web};
use nestling_domain::{
    announcement::{Announcement, Section, Site, tested},
    app::{App, Repository},
    environment::Environment,
    ids::{AppId, Class, EnvironmentId, Generation},
    record::{DeploymentRecord, PullRequest},
};
use nestling_protocol::{
    log::Log,
    test::{ARTIFACT, Results},
};

use super::{Asked, ErrorView, NoPage, NoPageAnswer, Notice, page, visit};
use crate::{
    actors::logging::blob_key,
    http::{
        Services,
        api::find,
        auth::{Auth, Principal},
        dashboard::{
            app::{self as app_page, AppView},
            app_settings::{self, AppSettingsView},
            apps::{self as apps_page, AppsView, RepositoryFacts},
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
        problem::Problem,
    },
    messages::{
        admission::{Look, Queue},
        environments::Quarantined,
        logging::{LogId, Read},
        secrets::{List, Listed},
    },
};

/// Deployments that the overview and the choice of logs show.
const RECENT: usize = 20;
/// Deployments on the page of all of them.
const HISTORY: usize = 50;
/// Events on the overview.
const EVENTS: usize = 30;
/// Lines that a page of logs is made of; older ones are a download away.
const LINES: usize = 2_000;

type Named = web::Path<(String, String, String)>;

pub(super) async fn apps(
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let known = Known::read(&services).await?;
    let facts: Vec<RepositoryFacts<'_>> = known
        .repositories
        .iter()
        .map(|one| known.facts(one))
        .collect();
    let view = AppsView::of(
        &facts,
        &asked.q,
        &services.addresses,
        visit(&auth, &principal, None),
    );
    Ok(asked.choose(|| apps_page::page(&view), || apps_page::fragment(&view)))
}

pub(super) async fn app(
    path: web::Path<(String, String)>,
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let app = find::app(&services, &path.0, &path.1).await?;
    let repository = repository(&services, &app).await?;
    let environments = services
        .store
        .environments_of_app(&app.id)
        .await
        .map_err(Problem::from)?;
    let queue = queue(&services).await?;
    let view = AppView::of(
        &app,
        &repository,
        &environments,
        |id| ahead(&queue, id),
        &services.addresses,
        visit(&auth, &principal, None),
    );
    Ok(asked.choose(|| app_page::page(&view), || app_page::fragment(&view)))
}

pub(super) async fn app_settings(
    path: web::Path<(String, String)>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let app = find::app(&services, &path.0, &path.1).await?;
    settings_page(&services, &auth, &principal, &app, None, StatusCode::OK).await
}

/// The settings page again, with what was refused.
pub(super) async fn settings_with_notice(
    services: &Services,
    auth: &Auth,
    principal: &Principal,
    app: &App,
    notice: Notice,
) -> NoPageAnswer {
    settings_page(
        services,
        auth,
        principal,
        app,
        Some(notice),
        StatusCode::UNPROCESSABLE_ENTITY,
    )
    .await
}

async fn settings_page(
    services: &Services,
    auth: &Auth,
    principal: &Principal,
    app: &App,
    notice: Option<Notice>,
    status: StatusCode,
) -> NoPageAnswer {
    let production = listed(services, &app.id, Class::Production).await?;
    let preview = listed(services, &app.id, Class::Preview).await?;
    let view = AppSettingsView::of(app, &production, &preview, visit(auth, principal, notice));
    Ok(page(status, &app_settings::page(&view)))
}

pub(super) async fn overview(
    path: Named,
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let environment = named(&services, &path).await?;
    let tab = overview_tab(&services, &environment).await?;
    show(&services, &auth, &principal, environment, tab, None, &asked).await
}

/// The overview again, with what was refused.
pub(super) async fn with_notice(
    services: &Services,
    auth: &Auth,
    principal: &Principal,
    environment: Environment,
    notice: Notice,
    status: StatusCode,
) -> NoPageAnswer {
    let tab = overview_tab(services, &environment).await?;
    let mut response = show(
        services,
        auth,
        principal,
        environment,
        tab,
        Some(notice),
        &Asked::default(),
    )
    .await?;
    *response.status_mut() = status;
    Ok(response)
}

pub(super) async fn deployments(
    path: Named,
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let environment = named(&services, &path).await?;
    let below = asked.deployment.map(Generation);
    let found = services
        .store
        .deployments(&environment.id, below, HISTORY)
        .await
        .map_err(Problem::from)?;
    let older = found
        .last()
        .filter(|last| last.generation.0 > 1 && found.len() == HISTORY);
    let older = older.map(|last| {
        format!(
            "{}/deployments?deployment={}",
            paths::environment(&environment),
            last.generation
        )
    });
    let tab = Tab::Deployments(HistoryView {
        deployments: found,
        older,
    });
    show(&services, &auth, &principal, environment, tab, None, &asked).await
}

pub(super) async fn deployment(
    path: web::Path<(String, String, String, u32)>,
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let (owner, slug, name, generation) = path.into_inner();
    let environment = find::environment(&services, &owner, &slug, &name).await?;
    let record = services
        .store
        .deployment(&environment.id, Generation(generation))
        .await
        .map_err(Problem::from)?;
    let record = record.ok_or_else(|| {
        NoPage(ErrorView::NotFound(format!(
            "{name} has no deployment {generation}, or it is too old to be kept."
        )))
    })?;
    let tab = Tab::Deployment(Box::new(DeploymentView::of(&record)));
    show(&services, &auth, &principal, environment, tab, None, &asked).await
}

pub(super) async fn logs(
    path: Named,
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let environment = named(&services, &path).await?;
    let recent = services
        .store
        .deployments(&environment.id, None, RECENT)
        .await
        .map_err(Problem::from)?;
    let chosen = match asked.deployment {
        Some(generation) => services
            .store
            .deployment(&environment.id, Generation(generation))
            .await
            .map_err(Problem::from)?,
        None => recent.first().cloned(),
    };
    let log = match asked.log.as_deref() {
        Some("runtime") => Log::Runtime,
        Some(_) => Log::Deployment,
        // What runs is what people come for; before that, how it came about.
        None if chosen
            .as_ref()
            .is_some_and(|one| one.shown == nestling_domain::deployment::Shown::Running) =>
        {
            Log::Runtime
        }
        None => Log::Deployment,
    };
    let mut lines = Vec::new();
    if let Some(chosen) = &chosen {
        let id = LogId {
            environment: environment.id.clone(),
            generation: chosen.generation,
            log,
        };
        lines = services
            .logging
            .read
            .send(Read { id, from: 0 })
            .await
            .map_err(Problem::from)?;
        lines.drain(..lines.len().saturating_sub(LINES));
    }
    let tab = Tab::Logs(Box::new(LogsView::of(
        &environment,
        &recent,
        chosen.as_ref(),
        log,
        &lines,
    )));
    show(&services, &auth, &principal, environment, tab, None, &asked).await
}

pub(super) async fn tests(
    path: Named,
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let environment = named(&services, &path).await?;
    let view = if let Some(generation) = asked.deployment {
        let record = services
            .store
            .deployment(&environment.id, Generation(generation))
            .await
            .map_err(Problem::from)?;
        let results = results(&services, &environment, Some(Generation(generation))).await?;
        let tests = record.map(|record| record.tests).unwrap_or_default();
        TestsView::of(Some(Generation(generation)), &tests, results.as_ref())
    } else {
        let newest = newest_tested(&services, &environment).await?;
        let results = results(
            &services,
            &environment,
            newest.as_ref().map(|(generation, _)| *generation),
        )
        .await?;
        let (generation, tests) = newest.map_or(
            (None, nestling_domain::deployment::Tests::default()),
            |(generation, tests)| (Some(generation), tests),
        );
        TestsView::of(generation, &tests, results.as_ref())
    };
    show(
        &services,
        &auth,
        &principal,
        environment,
        Tab::Tests(Box::new(view)),
        None,
        &asked,
    )
    .await
}

pub(super) async fn settings(
    path: Named,
    asked: web::Query<Asked>,
    services: web::Data<Services>,
    auth: web::Data<Auth>,
    principal: Principal,
) -> NoPageAnswer {
    let environment = named(&services, &path).await?;
    let app = find::app(&services, &path.0, &path.1).await?;
    let class = environment.kind.class();
    let back = format!("{}/settings", paths::environment(&environment));
    let tab = Tab::Settings(Box::new(Values::of(
        &app,
        class,
        &listed(&services, &app.id, class).await?,
        &back,
    )));
    show(&services, &auth, &principal, environment, tab, None, &asked).await
}

async fn named(services: &Services, path: &Named) -> Result<Environment, NoPage> {
    Ok(find::environment(services, &path.0, &path.1, &path.2).await?)
}

async fn show(
    services: &Services,
    auth: &Auth,
    principal: &Principal,
    environment: Environment,
    tab: Tab,
    notice: Option<Notice>,
    asked: &Asked,
) -> NoPageAnswer {
    let app = find::app(services, &environment.owner, environment.slug.as_str()).await?;
    let queue = queue(services).await?;
    let quarantined = services
        .environments
        .quarantined
        .send(Quarantined)
        .await
        .map_err(Problem::from)?;
    let facts = Facts {
        app: &app,
        environment: &environment,
        ahead: ahead(&queue, &environment.id),
        paused: queue.paused.as_deref(),
        quarantined: quarantined.get(&environment.id).map(String::as_str),
    };
    let head = Head::of(&facts, &services.addresses);
    let view = EnvironmentView {
        visit: visit(auth, principal, notice),
        head,
        tab,
    };
    Ok(asked.choose(
        || environment_page::page(&view),
        || environment_page::fragment(&view),
    ))
}

async fn overview_tab(services: &Services, environment: &Environment) -> Result<Tab, NoPage> {
    let recent = services
        .store
        .deployments(&environment.id, None, RECENT)
        .await
        .map_err(Problem::from)?;
    let events = services
        .store
        .events_of(&environment.id, None, EVENTS)
        .await
        .map_err(Problem::from)?;
    let newest = newest_tested(services, environment)
        .await?
        .map(|(generation, _)| generation);
    let results = results(services, environment, newest).await?;
    let announcement = announcement(services, environment).await?;
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

/// What the pull request shows, composed of the records of all apps of its repository.
async fn announcement(
    services: &Services,
    environment: &Environment,
) -> Result<Option<String>, NoPage> {
    let Some(number) = environment.kind.pull_request() else {
        return Ok(None);
    };
    let repository = environment.repository;
    let environments = services
        .store
        .environments_of_pull_request(repository, number)
        .await
        .map_err(Problem::from)?;
    let queue = queue(services).await?;
    let mut all = Vec::new();
    for one in &environments {
        let newest = newest_tested(services, one)
            .await?
            .map(|(generation, _)| generation);
        all.push(results(services, one, newest).await?);
    }
    let sections = environments
        .iter()
        .zip(&all)
        .map(|(environment, results)| Section {
            environment,
            results: results.as_ref(),
            ahead: ahead(&queue, &environment.id),
            skipped: None,
        });
    let announcement = Announcement {
        repository,
        number,
        sections: sections.collect(),
        left_out: Vec::new(),
        waiting: None,
    };
    let dashboard = services.addresses.dashboard();
    let site = Site {
        dashboard: &dashboard,
        scheme: &services.addresses.scheme,
        preview_domain: &services.addresses.preview_domain,
    };
    Ok(Some(announcement.markdown(&site)))
}

/// The newest deployment whose tests are over, of those that the record or the history names.
async fn newest_tested(
    services: &Services,
    environment: &Environment,
) -> Result<Option<(Generation, nestling_domain::deployment::Tests)>, NoPage> {
    if let Some(deployment) = tested(&environment.lifecycle) {
        return Ok(Some((deployment.generation, deployment.tests.clone())));
    }
    let recent = services
        .store
        .deployments(&environment.id, None, RECENT)
        .await
        .map_err(Problem::from)?;
    let over =
        |record: &DeploymentRecord| record.tests != nestling_domain::deployment::Tests::Pending;
    Ok(recent
        .into_iter()
        .find(over)
        .map(|record| (record.generation, record.tests)))
}

async fn results(
    services: &Services,
    environment: &Environment,
    generation: Option<Generation>,
) -> Result<Option<Results>, NoPage> {
    let Some(generation) = generation else {
        return Ok(None);
    };
    let key = blob_key(&environment.id, generation, ARTIFACT);
    let bytes = services
        .blobs
        .get(&key)
        .await
        .map_err(|error| Problem::internal(error.to_string()))?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

async fn listed(services: &Services, app: &AppId, class: Class) -> Result<Vec<Listed>, NoPage> {
    let list = List {
        app: app.clone(),
        class,
    };
    Ok(services
        .secrets
        .list
        .send(list)
        .await
        .map_err(Problem::from)?
        .map_err(Problem::from)?)
}

async fn repository(services: &Services, app: &App) -> Result<Repository, NoPage> {
    let found = services
        .store
        .repository(app.repository)
        .await
        .map_err(Problem::from)?;
    Ok(found.ok_or_else(|| {
        Problem::not_found(format!(
            "the repository of {}/{} is not known any more",
            app.owner, app.slug
        ))
    })?)
}

async fn queue(services: &Services) -> Result<Queue, NoPage> {
    Ok(services
        .admission
        .look
        .send(Look)
        .await
        .map_err(Problem::from)?)
}

/// How many builds go before that of this environment, while it waits.
fn ahead(queue: &Queue, id: &EnvironmentId) -> Option<usize> {
    queue
        .waiting
        .iter()
        .position(|build| build.environment == *id)
}

/// Everything that the first page shows.
struct Known {
    repositories: Vec<Repository>,
    apps: Vec<App>,
    environments: Vec<(AppId, Vec<Environment>)>,
    pull_requests: Vec<PullRequest>,
}

/// Why a repository shows no app.
const NOTHING_FOUND: &str = "no app was found in it: an app is a folder with a main.w, a package.json that has a start or build script, an index.html, or a nestling.toml with [start] run";

impl Known {
    async fn read(services: &Services) -> Result<Self, NoPage> {
        let store = &services.store;
        let repositories = store.repositories().await.map_err(Problem::from)?;
        let apps = store.apps().await.map_err(Problem::from)?;
        let mut environments = Vec::new();
        for app in &apps {
            environments.push((
                app.id.clone(),
                store
                    .environments_of_app(&app.id)
                    .await
                    .map_err(Problem::from)?,
            ));
        }
        let mut pull_requests = Vec::new();
        for repository in &repositories {
            pull_requests.extend(
                store
                    .pull_requests(repository.id)
                    .await
                    .map_err(Problem::from)?,
            );
        }
        Ok(Known {
            repositories,
            apps,
            environments,
            pull_requests,
        })
    }

    fn facts<'a>(&'a self, repository: &'a Repository) -> RepositoryFacts<'a> {
        let of = |app: &App| {
            let found = self.environments.iter().find(|(id, _)| *id == app.id);
            found
                .map(|(_, environments)| environments.iter().collect())
                .unwrap_or_default()
        };
        RepositoryFacts {
            repository,
            apps: self
                .apps
                .iter()
                .filter(|app| app.repository == repository.id)
                .map(|app| (app, of(app)))
                .collect(),
            pull_requests: self
                .pull_requests
                .iter()
                .filter(|one| one.repository == repository.id)
                .collect(),
            nothing_found: Some(NOTHING_FOUND),
        }
    }
}
