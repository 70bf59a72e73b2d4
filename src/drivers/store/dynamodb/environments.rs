//! Environments: the record by id is the whole one and carries the version; the records by app, by branch and by pull request
//! name it, and are written with it when they change.
//!
//! A save that writes nothing but the record is one conditional put, which costs half of what a transaction does. It has no token by
//! which DynamoDB would know it again: the record says who wrote it.

use nestling_domain::{
    environment::Environment,
    ids::{AppId, EnvironmentId, InputId, RepositoryId, Timestamp, Version},
    record::EventRecord,
};

use super::{
    DynamoDb, history,
    items::{BODY, EXPIRES, ID, Item, PK, SK, With, item, keep, key_of, number, text, word},
    kept::{self, Kept},
    keys,
    queries::{Query, Span},
    record::{
        APP, APP_KEY, BRANCH_KEY, LAST_EVENT, MACHINES, PULL_KEY, VERSION, has_machines, pull_key,
        replace, write_record,
    },
    transaction::{Condition, Transaction},
    trouble::Trouble,
    upkeep::{INPUTS, expiry},
};
use crate::drivers::store::{Page, Save};

/// The answer that an input got.
const ANSWER: &str = "answer";

/// Writes one decision, all of it or nothing.
pub(super) async fn save(store: &DynamoDb, save: Save) -> Result<Vec<EventRecord>, Trouble> {
    must_follow(&save)?;
    let environment = &save.environment;
    let pk = keys::environment(&environment.id);
    let there = store.get(store.records(), &pk, &pk).await?;
    let version = there.as_ref().and_then(|item| number(item, VERSION));
    if version.map(Version) != save.expected {
        return Err(changed(&environment.id));
    }
    let mut kept = match &there {
        Some(record) => Kept::read(record)?,
        None => Kept::default(),
    };
    let above = there.as_ref().and_then(|item| number(item, LAST_EVENT));
    let above = above.unwrap_or_default();
    let count = u64::try_from(save.happened.len()).unwrap_or(u64::MAX);
    let given = match count {
        0 => None,
        _ => Some(store.numbers(count, above).await?),
    };
    let first = given.as_ref().map_or(0, |given| given.first);
    let events = history::records(&save, first);

    let mut all = Transaction::default();
    let last = events.last().map_or(above, |event| event.number.0);
    history::write_deployments(store, &mut all, &save, &mut kept)?;
    history::write_events(store, &mut all, &save, &events, &mut kept)?;
    write_record(store, &mut all, &save, (there.as_ref(), last), kept)?;
    write_lists(store, &mut all, environment, there.as_ref());
    let input = write_input(store, &mut all, &save);
    let alive = save.expected.is_none().then(|| {
        let key = item(keys::REMOVED, keys::app(&environment.app));
        all.check(store.records(), key, Condition::absent())
    });

    let outcome = match all.one_put() {
        Ok(put) => replace(store, put, environment).await,
        Err(all) => store.write(all).await,
    };
    if let Some(given) = given
        && !matches!(outcome, Err(Trouble::Unknown(_)))
    {
        given.over();
    }
    match outcome {
        Ok(()) => Ok(events),
        Err(Trouble::Unmet(place)) if Some(place) == alive => {
            super::apps::must_not_be_removed(store, &environment.app).await?;
            Err(changed(&environment.id))
        }
        Err(Trouble::Unmet(place)) if Some(place) == input => Err(Trouble::Conflict(format!(
            "the answer to an input of environment {}",
            environment.id
        ))),
        Err(Trouble::Unmet(_)) => Err(changed(&environment.id)),
        Err(other) => Err(other),
    }
}

fn changed(id: &EnvironmentId) -> Trouble {
    Trouble::Conflict(format!("environment {id}"))
}

/// Refuses what a caller may get wrong.
fn must_follow(save: &Save) -> Result<(), Trouble> {
    let id = &save.environment.id;
    let due = save.expected.map_or(0, |version| version.0) + 1;
    if save.environment.version != Version(due) {
        return Err(Trouble::Rejected(format!(
            "environment {id} was to be saved as version {}, and the next one is {due}",
            save.environment.version.0
        )));
    }
    let stray = save
        .deployments
        .iter()
        .find(|record| record.environment != *id);
    match stray {
        None => Ok(()),
        Some(stray) => Err(Trouble::Rejected(format!(
            "a deployment of environment {} was to be saved with environment {id}",
            stray.environment
        ))),
    }
}

