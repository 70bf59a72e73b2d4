//! What is answered when no app may be asked, or none answers.

use actix_web::{
    HttpResponse,
    http::{ConnectionType, StatusCode},
};

use super::{
    console::Caller,
    exchange::{Failure, Sent},
    heads::Upgrade,
    pages::{self, Notice},
    pool::Goal,
    visit::Visit,
    worker::Worker,
};
use crate::messages::routes::{Route, To};

impl Worker {
    pub(super) fn guard_console(&self, visit: &Visit, goal: &Goal) -> Option<HttpResponse> {
        let console = goal.target().is_none_or(|target| target.console);
        let hooks = &*self.shared.hooks;
        console
            .then(|| {
                self.caller(visit, &self.dashboard())
                    .refusal(hooks, hooks.now())
            })
            .flatten()
    }

    /// `/.nestling/…` on an environment's own host is ours.
    pub(super) fn own_page(&self, visit: &Visit) -> HttpResponse {
        let path = visit.request.path();
        let route = self.shared.routes.get(&visit.label);
        match route {
            Some(route) if path == pages::STATUS => pages::status(&route),
            Some(route) if path == "/.nestling/login" && serves_console(&route, visit) => {
                let hooks = &*self.shared.hooks;
                self.caller(visit, &self.dashboard()).login(
                    visit.request.query_string(),
                    hooks,
                    hooks.now(),
                )
            }
            _ => pages::text(
                StatusCode::NOT_FOUND,
                "nothing is here: paths under /.nestling/ are Nestling's own\n",
            ),
        }
    }

    fn caller<'a>(&'a self, visit: &'a Visit, dashboard: &'a str) -> Caller<'a> {
        Caller {
            method: visit.request.method(),
            path: visit
                .request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str()),
            headers: visit.request.headers(),
            upgrade: visit.upgrade,
            scheme: &self.shared.config.addresses.scheme,
            host: visit.host(),
            dashboard,
        }
    }

    pub(super) fn nobody(&self, visit: &Visit) -> HttpResponse {
        let text = format!(
            "No environment lives at {}. It may have been closed with its pull request, or never existed.",
            visit.host()
        );
        self.notice(
            visit,
            StatusCode::NOT_FOUND,
            "Nothing lives here",
            text,
            String::new(),
        )
    }

    pub(super) fn no_endpoint(&self, visit: &Visit, route: &Route) -> HttpResponse {
        let text = format!(
            "{} runs, but has no endpoint at {}.",
            route.name,
            visit.host()
        );
        self.notice(
            visit,
            StatusCode::NOT_FOUND,
            "No such endpoint",
            text,
            route.name.clone(),
        )
    }

    fn notice(
        &self,
        visit: &Visit,
        status: StatusCode,
        title: &str,
        text: String,
        detail: String,
    ) -> HttpResponse {
        let link = Some((self.dashboard(), "Go to the dashboard"));
        let title = title.to_owned();
        Notice {
            status,
            title,
            text,
            detail,
            link,
            waits: false,
            passes: false,
        }
        .answer(visit.wants_page())
    }

    /// The app gave no answer, and there is no other to ask.
    pub(super) fn no_answer(&self, visit: &Visit, goal: &Goal, failure: &Failure) -> HttpResponse {
        let status = match failure.sent {
            Sent::TooLarge => {
                return pages::text(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "the request's header fields are too large\n",
                );
            }
            Sent::Unreadable => {
                return pages::text(
                    StatusCode::BAD_REQUEST,
                    "the request cannot be sent on as it is\n",
                );
            }
            Sent::Late => StatusCode::GATEWAY_TIMEOUT,
            Sent::Nothing | Sent::All => StatusCode::BAD_GATEWAY,
        };
        let commit = goal
            .serving()
            .map(|serving| serving.commit.short())
            .unwrap_or_default();
        let reason = &failure.reason;
        tracing::debug!(environment.id = %goal.route.environment, "{} at {commit} gave no answer: {reason}", goal.route.name);
        let notice = Notice {
            status,
            title: "The app does not answer".to_owned(),
            text: format!(
                "{} at commit {commit} gave no answer: {reason}.",
                goal.route.name
            ),
            detail: commit.to_owned(),
            link: Some((
                format!("{}/{}/logs", self.dashboard(), goal.route.name),
                "See its logs",
            )),
            waits: false,
            passes: false,
        };
        notice.answer(visit.wants_page())
    }
}

/// What no app may receive.
pub(super) fn refusal(visit: &Visit) -> Option<HttpResponse> {
    let method = visit.request.method();
    if method == actix_web::http::Method::CONNECT {
        return Some(pages::text(
            StatusCode::METHOD_NOT_ALLOWED,
            "CONNECT is not offered here\n",
        ));
    }
    (visit.upgrade == Upgrade::Broken).then(|| {
        let text = "a WebSocket begins with GET over HTTP/1.1, Connection: Upgrade, and no body\n";
        let mut answer = pages::text(StatusCode::BAD_REQUEST, text);
        answer.head_mut().set_connection_type(ConnectionType::Close);
        answer
    })
}

/// Only the server that acts knows where environments are.
pub(super) fn waits(visit: &Visit) -> HttpResponse {
    let text = "Another server answers for environments at this moment, and this one takes over when that is gone.";
    let notice = Notice {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "This server waits".to_owned(),
        text: text.to_owned(),
        detail: String::new(),
        link: None,
        waits: false,
        passes: true,
    };
    notice.answer(visit.wants_page())
}

pub(super) fn full(visit: &Visit, route: &Route) -> HttpResponse {
    let notice = Notice {
        status: StatusCode::SERVICE_UNAVAILABLE,
        title: "Too many requests at once".to_owned(),
        text: format!(
            "{} has as many requests under way as one environment may have.",
            route.name
        ),
        detail: route.name.clone(),
        link: None,
        waits: false,
        passes: true,
    };
    notice.answer(visit.wants_page())
}

fn serves_console(route: &Route, visit: &Visit) -> bool {
    match &route.to {
        To::Serving(serving) => serving.endpoints.iter().any(|target| {
            target.console
                && (target.label == visit.label || (target.primary && route.label == visit.label))
        }),
        To::Switching | To::Coming { .. } | To::Again { .. } | To::Stopped { .. } => false,
    }
}
