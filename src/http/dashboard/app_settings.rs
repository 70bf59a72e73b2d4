//! An app's secrets and variables, for production and for previews.

use maud::{Markup, html};
use nestling_domain::{app::App, ids::Class};

use super::{
    Visit,
    environment::settings::{Values, show},
    paths,
    shell::{Page, whole},
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
            production: Values::of(app, Class::Production, production, &back),
            preview: Values::of(app, Class::Preview, preview, &back),
        }
    }
}

/// The page. Nothing on it changes by itself.
pub fn page(view: &AppSettingsView) -> Markup {
    let body = html! {
        div.heading { div {
            h1 { "Secrets and variables" }
            p.muted { "What " (view.name) " gets in its environment, apart for production and for previews." }
        } }
        (show(&view.production, &view.visit))
        (show(&view.preview, &view.visit))
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
