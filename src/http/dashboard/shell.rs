//! What stands around every page.

use maud::{DOCTYPE, Markup, html};

use super::{
    Notice, Visit, assets,
    parts::icons::{Icon, icon, logo},
    paths,
};

/// One page, to be put into the shell.
pub struct Page<'a> {
    /// The present visit; `None` for a page without orders (sign-in, errors).
    pub visit: Option<&'a Visit>,
    /// What the browser's tab says.
    pub title: &'a str,
    /// The way here: name and address of each page above this one.
    pub crumbs: Vec<(String, String)>,
    /// What the page is told about over `/v1/live`: `local/shop`, or `*` for everything.
    pub topics: Vec<String>,
    /// The page itself.
    pub body: Markup,
}

/// Puts a page into the shell.
pub fn whole(page: &Page<'_>) -> Markup {
    let now = page.visit.map(|visit| visit.now.0);
    let topics = (!page.topics.is_empty()).then(|| page.topics.join(" "));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (page.title) " · Nestling" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                link rel="icon" type="image/svg+xml" href=(assets::icon().path());
                link rel="stylesheet" href=(assets::style().path());
                script src=(assets::script().path()) defer {}
            }
            body data-now=[now] data-topics=[topics] {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    div.width {
                        a.brand href=(paths::APPS) { (logo()) span { "Nestling" } }
                        @if !page.crumbs.is_empty() {
                            nav.crumbs aria-label="You are here" {
                                ol { @for (name, address) in &page.crumbs { li { a href=(address) { (name) } } } }
                            }
                        }
                        @if !page.topics.is_empty() {
                            p.connection id="connection" role="status" hidden { (icon(Icon::Dot)) span { "Connecting" } }
                        }
                    }
                }
                main.width id="main" tabindex="-1" {
                    @if let Some(notice) = page.visit.and_then(|visit| visit.notice.as_ref()) { (show(notice)) }
                    (page.body)
                }
                footer.width.foot {
                    p { "Nestling gives every branch a living environment at a stable address." }
                    @if page.visit.is_some() { p { a href=(paths::DELIVERIES) { "Deliveries" } } }
                    noscript { p { "Without scripts this page does not follow changes: reload it to see them." } }
                }
            }
        }
    }
}

/// The live parts of a page alone, as the script fetches them.
pub fn fragment(visit: &Visit, live: &Markup) -> Markup {
    html! { div data-fragment data-now=(visit.now.0) { (live) } }
}

/// A form with one button, that works without a script.
pub fn order(visit: &Visit, path: &str, key: Option<&str>, class: &str, label: &Markup) -> Markup {
    html! {
        form.order id=(form_id(path)) method="post" action=(path) {
            (token(visit))
            @if let Some(key) = key { input type="hidden" name="key" value=(key); }
            button class=(class) type="submit" { (label) }
        }
    }
}

/// Tells a form from its neighbours, so that an update never turns one into another under somebody's finger.
fn form_id(path: &str) -> String {
    format!("order{}", path.replace('/', "-"))
}

/// What every form carries to prove that it came from a page of ours.
pub fn token(visit: &Visit) -> Markup {
    html! { input type="hidden" name="csrf" value=(visit.csrf); }
}

/// An address that can be copied by one press, where scripts run.
pub fn copyable(address: &str) -> Markup {
    html! {
        button.quiet.copy type="button" data-copy=(address) hidden { (icon(Icon::Copy)) span { "Copy" } }
    }
}

fn show(notice: &Notice) -> Markup {
    let (tone, shows) = if notice.done {
        ("good", Icon::Check)
    } else {
        ("bad", Icon::Warning)
    };
    html! { div class=(format!("notice {tone}")) role="status" { (icon(shows)) p { (notice.text) } } }
}
