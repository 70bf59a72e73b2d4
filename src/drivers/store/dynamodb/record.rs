//! The record of an environment by its id: whole, with all by which it is found, and how it is replaced.

use nestling_domain::environment::Environment;

use super::{
    DynamoDb,
    calls::token,
    history,
    items::{BODY, Item, With, digits, encode, item, kib, number, pack, text, word},
    kept::Kept,
    keys,
    tables::{DUE_AT, DUE_PART},
    transaction::{Condition, Transaction},
    trouble::Trouble,
};
use crate::drivers::store::Save;

/// Counts the saves; what a save expects.
pub(super) const VERSION: &str = "version";
/// The partition of its app.
pub(super) const APP: &str = "app";
/// Its sort keys among the environments of its app: by number, and by branch.
pub(super) const APP_KEY: &str = "app_key";
pub(super) const BRANCH_KEY: &str = "branch_key";
/// The partition of its pull request.
pub(super) const PULL_KEY: &str = "pull_key";
/// There while it may have a machine.
pub(super) const MACHINES: &str = "machines";
/// The highest number of its events.
pub(super) const LAST_EVENT: &str = "last_event";
/// Which save wrote it: by chance, to tell one's own write from somebody else's.
const WRITER: &str = "writer";
/// As many letters of it tell apart those who save one version.
const WRITER_LENGTH: usize = 16;

/// The record by id, and what was told once the record would cost more with it. What costs two units to move anyhow moves only with
/// a save that tells something.
pub(super) fn write_record(
    store: &DynamoDb,
    all: &mut Transaction,
    save: &Save,
    (there, last_event): (Option<&Item>, u64),
    mut kept: Kept,
) -> Result<(), Trouble> {
    let json = encode("an environment", &save.environment)?;
    let whole = record(save, last_event)?;
    let holding = |kept: &Kept| {
        let body = pack(&kept.body(&json)?)?;
        Ok::<Item, Trouble>(whole.clone().with(BODY, body))
    };
    let mut put = holding(&kept)?;
    if !save.happened.is_empty() {
        let without = holding(&Kept {
            told: Vec::new(),
            ..kept.clone()
        })?;
        if kib(&put) > kib(&without) || !history::may_stay(&kept.told) {
            history::write_told(store, all, &save.environment.id, &mut kept)?;
            put = without;
        }
    }
    all.put(store.records(), put, Condition::unchanged(VERSION, there));
    Ok(())
}

/// All of a record but its body. It also says where its other records are, so that they are found when it cannot be read.
fn record(save: &Save, last_event: u64) -> Result<Item, Trouble> {
    let environment = &save.environment;
    let pk = keys::environment(&environment.id);
    let due = save.due_at;
    let part = due.map(|_| text(keys::part_of(keys::DUE, &environment.id.0)));
    let writer: String = token()?.chars().take(WRITER_LENGTH).collect();
    Ok(item(&pk, &pk)
        .with(VERSION, digits(environment.version.0))
        .with(WRITER, text(writer))
        .with(APP, text(keys::app(&environment.app)))
        .with(APP_KEY, text(keys::by_app(environment)))
        .with(BRANCH_KEY, text(keys::by_branch(environment)))
        .with(LAST_EVENT, digits(last_event))
        .with_any(PULL_KEY, pull_key(environment).map(text))
        .with_any(MACHINES, has_machines(environment).then(|| text("yes")))
        .with_any(DUE_PART, part)
        .with_any(DUE_AT, due.map(|at| digits(at.0))))
}

/// The partition of its pull request, for a preview.
pub(super) fn pull_key(environment: &Environment) -> Option<String> {
    let number = environment.kind.pull_request()?;
    Some(keys::of_pull_request(environment.repository, number))
}

/// Whether it may have a machine.
pub(super) fn has_machines(environment: &Environment) -> bool {
    let life = &environment.lifecycle;
    !life.world.machines.is_empty() || life.world.draining.is_some() || life.serving().is_some()
}

/// Replaces the record and writes nothing else. A condition that a later try does not meet may have been met by an earlier one, whose
/// answer was lost: the record says whether it is ours. When it is of a later save already, nobody can tell.
pub(super) async fn replace(
    store: &DynamoDb,
    (table, record, condition): (String, Item, Condition),
    environment: &Environment,
) -> Result<(), Trouble> {
    let writer = word(&record, WRITER).to_owned();
    let (outcome, tries) = store.put_if(&table, record, &condition).await;
    if tries < 2 || !matches!(outcome, Err(Trouble::Unmet(_))) {
        return outcome;
    }
    let pk = keys::environment(&environment.id);
    let there = store.get(&table, &pk, &pk).await;
    let there = there.map_err(|trouble| Trouble::Unknown(trouble.to_string()))?;
    let there = there.unwrap_or_default();
    match number(&there, VERSION) {
        Some(_) if word(&there, WRITER) == writer => Ok(()),
        Some(version) if version <= environment.version.0 => outcome,
        Some(_) | None => Err(Trouble::Unknown(format!(
            "an answer was lost, and environment {} was changed again since",
            environment.id
        ))),
    }
}
