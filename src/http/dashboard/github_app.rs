//! The GitHub App that the server is: how one is made, which one is in use, and where it is installed.

use maud::{Markup, html};
use nestling_domain::github::manifest::{LONGEST_LOGIN, LONGEST_NAME, PERMISSIONS};

use super::{
    Visit,
    parts::icons::{Icon, icon, logo},
    paths,
    shell::{Page, token, whole},
};
use crate::{
    http::Addresses,
    messages::github_app::{Lost, Made, Proposal, Standing},
};

/// What is shown of the App.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    /// Which is in use.
    pub standing: Standing,
    /// Whether GitHub can reach the server.
    pub is_reached: bool,
    /// What a new one is to be called.
    pub name: String,
    /// The organisation that is to own it; empty for none.
    pub owner: String,
}

impl Panel {
    /// The App, with a name for a new one: GitHub wants one that nobody else has.
    pub fn of(standing: Standing, is_reached: bool, addresses: &Addresses) -> Self {
        let host = addresses.dashboard.split(':').next().unwrap_or_default();
        let name: String = format!("Nestling at {host}")
            .chars()
            .take(LONGEST_NAME)
            .collect();
        Panel {
            standing,
            is_reached,
            name,
            owner: String::new(),
        }
    }

    /// Whether there is an App that works.
    pub fn is_in_use(&self) -> bool {
        matches!(
            self.standing,
            Standing::Configured { .. } | Standing::Made(_)
        )
    }
}

/// The page.
pub fn page(panel: &Panel, visit: &Visit) -> Markup {
    let body = html! {
        div.heading { h1 { "GitHub App" } }
        (self::panel(panel, visit))
    };
    whole(&Page {
        visit: Some(visit),
        title: "GitHub App",
        crumbs: vec![("GitHub App".to_owned(), paths::GITHUB_APP.to_owned())],
        topics: Vec::new(),
        body,
    })
}

/// What is to be done about the App.
pub fn panel(panel: &Panel, visit: &Visit) -> Markup {
    html! {
        @match &panel.standing {
            Standing::None => (form(panel, visit)),
            Standing::Lost(lost) => {
                (lost_keys(lost))
                @if lost.may_be_replaced { (form(panel, visit)) }
            }
            Standing::Configured { number } => (configured(*number)),
            Standing::Made(made) => (in_use(made, panel.is_reached)),
        }
    }
}

fn form(panel: &Panel, visit: &Visit) -> Markup {
    html! {
        section.block aria-labelledby="new-app" {
            h2 id="new-app" { "There is no GitHub App yet" }
            p { "Nestling works on GitHub as an App of your own. The button opens GitHub with all of it filled in; you look at it there and agree, and come back here." }
            p.muted {
                "It asks for "
                @for (place, (name, level)) in PERMISSIONS.iter().enumerate() {
                    @if place > 0 { ", " }
                    (name.replace('_', " ")) " (" (level) ")"
                }
                ", and for no more. Its keys are kept here, encrypted."
            }
            @if !panel.is_reached { (unreached()) }
            form.put method="post" action=(paths::NEW_APP) autocomplete="off" {
                (token(visit))
                div.field.grow {
                    label for="app-name" { "Name of the App" }
                    input id="app-name" name="name" value=(panel.name) maxlength=(LONGEST_NAME) required;
                }
                div.field.grow {
                    label for="app-owner" { "Organisation that owns it" }
                    input id="app-owner" name="owner" value=(panel.owner) maxlength=(LONGEST_LOGIN) placeholder="empty for your own account" spellcheck="false" autocapitalize="off";
                }
                button.button.primary type="submit" { "Create the GitHub App" }
            }
        }
    }
}

fn unreached() -> Markup {
    html! {
        p { "GitHub cannot reach this server, because " code { "server.public_url" } " is not set: the App gets no webhook, and the server looks every 30 s, at comments, too. Buttons of checks do nothing." }
    }
}

fn in_use(made: &Made, is_reached: bool) -> Markup {
    html! {
        section.block aria-labelledby="app" {
            h2 id="app" { (made.name) " is in use" }
            p { "This server is the GitHub App " strong { (made.name) } ", number " (made.number) ", which was made here. Its keys are in the store, encrypted." }
            @if !is_reached { (unreached()) }
            p { "Install it on the repositories whose pull requests are to have previews. Nothing of them runs before you add an app." }
            p {
                a.button.primary href=(format!("{}/installations/new", made.page)) rel="noreferrer" { (icon(Icon::Open)) "Install it" }
            }
            p.muted { a href=(made.page) rel="noreferrer" { "Its page at GitHub" } " · " a href=(paths::APPS) { "All apps" } }
        }
    }
}

fn configured(number: u64) -> Markup {
    html! {
        section.block aria-labelledby="app" {
            h2 id="app" { "App " (number) " is in use" }
            p { "The configuration names it, with " code { "forge.github.app_id" } ". It is used also where another one was made here." }
            p { "Install it at GitHub, from its page, on the repositories whose pull requests are to have previews. Nothing of them runs before you add an app." }
            p.muted { a href=(paths::APPS) { "All apps" } }
        }
    }
}

fn lost_keys(lost: &Lost) -> Markup {
    html! {
        div class="notice bad" {
            (icon(Icon::Warning))
            div { p { strong { "The App's keys cannot be opened" } } p { (lost.reason) } }
        }
    }
}

/// The page between our form and GitHub's: where scripts run it goes on by itself.
pub fn handing_over(proposal: &Proposal) -> Markup {
    let body = html! {
        section.alone {
            (logo())
            h1 { "On to GitHub" }
            p { "GitHub shows what the App is to be, and makes it when you agree." }
            form method="post" action=(proposal.address) data-hand-over {
                input type="hidden" name="manifest" value=(proposal.manifest);
                button class="button primary" type="submit" { "Continue at GitHub" }
            }
        }
    };
    whole(&Page {
        visit: None,
        title: "On to GitHub",
        crumbs: Vec::new(),
        topics: Vec::new(),
        body,
    })
}

/// A browser that comes from GitHub keeps its sign-in to itself, since that goes with requests of our own pages only. So it is
/// sent once more from a page of ours, to `path`: by a header, and where that is not heeded, by hand.
pub fn coming_back(path: &str) -> Markup {
    let body = html! {
        section.alone {
            (logo())
            h1 { "Back from GitHub" }
            p { a.button href=(path) { "Go on" } }
        }
    };
    whole(&Page {
        visit: None,
        title: "Back from GitHub",
        crumbs: Vec::new(),
        topics: Vec::new(),
        body,
    })
}
