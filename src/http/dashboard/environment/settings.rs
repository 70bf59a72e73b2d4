//! Secrets and variables of one kind of environment.

use maud::{Markup, html};
use nestling_domain::{
    app::App,
    ids::{Class, Timestamp},
};

use super::super::{
    Visit,
    parts::{
        icons::{Icon, icon},
        time, words,
    },
    paths,
    shell::token,
};
use crate::messages::secrets::Listed;

/// The values of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// Which kind.
    pub class: Class,
    /// By name.
    pub values: Vec<Value>,
    /// Where a value is put.
    pub put: String,
    /// Where a value is deleted.
    pub delete: String,
    /// The page to come back to.
    pub back: String,
}

/// A value as people may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Its name.
    pub name: String,
    /// A plain variable's text; `None` for a secret, which never reaches a page.
    pub text: Option<String>,
    /// When it was last put.
    pub updated_at: Timestamp,
}

impl Values {
    /// Puts together what is known; `back` is the page that shows it.
    pub fn of(app: &App, class: Class, listed: &[Listed], back: &str) -> Self {
        let slug = app.slug.as_str();
        let value = |one: &Listed| Value {
            name: one.name.as_str().to_owned(),
            text: one.text.clone(),
            updated_at: one.updated_at,
        };
        Values {
            class,
            values: listed.iter().map(value).collect(),
            put: paths::put_value(&app.owner, slug),
            delete: paths::delete_value(&app.owner, slug),
            back: back.to_owned(),
        }
    }
}

/// The list with its forms.
pub fn show(values: &Values, visit: &Visit) -> Markup {
    let kind = values.class.name();
    let id = format!("values-{kind}");
    html! {
        section.block aria-labelledby=(id) {
            h2 id=(id) { (words::class(values.class)) span.number { (values.values.len()) } }
            p.muted {
                @match values.class {
                    Class::Production => "Given to production only: setup, tests and the app see them as environment variables.",
                    Class::Preview => "Given to all previews: setup, tests and the app see them as environment variables. Anybody whose branch is previewed can read them.",
                }
                " A change counts from the next deployment on: redeploy to use it now."
            }
            @if values.values.is_empty() { p.empty { "None yet." } } @else {
                table.stack {
                    caption.unseen { "Secrets and variables of " (kind) }
                    thead { tr { th scope="col" { "Name" } th scope="col" { "Value" } th scope="col" { "Put" } th scope="col" { span.unseen { "Delete" } } } }
                    tbody { @for value in &values.values { (row(value, values, visit)) } }
                }
            }
            (form(values, visit))
        }
    }
}

fn row(value: &Value, values: &Values, visit: &Visit) -> Markup {
    html! {
        tr {
            th scope="row" data-label="Name" { code { (value.name) } }
            td data-label="Value" {
                @match &value.text {
                    Some(text) => code.clamp { (text) },
                    None => span.muted { (icon(Icon::Lock)) "•••••••• " span.unseen { "secret" } },
                }
            }
            td data-label="Put" { span.muted { (time::ago(value.updated_at, visit.now)) } }
            td.right data-label="" {
                form.order method="post" action=(values.delete) data-confirm=(format!("Delete {}?", value.name)) {
                    (hidden(values, visit))
                    input type="hidden" name="name" value=(value.name);
                    button.quiet.danger type="submit" { (icon(Icon::Gone)) "Delete" span.unseen { " " (value.name) } }
                }
            }
        }
    }
}

fn form(values: &Values, visit: &Visit) -> Markup {
    let kind = values.class.name();
    html! {
        form.put method="post" action=(values.put) autocomplete="off" {
            (hidden(values, visit))
            h3 { "Add or replace" }
            div.field {
                label for=(format!("name-{kind}")) { "Name" }
                input id=(format!("name-{kind}")) name="name" required maxlength="128" pattern="[A-Za-z_][A-Za-z0-9_]*" spellcheck="false" autocapitalize="off" placeholder="STRIPE_KEY" aria-describedby=(format!("hint-{kind}"));
            }
            div.field.grow {
                label for=(format!("text-{kind}")) { "Value" }
                textarea id=(format!("text-{kind}")) name="text" rows="1" maxlength="65536" spellcheck="false" {}
            }
            label.check { input type="checkbox" name="secret" value="on" checked; span { "Secret: encrypted, masked in logs, never shown again" } }
            button.button.primary type="submit" { "Save" }
            p.muted.small id=(format!("hint-{kind}")) { "Letters, digits and _, not beginning with a digit or NESTLING, and not PORT. A name that is there already gets the new value." }
        }
    }
}

fn hidden(values: &Values, visit: &Visit) -> Markup {
    html! {
        (token(visit))
        input type="hidden" name="class" value=(values.class.name());
        input type="hidden" name="back" value=(values.back);
    }
}
