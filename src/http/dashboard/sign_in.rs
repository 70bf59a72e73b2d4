//! The sign-in page: how to get in, for who has no session.

use maud::{Markup, html};

use super::{
    parts::icons::logo,
    shell::{Page, whole},
};

/// The page. `refused` is why a link that was just opened did not work.
pub fn page(refused: Option<&str>) -> Markup {
    let body = html! {
        section.alone {
            (logo())
            h1 { "Open the link that the terminal printed" }
            @if let Some(reason) = refused { p.notice.bad role="alert" { (reason) } }
            p {
                "Nestling has no accounts on this machine. When it starts, it prints a link that signs this browser in, so that "
                "no page of a preview can act in your name."
            }
            pre { code { "$ nestling up\nDashboard  http://nestling.localhost:4100/?token=…" } }
            p.muted { "The terminal is gone? The token is in the file " code { "api-token" } " in Nestling's data folder; put it after " code { "/?token=" } "." }
        }
    };
    whole(&Page {
        visit: None,
        title: "Sign in",
        crumbs: Vec::new(),
        topics: Vec::new(),
        body,
    })
}
