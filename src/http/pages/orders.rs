//! What the forms of pages order. Each form carries its session's token; each order its key.

use actix_web::{http::StatusCode, web};
use nestling_domain::{
    app::{self, VariableName},
    environment::Environment,
    ids::{InputId, RepositoryId},
    lifecycle::{Command, Event},
    record::PullRequestStatus,
};
use serde::Deserialize;

use super::{ErrorView, NoPage, NoPageAnswer, Notice, Visitor, apps, back_to, environment};
use crate::{
    http::{
        Services,
        api::{find, folder, orders},
        auth::CsrfForm,
        dashboard::{apps::capital, paths},
        problem::Problem,
    },
    messages::{
        apps::{Describe, Record, Remove},
        environment::{Apply, NotApplied},
        forge::StartWaiting,
        live::Touch,
        secrets::{Delete, Put, SecretError},
    },
};

/// Who did it, as the audit log says, until there are accounts.
const BY: &str = "local user";
/// The longest idempotency key of a form.
const LONGEST_KEY: usize = 128;

#[derive(Debug, Deserialize)]
pub(super) struct OrderForm {
    #[serde(default)]
    key: String,
}

/// Cancel, redeploy, stop or start.
pub(super) async fn order(
    path: web::Path<(String, String, String, String)>,
    form: CsrfForm<OrderForm>,
    visitor: Visitor,
) -> NoPageAnswer {
    let services = &visitor.services;
    let (owner, slug, name, order) = path.into_inner();
    let command = match order.as_str() {
        "cancel" => Command::Cancel,
        "redeploy" => Command::Redeploy,
        "stop" => Command::Stop,
        "start" => Command::Start,
        _ => {
            return Err(NoPage(ErrorView::NotFound(
                "There is no such order.".to_owned(),
            )));
        }
    };
    let environment = find::environment(services, &owner, &slug, &name).await?;
    if command == Command::Start && release(services, &environment).await? {
        return Ok(back_to(&paths::environment(&environment)));
    }
    let key = Some(form.0.key).filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY);
    let apply = Apply {
        event: Event::Command(command),
        by: BY.to_owned(),
        input: key.map(|key| InputId(format!("form {order} {key}"))),
        birth: None,
    };
    match services
        .environments
        .apply(environment.id.clone(), apply)
        .await
    {
        Ok(_) => Ok(back_to(&paths::environment(&environment))),
        Err(NotApplied::Refused(reason)) => {
            let notice = Notice {
                done: false,
                text: reason,
            };
            environment::with_notice(&visitor, environment, notice, StatusCode::CONFLICT).await
        }
        Err(other) => Err(Problem::from(other).into()),
    }
}

/// Lets a pull request run that waits; whether it waited.
async fn release(services: &Services, environment: &Environment) -> Result<bool, NoPage> {
    let app = find::app(services, &environment.owner, environment.slug.as_str()).await?;
    let stands = find::standing(services, app.repository, environment.kind).await?;
    let waits = stands == Some(PullRequestStatus::Waiting);
    if waits {
        orders::release(services, &app, environment.kind).await?;
    }
    Ok(waits)
}

#[derive(Deserialize)]
pub(super) struct ValueForm {
    class: String,
    name: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    back: String,
}

/// Adds or replaces a secret or a variable.
pub(super) async fn put_value(
    path: web::Path<(String, String)>,
    form: CsrfForm<ValueForm>,
    visitor: Visitor,
) -> NoPageAnswer {
    let services = &visitor.services;
    let app = find::app(services, &path.0, &path.1).await?;
    let form = form.0;
    let outcome = match VariableName::parse(form.name.trim()) {
        Err(error) => Err(error.to_string()),
        Ok(name) => {
            let put = Put {
                app: app.id.clone(),
                class: find::class(&form.class)?,
                name,
                text: form.text,
                secret: form.secret.is_some(),
            };
            refusal(services.secrets.put.send(put).await?)?
        }
    };
    match outcome {
        Ok(()) => Ok(back_to(&ours(&form.back, &app.owner, app.slug.as_str()))),
        Err(text) => apps::settings_with_notice(&visitor, &app, Notice { done: false, text }).await,
    }
}

/// Removes a secret or a variable.
pub(super) async fn delete_value(
    path: web::Path<(String, String)>,
    form: CsrfForm<ValueForm>,
    services: web::Data<Services>,
) -> NoPageAnswer {
    let app = find::app(&services, &path.0, &path.1).await?;
    let form = form.0;
    let name =
        VariableName::parse(&form.name).map_err(|error| Problem::malformed(error.to_string()))?;
    let delete = Delete {
        app: app.id.clone(),
        class: find::class(&form.class)?,
        name,
    };
    services.secrets.delete.send(delete).await??;
    Ok(back_to(&ours(&form.back, &app.owner, app.slug.as_str())))
}