/// The records that name the environment, where they are not there yet or are no longer right.
fn write_lists(
    store: &DynamoDb,
    all: &mut Transaction,
    environment: &Environment,
    there: Option<&Item>,
) {
    let id = &environment.id.0;
    let before = |name: &str| there.map(|item| word(item, name)).unwrap_or_default();
    let mut put = |pk: &str, sk: &str| {
        let named = item(pk, sk).with(ID, text(id));
        all.put(store.records(), named, Condition::none());
    };
    let app = keys::app(&environment.app);
    let (by_app, by_branch) = (keys::by_app(environment), keys::by_branch(environment));
    if before(APP_KEY) != by_app {
        put(&app, &by_app);
    }
    if before(BRANCH_KEY) != by_branch {
        put(&app, &by_branch);
    }
    if there.is_none() {
        put(&keys::part_of(keys::ENVIRONMENTS, id), id);
        if let Some(pull) = pull_key(environment) {
            put(&pull, &keys::environment(&environment.id));
        }
    }
    let machines = keys::part_of(keys::MACHINES, id);
    let had = !before(MACHINES).is_empty();
    let has = has_machines(environment);
    if has && !had {
        put(&machines, id);
    }
    let mut remove = |pk: &str, sk: &str| {
        all.delete(store.records(), item(pk, sk), Condition::none());
    };
    if had && !has {
        remove(&machines, id);
    }
    let old = before(BRANCH_KEY);
    if !old.is_empty() && old != by_branch {
        remove(before(APP), old);
    }
}

/// The answer to the input. One that was answered meanwhile means: reload, and give that answer.
fn write_input(store: &DynamoDb, all: &mut Transaction, save: &Save) -> Option<usize> {
    let (input, answer) = save.input.as_ref()?;
    let environment = &save.environment;
    let answered = item(keys::environment(&environment.id), keys::input(input))
        .with(ANSWER, text(answer))
        .with(EXPIRES, expiry(environment.updated_at, INPUTS));
    let condition = Condition::absent_or_expired(store.horizon());
    Some(all.put(store.records(), answered, condition))
}

pub(super) async fn by_id(
    store: &DynamoDb,
    id: &EnvironmentId,
) -> Result<Option<Environment>, Trouble> {
    let pk = keys::environment(id);
    let record = store.get(store.records(), &pk, &pk).await?;
    record.as_ref().map(kept::environment).transpose()
}

pub(super) async fn answered(
    store: &DynamoDb,
    id: &EnvironmentId,
    input: &InputId,
) -> Result<Option<String>, Trouble> {
    let pk = keys::environment(id);
    let item = store.get(store.records(), &pk, &keys::input(input)).await?;
    let item = item.filter(|item| !store.is_expired(item));
    Ok(item.map(|item| word(&item, ANSWER).to_owned()))
}

pub(super) async fn of_app(store: &DynamoDb, app: &AppId) -> Result<Vec<Environment>, Trouble> {
    let query = Query::prefix(keys::app(app), keys::ENVIRONMENTS_OF);
    named(store, &query).await
}

pub(super) async fn of_branch(
    store: &DynamoDb,
    app: &AppId,
    branch: &str,
) -> Result<Vec<Environment>, Trouble> {
    let query = Query::prefix(keys::app(app), &keys::of_branch(branch));
    named(store, &query).await
}

pub(super) async fn of_pull_request(
    store: &DynamoDb,
    repository: RepositoryId,
    number: u32,
) -> Result<Vec<Environment>, Trouble> {
    let pull = keys::of_pull_request(repository, number);
    named(store, &Query::prefix(pull, keys::ENVIRONMENTS_OF)).await
}

/// The environments that a list names.
async fn named(store: &DynamoDb, query: &Query) -> Result<Vec<Environment>, Trouble> {
    let named = store.query(query, usize::MAX).await?;
    read(store, &named).await
}

