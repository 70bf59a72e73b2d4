//! Repositories, apps, and the claims of slugs.
//!
//! An app is three records (by id; in the list; in its repository). A claim is two: one under the slug, whose
//! being there is what makes the slug taken, and one under the app, so that an app which comes back within
//! the 30 days finds the slug that it had. An app that is removed is one record, in a list of its own.

use nestling_domain::{
    app::{App, RemovedApp, Repository},
    ids::{AppId, RepositoryId, Timestamp},
    label::Slug,
    record::Delivery,
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{
    environments::{get, partition, put, remove},
    inbox, keys,
    rows::{all, encode},
    trouble::Trouble,
    values,
};

/// Suffixes that are tried for an app before it is refused: four hex digits meet another app's by chance only.
const SUFFIXES: u32 = 16;

/// Who holds a slug.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claim {
    slug: Slug,
    app: AppId,
    /// When the app was deleted; `None` while it is there.
    released_at: Option<Timestamp>,
}

pub(super) fn put_repository(
    database: &Connection,
    repository: &Repository,
) -> Result<(), Trouble> {
    let body = encode("a repository", repository)?;
    put(
        database,
        keys::REPOSITORIES,
        &keys::repository(repository.id),
        &body,
    )
}

pub(super) fn repository(
    database: &Connection,
    id: RepositoryId,
) -> Result<Option<Repository>, Trouble> {
    get(database, keys::REPOSITORIES, &keys::repository(id))
}

pub(super) fn repositories(database: &Connection) -> Result<Vec<Repository>, Trouble> {
    partition(database, keys::REPOSITORIES, "REPOSITORY#")
}

/// Records an app under the slug that it holds, or claims one.
pub(super) fn put_app(database: &Connection, wanted: &App) -> Result<App, Trouble> {
    must_not_be_removed(database, &wanted.id)?;
    let app = match by_id(database, &wanted.id)? {
        Some(old) => App {
            description: old.description,
            ..wanted.clone()
        },
        None => wanted.clone(),
    };
    write_app(database, app)
}

fn write_app(database: &Connection, mut app: App) -> Result<App, Trouble> {
    let old: Option<App> = by_id(database, &app.id)?;
    if let Some(old) = &old {
        app.slug = old.slug.clone();
        remove(database, keys::APPS, &keys::listed(old))?;
        remove(
            database,
            &keys::repository(old.repository),
            &keys::by_folder(old),
        )?;
    } else {
        app.slug = claim(database, &app)?;
    }
    let body = encode("an app", &app)?;
    let pk = keys::app(&app.id);
    put(database, &pk, &pk, &body)?;
    put(database, keys::APPS, &keys::listed(&app), &body)?;
    put(
        database,
        &keys::repository(app.repository),
        &keys::by_folder(&app),
        &body,
    )?;
    Ok(app)
}

/// The slug for an app that is not there: the one it had, else the one it asks for, else that with a suffix.
fn claim(database: &Connection, app: &App) -> Result<Slug, Trouble> {
    let had: Vec<Claim> = partition(database, &keys::app(&app.id), "SLUG#")?;
    let suffixed = (1..=SUFFIXES).map(|attempt| match attempt {
        1 => app.slug.with_suffix(&app.id.0),
        _ => app.slug.with_suffix(&format!("{}#{attempt}", app.id)),
    });
    let candidates = had
        .into_iter()
        .map(|claim| claim.slug)
        .chain([app.slug.clone()])
        .chain(suffixed);
    for slug in candidates {
        let key = keys::slug(&slug);
        let there: Option<Claim> = get(database, &key, &key)?;
        if there.is_none_or(|claim| claim.app == app.id) {
            let claim = Claim {
                slug,
                app: app.id.clone(),
                released_at: None,
            };
            put_claim(database, &claim)?;
            return Ok(claim.slug);
        }
    }
    Err(Trouble::Rejected(format!(
        "no address is free for app {:?} of {}: too many apps are called {:?}; rename its folder",
        app.root,
        app.owner,
        app.slug.as_str()
    )))
}

fn put_claim(database: &Connection, claim: &Claim) -> Result<(), Trouble> {
    let body = encode("a claim", claim)?;
    let key = keys::slug(&claim.slug);
    put(database, &key, &key, &body)?;
    put(database, &keys::app(&claim.app), &key, &body)
}

pub(super) fn by_id(database: &Connection, id: &AppId) -> Result<Option<App>, Trouble> {
    let pk = keys::app(id);
    get(database, &pk, &pk)
}

