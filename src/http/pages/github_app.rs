//! The pages by which a person makes the GitHub App that the server is.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use serde::Deserialize;
use tokio::time::timeout;

use super::{ErrorView, NoPage, NoPageAnswer, Notice, Visitor, back_to, page};
use crate::{
    http::{
        Services,
        auth::{CsrfForm, Principal},
        dashboard::{
            assets,
            github_app::{self as app_page, Panel},
            paths,
        },
        problem::Problem,
    },
    messages::github_app::{Handle, Installed, NotMade, Propose, Take, Which},
};

/// How long a browser waits until the server has looked at where the App was installed: a handful of requests to GitHub. What
/// takes longer shows by itself.
const LOOK: Duration = Duration::from_secs(5);
/// Marks an address that a browser was sent to once more.
const AGAIN: &str = "again=1";

/// What is shown of the App; `None` when the forge is another.
pub(super) async fn panel(services: &Services) -> Result<Option<Panel>, NoPage> {
    let Some(app) = &services.app else {
        return Ok(None);
    };
    let standing = app.which.send(Which).await?;
    // What the forge cannot do is that it is not told.
    let is_reached = services.forge_trouble.is_none();
    Ok(Some(Panel::of(standing, is_reached, &services.addresses)))
}

fn the_app(services: &Services) -> Result<&Handle, NoPage> {
    let none = || {
        NoPage(ErrorView::NotFound(
            "This server has no GitHub App: forge.driver is not \"github\".".to_owned(),
        ))
    };
    services.app.as_ref().ok_or_else(none)
}

pub(super) async fn shown(visitor: Visitor) -> NoPageAnswer {
    with_notice(&visitor, None, StatusCode::OK, |_| ()).await
}

async fn with_notice(
    visitor: &Visitor,
    notice: Option<Notice>,
    status: StatusCode,
    typed: impl FnOnce(&mut Panel),
) -> NoPageAnswer {
    the_app(&visitor.services)?;
    let gone = || Problem::internal("the App went away");
    let mut panel = panel(&visitor.services).await?.ok_or_else(gone)?;
    typed(&mut panel);
    let visit = visitor.visit(notice);
    Ok(page(status, &app_page::page(&panel, &visit)))
}

#[derive(Deserialize)]
pub(super) struct NewApp {
    #[serde(default)]
    name: String,
    #[serde(default)]
    owner: String,
}

/// The browser gets what it is to send to GitHub.
pub(super) async fn propose(form: CsrfForm<NewApp>, visitor: Visitor) -> NoPageAnswer {
    let NewApp { name, owner } = form.0;
    let propose = Propose {
        by: who(&visitor.principal),
        name: name.clone(),
        owner: owner.clone(),
    };
    let proposed = the_app(&visitor.services)?.propose.send(propose).await?;
    let proposal = match proposed {
        Ok(proposal) => proposal,
        Err(refused) => {
            let typed = |panel: &mut Panel| (panel.name, panel.owner) = (name, owner);
            return not_made(&visitor, &refused, typed).await;
        }
    };
    let mut answer = page(StatusCode::OK, &app_page::handing_over(&proposal));
    let policy = assets::policy_towards(origin(&proposal.address));
    let policy = header::HeaderValue::from_str(&policy)
        .map_err(|_| Problem::internal("forge.github.web_url cannot stand in a header"))?;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // GitHub is told by whom it is asked; else browsers say "null", which looks like nobody.
    let referrer = header::HeaderValue::from_static("strict-origin");
    headers.insert(header::REFERRER_POLICY, referrer);
    Ok(answer)
}

#[derive(Deserialize)]
pub(super) struct Brought {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

/// The browser is back with a code.
pub(super) async fn created(brought: web::Query<Brought>, visitor: Visitor) -> NoPageAnswer {
    let Brought { code, state } = brought.into_inner();
    let take = Take {
        by: who(&visitor.principal),
        state,
        code,
    };
    match the_app(&visitor.services)?.take.send(take).await? {
        Ok(()) => Ok(back_to(paths::GITHUB_APP)),
        Err(failed) => not_made(&visitor, &failed, |_| ()).await,
    }
}

/// The browser is back from installing the App.
pub(super) async fn installed(visitor: Visitor) -> NoPageAnswer {
    let looked = the_app(&visitor.services)?.installed.send(Installed);
    if let Ok(looked) = timeout(LOOK, looked).await {
        looked?;
    }
    Ok(back_to(paths::APPS))
}

async fn not_made(
    visitor: &Visitor,
    why: &NotMade,
    typed: impl FnOnce(&mut Panel),
) -> NoPageAnswer {
    let status = match why {
        NotMade::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
        NotMade::Failed(_) => StatusCode::BAD_GATEWAY,
    };
    let notice = Notice {
        done: false,
        text: why.to_string(),
    };
    with_notice(visitor, Some(notice), status, typed).await
}

/// A browser that is back from GitHub without its sign-in is sent once more, by a page of ours.
pub(super) fn sent_once_more(request: &HttpRequest) -> Option<HttpResponse> {
    let (path, query) = (request.path(), request.query_string());
    let came_back = [paths::APP_CREATED, paths::APP_INSTALLED].contains(&path);
    if !came_back || query.split('&').any(|part| part == AGAIN) {
        return None;
    }
    let joint = if query.is_empty() { "" } else { "&" };
    let path = format!("{path}?{query}{joint}{AGAIN}");
    let refresh = header::HeaderValue::from_str(&format!("0;url={path}")).ok()?;
    let mut answer = page(StatusCode::OK, &app_page::coming_back(&path));
    answer.headers_mut().insert(header::REFRESH, refresh);
    Some(answer)
}

/// A sign-in, by a name that tells nothing of it.
fn who(principal: &Principal) -> String {
    format!("{principal:?}")
}

/// `https://github.com` of an address there.
fn origin(address: &str) -> &str {
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/');
    end.map_or(address, |end| &address[..start + end])
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn the_browser_may_send_the_form_to_githubs_origin_only() {
        for (address, is) in [
            ("https://github.com/settings/apps/new", "https://github.com"),
            ("http://127.0.0.1:4080/settings", "http://127.0.0.1:4080"),
            ("https://ghe.example", "https://ghe.example"),
        ] {
            assert_eq!(origin(address), is);
        }
    }
}
