//! Pages for what went wrong: what it is, and the way on.

use maud::{Markup, html};

use super::{
    parts::icons::logo,
    paths,
    shell::{Page, whole},
};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorView {
    /// 401: there is no session.
    SignedOut,
    /// 403, and why: a form that did not come from our pages, or a foreign origin.
    Forbidden(String),
    /// 404, and what is not there, for people.
    NotFound(String),
    /// 503, and why: another server acts.
    Waits(String),
    /// 503, and why: what the page is made of cannot be had now.
    Away(String),
    /// 500, and the number by which the log names it. The cause stays in the log.
    Broken(String),
}

impl ErrorView {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            ErrorView::SignedOut => 401,
            ErrorView::Forbidden(_) => 403,
            ErrorView::NotFound(_) => 404,
            ErrorView::Broken(_) => 500,
            ErrorView::Waits(_) | ErrorView::Away(_) => 503,
        }
    }
}

/// The page.
pub fn page(view: &ErrorView) -> Markup {
    let (title, what) = match view {
        ErrorView::SignedOut => ("Sign in first", "This browser has no session, or it has ended. Open the link that the terminal printed when Nestling started.".to_owned()),
        ErrorView::Forbidden(why) => ("That was not allowed", why.clone()),
        ErrorView::NotFound(what) => ("Nothing is here", what.clone()),
        ErrorView::Waits(why) => ("Nothing can be ordered here now", format!("Nothing was changed: {why}.")),
        ErrorView::Away(why) => ("This cannot be shown now", format!("Nothing was changed, and what runs goes on: {why}. Reload to try again.")),
        ErrorView::Broken(number) => ("Something broke on our side", format!("Nothing was changed. The server's log has the details under {number}; reload to try again.")),
    };
    let body = html! {
        section.alone {
            (logo())
            p.code { (view.status()) }
            h1 { (title) }
            p { (what) }
            p { a.button href=(paths::APPS) { "All apps" } }
        }
    };
    whole(&Page {
        visit: None,
        title,
        crumbs: Vec::new(),
        topics: Vec::new(),
        body,
    })
}
