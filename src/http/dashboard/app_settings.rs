//! What people set of an app: its description, its secrets and variables for production and for previews, and its end.

use maud::{Markup, html};
use nestling_domain::{
    app::{App, LONGEST_DESCRIPTION},
    ids::Class,
};

use super::{
    Visit,
    environment::settings::{Values, show},
    parts::icons::{Icon, icon},
    paths,
    shell::{Page, token, whole},
};
use crate::messages::secrets::Listed;

/// The page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettingsView {
    /// The visit.
    pub visit: Visit,
    /// Who owns it.
    pub owner: String,
    /// Its slug.
    pub name: String,
    /// What people say about it.
    pub description: String,
    /// The values of production.
    pub production: Values,
    /// The values of previews.
    pub preview: Values,
}

impl AppSettingsView {
    /// Puts together what is known.
    pub fn of(app: &App, production: &[Listed], preview: &[Listed], visit: Visit) -> Self {
        let back = paths::app_settings(&app.owner, app.slug.as_str());
        AppSettingsView {
            visit,
            owner: app.owner.clone(),
            name: app.slug.to_string(),
            description: app.description.clone(),
            production: Values::of(app, Class::Production, production, &back),
            preview: Values::of(app, Class::Preview, preview, &back),
        }
    }
}

/// The page. Nothing on it changes by itself.
pub fn page(view: &AppSettingsView) -> Markup {
    let body = html! {
        div.heading { div {
            h1 { "Settings" }
            p.muted { "How " (view.name) " is described, and what it gets in its environment, apart for production and for previews." }
        } }
        (description(view))
        (show(&view.production, &view.visit))
        (show(&view.preview, &view.visit))
        (end(view))
    };
    let app = paths::app(&view.owner, &view.name);
    let crumbs = vec![
        (view.name.clone(), app),
        (
            "Settings".to_owned(),
            paths::app_settings(&view.owner, &view.name),
        ),
    ];
    let title = format!("Settings · {}", view.name);
    whole(&Page {
        visit: Some(&view.visit),
        title: &title,
        crumbs,
        topics: Vec::new(),
        body,
    })
}

fn description(view: &AppSettingsView) -> Markup {
    html! {
        section.block aria-labelledby="about" {
            h2 id="about" { "Description" }
            form.put method="post" action=(paths::describe_app(&view.owner, &view.name)) autocomplete="off" {
                (token(&view.visit))
                div.field.grow {
                    label for="description" { "What people say about it" }
                    input id="description" name="description" value=(view.description) maxlength=(LONGEST_DESCRIPTION) placeholder="Sells what the team makes";
                }
                button.button.primary type="submit" { "Save" }
            }
        }
    }
}

/// Typing the name is the confirmation, so that it needs no script.
fn end(view: &AppSettingsView) -> Markup {
    html! {
        section.block aria-labelledby="end" {
            h2 id="end" { "Remove this app" }
            p { "All of its environments close, with what they store, and its secrets and variables are deleted at once. It stays removed although its folder is still in the repository. The page of apps can bring it back, with its name for 30 days, and with its history and logs for their time." }
            form.put method="post" action=(paths::remove_app(&view.owner, &view.name)) autocomplete="off" {
                (token(&view.visit))
                div.field {
                    label for="confirm" { "Type " code { (view.name) } " to confirm" }
                    input id="confirm" name="name" required spellcheck="false" autocapitalize="off";
                }
                button.button.danger type="submit" { (icon(Icon::Gone)) "Remove " (view.name) }
            }
        }
    }
}
