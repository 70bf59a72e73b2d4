//! The first page, the same of one owner, the page of an app, and its settings.

use actix_web::{http::StatusCode, web};
use nestling_domain::{
    app::App,
    ids::{Class, RepositoryId},
};

use super::{
    ErrorView, NoPage, NoPageAnswer, Notice, Visitor,
    facts::{self, Known},
    github_app, page,
};
use crate::http::{
    api::{find, proposals as looking},
    dashboard::{
        app::{self as app_page, AppView},
        app_settings::{self, AppSettingsView},
        apps::{self as apps_page, AppsView, capital},
        github_app::Panel,
        paths,
        proposals::{self as proposals_page, ProposalsPage},
    },
    problem::Problem,
    troubles,
};

/// How much is repeated of a name that is not there.
const LONGEST_SHOWN: usize = 80;

pub(super) async fn apps(visitor: Visitor) -> NoPageAnswer {
    let known = Known::read(&visitor.services).await?;
    list(&visitor, &known, None).await
}

/// The apps of one owner.
pub(super) async fn owner(path: web::Path<String>, visitor: Visitor) -> NoPageAnswer {
    let owner = path.into_inner();
    let known = Known::read(&visitor.services).await?.of_owner(&owner);
    if known.is_empty() {
        let shown: String = owner.chars().take(LONGEST_SHOWN).collect();
        return Err(NoPage(ErrorView::NotFound(format!(
            "Nobody called {shown:?} owns an app or a repository here. All apps are at {}.",
            paths::APPS
        ))));
    }
    list(&visitor, &known, Some(owner)).await
}

async fn list(visitor: &Visitor, known: &Known, owner: Option<String>) -> NoPageAnswer {
    let (asked, addresses) = (&visitor.asked, &visitor.services.addresses);
    let mut view = AppsView::of(&known.facts(), &asked.q, addresses, visitor.visit(None));
    view.owner = owner;
    // With an App and repositories there is nothing to be done about it.
    let app = github_app::panel(&visitor.services).await?;
    let app = app.filter(|app| !app.is_in_use() || known.is_empty());
    // That GitHub cannot reach the server is said above it.
    let is_reached = true;
    view.app = app.map(|app| Panel { is_reached, ..app });
    view.warn(troubles::of_github(&visitor.services).await?);
    view.warn(troubles::of_server(&visitor.services).await?);
    Ok(asked.choose(|| apps_page::page(&view), || apps_page::fragment(&view)))
}

pub(super) async fn app(path: web::Path<(String, String)>, visitor: Visitor) -> NoPageAnswer {
    let services = &visitor.services;
    let app = find::app(services, &path.0, &path.1).await?;
    let repository = facts::repository(services, &app).await?;
    let environments = services.store.environments_of_app(&app.id).await?;
    let queue = facts::records(services).queue().await?;
    let pull_requests = services.store.pull_requests(app.repository).await?;
    let view = AppView::of(
        &app,
        (&repository, &pull_requests),
        &environments,
        |id| queue.ahead(id),
        &services.addresses,
        visitor.visit(None),
    );
    let asked = &visitor.asked;
    Ok(asked.choose(|| app_page::page(&view), || app_page::fragment(&view)))
}

/// What a repository holds, read now.
pub(super) async fn proposals(path: web::Path<u64>, visitor: Visitor) -> NoPageAnswer {
    let id = RepositoryId(*path);
    let known = visitor.services.store.repository(id).await?;
    let known = known.ok_or_else(|| {
        Problem::not_found(format!(
            "Repository {id} is not known here: is the App installed on it?"
        ))
    })?;
    let found = looking::look(&visitor.services, &known).await;
    let view = ProposalsPage {
        visit: visitor.visit(None),
        id,
        repository: format!("{}/{}", known.owner, known.name),
        found: found.map_err(|problem| capital(&problem.detail)),
    };
    Ok(page(StatusCode::OK, &proposals_page::page(&view)))
}

pub(super) async fn settings(path: web::Path<(String, String)>, visitor: Visitor) -> NoPageAnswer {
    let app = find::app(&visitor.services, &path.0, &path.1).await?;
    settings_page(&visitor, &app, None, StatusCode::OK).await
}

/// The settings page again, with what was refused.
pub(super) async fn settings_with_notice(
    visitor: &Visitor,
    app: &App,
    notice: Notice,
) -> NoPageAnswer {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    settings_page(visitor, app, Some(notice), status).await
}

async fn settings_page(
    visitor: &Visitor,
    app: &App,
    notice: Option<Notice>,
    status: StatusCode,
) -> NoPageAnswer {
    let production = facts::listed(&visitor.services, &app.id, Class::Production).await?;
    let preview = facts::listed(&visitor.services, &app.id, Class::Preview).await?;
    let view = AppSettingsView::of(app, &production, &preview, visitor.visit(notice));
    Ok(page(status, &app_settings::page(&view)))
}