async fn read(store: &DynamoDb, named: &[Item]) -> Result<Vec<Environment>, Trouble> {
    let keys = named.iter().map(|one| {
        let pk = keys::environment(&EnvironmentId(word(one, ID).to_owned()));
        (pk.clone(), pk)
    });
    let keys: Vec<_> = keys.collect();
    let mut environments = Vec::new();
    for record in store.get_all(store.records(), &keys).await? {
        keep(kept::environment(&record), &mut environments);
    }
    Ok(environments)
}

pub(super) async fn due(
    store: &DynamoDb,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<EnvironmentId>, Trouble> {
    let due = store.due_in_index(until, limit).await?;
    let ids = due.into_iter().map(|(_, pk)| {
        let id = pk.strip_prefix("ENVIRONMENT#").unwrap_or(&pk);
        EnvironmentId(id.to_owned())
    });
    Ok(ids.collect())
}

/// A page of a list that is written in parts.
pub(super) async fn page(
    store: &DynamoDb,
    list: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Environment>, Trouble> {
    let mut items = Vec::new();
    let mut after = after.map(str::to_owned);
    // A page full of records that cannot be read must not look like the end.
    while items.len() < limit {
        let span = match &after {
            None => Span::All,
            Some(after) => Span::After(after.clone()),
        };
        let wanted = limit - items.len();
        let named = store
            .query_parts(list, span, false, wanted.saturating_add(1))
            .await?;
        let is_end = named.len() <= wanted;
        let named = &named[..named.len().min(wanted)];
        items.extend(read(store, named).await?);
        let last = named.last().map(|one| word(one, SK).to_owned());
        if is_end {
            return Ok(Page { items, next: None });
        }
        after = last;
    }
    Ok(Page { items, next: after })
}

pub(super) async fn put_visits(
    store: &DynamoDb,
    visits: &[(EnvironmentId, Timestamp)],
) -> Result<(), Trouble> {
    // The last one of each: a batch must not name a key twice.
    let visits: std::collections::BTreeMap<_, _> =
        visits.iter().map(|(id, at)| (&id.0, at)).collect();
    let items = visits.into_iter().map(|(id, at)| {
        let pk = keys::environment(&EnvironmentId(id.clone()));
        item(pk, keys::VISIT).with(BODY, text(at.0.to_string()))
    });
    store.put_each(store.records(), items.collect()).await
}

pub(super) async fn visit(
    store: &DynamoDb,
    id: &EnvironmentId,
) -> Result<Option<Timestamp>, Trouble> {
    store.record(&keys::environment(id), keys::VISIT).await
}

/// Removes everything that is kept of an environment, also when its record can no longer be read. The record goes last: while it
/// is there, this can be done again, and no new life begins on what an old one left.
pub(super) async fn forget(store: &DynamoDb, id: &EnvironmentId) -> Result<(), Trouble> {
    let (table, pk) = (store.records(), keys::environment(id));
    let mut rest = Vec::new();
    let mut record = None;
    store
        .each(table, &Query::all(&pk), None, |one| {
            rest.extend(history::listed_with(&one, id));
            if word(&one, SK) == pk {
                record = Some(one);
            } else {
                rest.push(key_of(&one));
            }
            true
        })
        .await?;
    store.delete_each(table, rest).await?;
    let Some(record) = record else {
        return Ok(());
    };
    let mut all = Transaction::default();
    let app = word(&record, APP);
    let others = [
        (word(&record, PK).to_owned(), pk.clone()),
        (app.to_owned(), word(&record, APP_KEY).to_owned()),
        (app.to_owned(), word(&record, BRANCH_KEY).to_owned()),
        (word(&record, PULL_KEY).to_owned(), pk.clone()),
        (keys::part_of(keys::ENVIRONMENTS, &id.0), id.0.clone()),
        (keys::part_of(keys::MACHINES, &id.0), id.0.clone()),
    ];
    let others = others
        .into_iter()
        .filter(|(pk, sk)| !pk.is_empty() && !sk.is_empty());
    for (pk, sk) in others {
        all.delete(table, item(pk, sk), Condition::none());
    }
    store.write(all).await
}