#[derive(Debug, Deserialize)]
pub(super) struct DescriptionForm {
    description: String,
}

/// Replaces what people say about an app.
pub(super) async fn describe_app(
    path: web::Path<(String, String)>,
    form: CsrfForm<DescriptionForm>,
    visitor: Visitor,
) -> NoPageAnswer {
    let services = &visitor.services;
    let app = find::app(services, &path.0, &path.1).await?;
    let description = match app::description(&form.0.description) {
        Ok(description) => description,
        Err(error) => {
            let text = capital(&error.to_string());
            return apps::settings_with_notice(&visitor, &app, Notice { done: false, text }).await;
        }
    };
    let describe = Describe {
        app: app.id,
        description,
    };
    services.apps.describe.send(describe).await??;
    Ok(back_to(&paths::app(&app.owner, app.slug.as_str())))
}

#[derive(Debug, Deserialize)]
pub(super) struct RemoveForm {
    #[serde(default)]
    name: String,
}

/// Removes an app whose name was typed.
pub(super) async fn remove_app(
    path: web::Path<(String, String)>,
    form: CsrfForm<RemoveForm>,
    visitor: Visitor,
) -> NoPageAnswer {
    let services = &visitor.services;
    let app = find::app(services, &path.0, &path.1).await?;
    if form.0.name.trim() != app.slug.as_str() {
        let text = format!(
            "Nothing was removed: type {} to confirm, exactly so.",
            app.slug
        );
        return apps::settings_with_notice(&visitor, &app, Notice { done: false, text }).await;
    }
    let remove = Remove {
        app: app.id,
        by: BY.to_owned(),
    };
    services.apps.remove.send(remove).await??;
    Ok(back_to(paths::APPS))
}

/// Brings an app back that was removed.
pub(super) async fn bring_back(
    path: web::Path<(String, String)>,
    _form: CsrfForm<NoFields>,
    services: web::Data<Services>,
) -> NoPageAnswer {
    let (owner, slug) = path.into_inner();
    let mut removed = services.store.removed_apps().await?.into_iter();
    let found = removed.find(|one| one.app.owner == owner && one.app.slug.as_str() == slug);
    if let Some(found) = found {
        let record = Record {
            repository: found.app.repository,
            root: found.app.root,
        };
        services.apps.record.send(record).await??;
    }
    // Pressed twice, it is there already.
    let app = find::app(&services, &owner, &slug).await?;
    Ok(back_to(&paths::app(&app.owner, app.slug.as_str())))
}

#[derive(Debug, Deserialize)]
pub(super) struct AppForm {
    #[serde(default)]
    root: String,
}

/// Records the app in a folder of a repository.
pub(super) async fn add_app(
    path: web::Path<u64>,
    form: CsrfForm<AppForm>,
    services: web::Data<Services>,
) -> NoPageAnswer {
    let record = Record {
        repository: RepositoryId(*path),
        root: folder(&form.0.root)?,
    };
    let app = services.apps.record.send(record).await??.app;
    Ok(back_to(&paths::app(&app.owner, app.slug.as_str())))
}

#[derive(Debug, Deserialize)]
pub(super) struct NoFields {}

/// Starts a pull request that waits because the limit is reached.
pub(super) async fn start_pull_request(
    path: web::Path<(u64, u32)>,
    _form: CsrfForm<NoFields>,
    services: web::Data<Services>,
) -> NoPageAnswer {
    let (repository, number) = path.into_inner();
    let order = StartWaiting {
        repository: RepositoryId(repository),
        number,
        app: None,
    };
    services.forge.start_waiting.send(order).await??;
    services.live.touch.do_send(Touch {
        topic: "*".to_owned(),
    });
    Ok(back_to(paths::APPS))
}

/// What a person can mend is shown on the page; the rest is an error.
fn refusal(outcome: Result<(), SecretError>) -> Result<Result<(), String>, NoPage> {
    match outcome {
        Ok(()) => Ok(Ok(())),
        Err(SecretError::Refused(reason) | SecretError::Conflict(reason)) => Ok(Err(reason)),
        Err(failed @ SecretError::Failed(_)) => Err(Problem::from(failed).into()),
    }
}

/// A path of ours, for this app, and nothing else: a form must not send anybody elsewhere.
fn ours(back: &str, owner: &str, slug: &str) -> String {
    let app = paths::app(owner, slug);
    let fits = back
        .strip_prefix(&app)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && !back.contains("//");
    if fits {
        back.to_owned()
    } else {
        paths::app_settings(owner, slug)
    }
}
