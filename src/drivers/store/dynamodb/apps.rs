//! Repositories and apps. An app is three records (by id; in the list by owner; in its repository), an app that is removed one, in
//! a list of its own. What is written was decided on what was read: when that has changed, it is read and decided again.

use nestling_domain::{
    app::{App, RemovedApp, Repository},
    ids::{AppId, RepositoryId, Timestamp},
    label::Slug,
    record::Delivery,
};
use tokio::time::sleep;

use super::{
    DynamoDb,
    calls::wait,
    inbox,
    items::{BODY, Item, decode, item, record},
    keys,
    queries::Query,
    slugs,
    transaction::{Condition, Transaction},
    trouble::Trouble,
    values,
};

/// How often something is decided anew because what it was decided on has changed.
pub(super) const ATTEMPTS: u32 = 40;

/// Decides again, while `decide` is told that what it decided on has changed.
pub(super) async fn until_unchanged<T, F>(what: &str, decide: impl Fn() -> F) -> Result<T, Trouble>
where
    F: Future<Output = Result<T, Trouble>>,
{
    for attempt in 0..ATTEMPTS {
        match decide().await {
            Err(Trouble::Unmet(_)) => sleep(wait(attempt)).await,
            outcome => return outcome,
        }
    }
    Err(Trouble::Conflict(what.to_owned()))
}

pub(super) async fn put_repository(
    store: &DynamoDb,
    repository: &Repository,
) -> Result<(), Trouble> {
    let key = keys::repository(repository.id);
    let put = record((keys::REPOSITORIES, &key), "a repository", repository)?;
    // A forge says the same again and again, and reading costs a tenth.
    let there = store.get(store.records(), keys::REPOSITORIES, &key).await?;
    if there.as_ref() == Some(&put) {
        return Ok(());
    }
    store.put(store.records(), put).await
}

pub(super) async fn repository(
    store: &DynamoDb,
    id: RepositoryId,
) -> Result<Option<Repository>, Trouble> {
    store
        .record(keys::REPOSITORIES, &keys::repository(id))
        .await
}

pub(super) async fn repositories(store: &DynamoDb) -> Result<Vec<Repository>, Trouble> {
    let all = Query::all(keys::REPOSITORIES);
    store.partition(&all, usize::MAX).await
}

/// Records an app under the slug that it holds, or claims one.
pub(super) async fn put_app(store: &DynamoDb, wanted: &App) -> Result<App, Trouble> {
    until_unchanged("the app", || async move {
        must_not_be_removed(store, &wanted.id).await?;
        let there = item_of(store, &wanted.id).await?;
        let description = match &there {
            Some(item) => decode::<App>(item)?.description,
            None => wanted.description.clone(),
        };
        let app = App {
            description,
            ..wanted.clone()
        };
        let mut all = Transaction::default();
        let removed = item(keys::REMOVED, keys::app(&app.id));
        all.check(store.records(), removed, Condition::absent());
        write_app(store, all, app, there.as_ref()).await
    })
    .await
}

pub(super) async fn describe(
    store: &DynamoDb,
    id: &AppId,
    description: &str,
) -> Result<Option<App>, Trouble> {
    until_unchanged("the app", || async move {
        let Some(there) = item_of(store, id).await? else {
            return Ok(None);
        };
        let app = App {
            description: description.to_owned(),
            ..decode(&there)?
        };
        let all = Transaction::default();
        write_app(store, all, app, Some(&there)).await.map(Some)
    })
    .await
}

async fn item_of(store: &DynamoDb, id: &AppId) -> Result<Option<Item>, Trouble> {
    let pk = keys::app(id);
    store.get(store.records(), &pk, &pk).await
}

/// Writes the records of an app with what is written already, in place of those of the one that was there.
async fn write_app(
    store: &DynamoDb,
    mut all: Transaction,
    mut app: App,
    there: Option<&Item>,
) -> Result<App, Trouble> {
    let table = store.records();
    let old: Option<App> = there.map(decode).transpose()?;
    if let Some(old) = &old {
        app.slug = old.slug.clone();
        if *old == app {
            return Ok(app);
        }
        for (pk, sk) in lists(old) {
            if !lists(&app).contains(&(pk.clone(), sk.clone())) {
                all.delete(table, item(pk, sk), Condition::none());
            }
        }
    } else {
        app.slug = slugs::free_for(store, &app).await?;
        slugs::claim(store, &mut all, &app)?;
    }
    let pk = keys::app(&app.id);
    let whole = record((&pk, &pk), "an app", &app)?;
    all.put(table, whole, Condition::unchanged(BODY, there));
    for (pk, sk) in lists(&app) {
        let listed = record((&pk, &sk), "an app", &app)?;
        all.put(table, listed, Condition::none());
    }
    store.write(all).await?;
    Ok(app)
}