pub(super) fn by_slug(
    database: &Connection,
    owner: &str,
    slug: &Slug,
) -> Result<Option<App>, Trouble> {
    let key = keys::slug(slug);
    let Some(claim) = get::<Claim>(database, &key, &key)? else {
        return Ok(None);
    };
    Ok(by_id(database, &claim.app)?.filter(|app| app.owner == owner))
}

pub(super) fn all_apps(database: &Connection) -> Result<Vec<App>, Trouble> {
    let mut apps: Vec<App> = partition(database, keys::APPS, "OWNER#")?;
    // The key's separator sorts among letters; people's order does not know it.
    apps.sort_by(|a, b| (&a.owner, a.slug.as_str()).cmp(&(&b.owner, b.slug.as_str())));
    Ok(apps)
}

pub(super) fn of_repository(database: &Connection, id: RepositoryId) -> Result<Vec<App>, Trouble> {
    let mut apps: Vec<App> = partition(database, &keys::repository(id), "APP#")?;
    apps.sort_by(|a, b| a.root.cmp(&b.root));
    Ok(apps)
}

pub(super) fn describe(
    database: &Connection,
    id: &AppId,
    description: &str,
) -> Result<Option<App>, Trouble> {
    let Some(app) = by_id(database, id)? else {
        return Ok(None);
    };
    let description = description.to_owned();
    write_app(database, App { description, ..app }).map(Some)
}

pub(super) fn all_removed(database: &Connection) -> Result<Vec<RemovedApp>, Trouble> {
    let mut removed: Vec<RemovedApp> = partition(database, keys::REMOVED, "APP#")?;
    removed.sort_by(|a, b| {
        let key = |one: &RemovedApp| (one.app.owner.clone(), one.app.slug.to_string());
        key(a).cmp(&key(b))
    });
    Ok(removed)
}

pub(super) fn removed(database: &Connection, id: &AppId) -> Result<Option<RemovedApp>, Trouble> {
    get(database, keys::REMOVED, &keys::app(id))
}

/// Refuses what only an app may have that is there.
pub(super) fn must_not_be_removed(database: &Connection, id: &AppId) -> Result<(), Trouble> {
    match removed(database, id)? {
        None => Ok(()),
        Some(RemovedApp { app, .. }) => Err(Trouble::Rejected(format!(
            "app {}/{} is removed: bring it back first",
            app.owner, app.slug
        ))),
    }
}

/// Records a removed app as one that is there, with the delivery that tells so.
pub(super) fn bring_back(
    database: &Connection,
    app: &App,
    delivery: &Delivery,
) -> Result<App, Trouble> {
    if removed(database, &app.id)?.is_none() {
        return Err(Trouble::Rejected(format!(
            "app {}/{} is not removed",
            app.owner, app.slug
        )));
    }
    remove(database, keys::REMOVED, &keys::app(&app.id))?;
    inbox::receive(database, delivery)?;
    write_app(database, app.clone())
}

/// Removes an app with its values, remembers that, and marks its slug as free in 30 days.
pub(super) fn delete(database: &Connection, id: &AppId, now: Timestamp) -> Result<(), Trouble> {
    let Some(app) = by_id(database, id)? else {
        return Ok(());
    };
    let removed = RemovedApp {
        app: app.clone(),
        removed_at: now,
    };
    let body = encode("a removed app", &removed)?;
    put(database, keys::REMOVED, &keys::app(id), &body)?;
    values::delete_all(database, id)?;
    let pk = keys::app(id);
    remove(database, &pk, &pk)?;
    remove(database, keys::APPS, &keys::listed(&app))?;
    remove(
        database,
        &keys::repository(app.repository),
        &keys::by_folder(&app),
    )?;
    let claim = Claim {
        slug: app.slug,
        app: app.id,
        released_at: Some(now),
    };
    put_claim(database, &claim)
}

/// Frees the slugs that were released before `before`.
pub(super) fn free_slugs(database: &Connection, before: Timestamp) -> Result<(), Trouble> {
    let sql = "SELECT pk, body FROM records WHERE pk >= 'SLUG#' AND pk < 'SLUG$'";
    let claims: Vec<Claim> = all(database, "records", sql, [])?;
    for claim in claims {
        if claim.released_at.is_some_and(|at| at < before) {
            let key = keys::slug(&claim.slug);
            remove(database, &key, &key)?;
            remove(database, &keys::app(&claim.app), &key)?;
        }
    }
    Ok(())
}