/// Where an app is listed.
fn lists(app: &App) -> [(String, String); 2] {
    [
        (keys::APPS.to_owned(), keys::listed(app)),
        (keys::repository(app.repository), keys::by_folder(app)),
    ]
}

pub(super) async fn by_id(store: &DynamoDb, id: &AppId) -> Result<Option<App>, Trouble> {
    let pk = keys::app(id);
    store.record(&pk, &pk).await
}

pub(super) async fn by_slug(
    store: &DynamoDb,
    owner: &str,
    slug: &Slug,
) -> Result<Option<App>, Trouble> {
    let Some(id) = slugs::app_of(store, slug).await? else {
        return Ok(None);
    };
    Ok(by_id(store, &id).await?.filter(|app| app.owner == owner))
}

pub(super) async fn all_apps(store: &DynamoDb) -> Result<Vec<App>, Trouble> {
    let mut apps: Vec<App> = store.partition(&Query::all(keys::APPS), usize::MAX).await?;
    // The key's separator sorts among letters; people's order does not know it.
    apps.sort_by(|a, b| (&a.owner, a.slug.as_str()).cmp(&(&b.owner, b.slug.as_str())));
    Ok(apps)
}

pub(super) async fn of_repository(store: &DynamoDb, id: RepositoryId) -> Result<Vec<App>, Trouble> {
    let query = Query::prefix(keys::repository(id), keys::APPS_OF);
    let mut apps: Vec<App> = store.partition(&query, usize::MAX).await?;
    apps.sort_by(|a, b| a.root.cmp(&b.root));
    Ok(apps)
}

pub(super) async fn all_removed(store: &DynamoDb) -> Result<Vec<RemovedApp>, Trouble> {
    let all = Query::all(keys::REMOVED);
    let mut removed: Vec<RemovedApp> = store.partition(&all, usize::MAX).await?;
    removed.sort_by(|a, b| {
        let key = |one: &RemovedApp| (one.app.owner.clone(), one.app.slug.to_string());
        key(a).cmp(&key(b))
    });
    Ok(removed)
}

pub(super) async fn removed(store: &DynamoDb, id: &AppId) -> Result<Option<RemovedApp>, Trouble> {
    store.record(keys::REMOVED, &keys::app(id)).await
}

/// Refuses what only an app may have that is there.
pub(super) async fn must_not_be_removed(store: &DynamoDb, id: &AppId) -> Result<(), Trouble> {
    match removed(store, id).await? {
        None => Ok(()),
        Some(RemovedApp { app, .. }) => Err(Trouble::Rejected(format!(
            "app {}/{} is removed: bring it back first",
            app.owner, app.slug
        ))),
    }
}

/// Records a removed app as one that is there, with the delivery that tells so.
pub(super) async fn bring_back(
    store: &DynamoDb,
    app: &App,
    delivery: &Delivery,
) -> Result<App, Trouble> {
    until_unchanged("the app", || async move {
        if removed(store, &app.id).await?.is_none() {
            return Err(Trouble::Rejected(format!(
                "app {}/{} is not removed",
                app.owner, app.slug
            )));
        }
        // Those that a server left which ended while it removed the app.
        values::delete_all(store, &app.id).await?;
        let there = item_of(store, &app.id).await?;
        let mut all = Transaction::default();
        let removed = item(keys::REMOVED, keys::app(&app.id));
        all.delete(store.records(), removed, Condition::present());
        if !inbox::is_there(store, &delivery.id).await? {
            inbox::write(store, &mut all, delivery).await?;
        }
        write_app(store, all, app.clone(), there.as_ref()).await
    })
    .await
}

/// Removes an app with its values, remembers that, and marks its slug as free in 30 days. The values go last: once the app
/// counts as removed, nobody puts any.
pub(super) async fn delete(store: &DynamoDb, id: &AppId, now: Timestamp) -> Result<(), Trouble> {
    let is_removed = until_unchanged("the app", || async move {
        let Some(there) = item_of(store, id).await? else {
            return Ok(removed(store, id).await?.is_some());
        };
        let app: App = decode(&there)?;
        let (table, pk) = (store.records(), keys::app(id));
        let mut all = Transaction::default();
        let unchanged = Condition::unchanged(BODY, Some(&there));
        all.delete(table, item(&pk, &pk), unchanged);
        for (pk, sk) in lists(&app) {
            all.delete(table, item(pk, sk), Condition::none());
        }
        slugs::release(store, &mut all, &app, now)?;
        let removed = RemovedApp {
            app,
            removed_at: now,
        };
        let remembered = record((keys::REMOVED, &pk), "a removed app", &removed)?;
        all.put(table, remembered, Condition::none());
        store.write(all).await?;
        Ok(true)
    })
    .await?;
    if is_removed {
        values::delete_all(store, id).await?;
    }
    Ok(())
}
