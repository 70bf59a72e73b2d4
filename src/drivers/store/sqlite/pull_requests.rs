//! Pull requests and their numbers: a branch keeps its number for ever. And what GitHub shows of them.

use nestling_domain::{
    github::shown::Ledger,
    ids::{Kind, RepositoryId},
    orders::{Order, Orders},
    record::{PullRequest, PullRequestStatus},
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::{
    environments::{get, partition, put},
    keys,
    rows::encode,
    trouble::Trouble,
};

/// The number that a branch has.
#[derive(Debug, Serialize, Deserialize)]
struct Numbered {
    branch: String,
    number: u32,
}

/// The pull request of a branch. A new one begins as closed, since nothing has been said about it yet: what
/// happens to it first is then an opening.
pub(super) fn number(
    database: &Connection,
    repository: RepositoryId,
    branch: &str,
) -> Result<PullRequest, Trouble> {
    let there: Option<Numbered> = get(
        database,
        &keys::repository(repository),
        &keys::number_of_branch(branch),
    )?;
    if let Some(Numbered { number, .. }) = there
        && let Some(pull_request) = one(database, repository, number)?
    {
        return Ok(pull_request);
    }
    let number = match there {
        // Its record was lost; the number is still its own.
        Some(numbered) => numbered.number,
        None => highest(database, repository)?.saturating_add(1),
    };
    let pull_request = PullRequest {
        repository,
        number,
        branch: branch.to_owned(),
        title: branch.to_owned(),
        status: PullRequestStatus::Closed,
        head: None,
        labels: Vec::new(),
        base: None,
        draft: false,
        orders: Orders::default(),
    };
    put_pull_request(database, &pull_request)?;
    Ok(pull_request)
}

/// The highest number given; from the keys, so that a record that cannot be read keeps its number.
fn highest(database: &Connection, repository: RepositoryId) -> Result<u32, Trouble> {
    let sql = "SELECT max(sk) FROM records WHERE pk = ?1 AND sk >= 'PULL#' AND sk < 'PULL$'";
    let last: Option<String> = database
        .prepare_cached(sql)?
        .query_row([keys::repository(repository)], |row| row.get(0))?;
    let number = last
        .as_deref()
        .and_then(|sk| sk.strip_prefix("PULL#"))
        .map(str::parse);
    Ok(number.and_then(Result::ok).unwrap_or_default())
}

/// What the forge says, beside what people ordered, which may have changed since somebody read the record.
pub(super) fn put_pull_request(
    database: &Connection,
    pull_request: &PullRequest,
) -> Result<(), Trouble> {
    let mut pull_request = pull_request.clone();
    if let Some(there) = one(database, pull_request.repository, pull_request.number)? {
        pull_request.orders = there.orders;
    }
    replace(database, &pull_request)?;
    let pk = keys::repository(pull_request.repository);
    let key = keys::number_of_branch(&pull_request.branch);
    let there: Option<Numbered> = get(database, &pk, &key)?;
    if there.is_some() {
        return Ok(());
    }
    let numbered = Numbered {
        branch: pull_request.branch,
        number: pull_request.number,
    };
    put(
        database,
        &pk,
        &key,
        &encode("a branch's number", &numbered)?,
    )
}

/// Remembers what somebody orders.
pub(super) fn order(
    database: &Connection,
    (repository, number): (RepositoryId, u32),
    order: &Order,
) -> Result<Option<PullRequest>, Trouble> {
    let Some(mut pull_request) = one(database, repository, number)? else {
        return Ok(None);
    };
    pull_request.orders.take(order);
    replace(database, &pull_request)?;
    Ok(Some(pull_request))
}

fn replace(database: &Connection, pull_request: &PullRequest) -> Result<(), Trouble> {
    let body = encode("a pull request", pull_request)?;
    let pk = keys::repository(pull_request.repository);
    put(
        database,
        &pk,
        &keys::pull_request(pull_request.number),
        &body,
    )
}

pub(super) fn one(
    database: &Connection,
    repository: RepositoryId,
    number: u32,
) -> Result<Option<PullRequest>, Trouble> {
    get(
        database,
        &keys::repository(repository),
        &keys::pull_request(number),
    )
}

pub(super) fn shown(
    database: &Connection,
    repository: RepositoryId,
    kind: Kind,
) -> Result<Option<Ledger>, Trouble> {
    get(database, &keys::repository(repository), &keys::shown(kind))
}

pub(super) fn put_shown(
    database: &Connection,
    (repository, kind): (RepositoryId, Kind),
    ledger: &Ledger,
) -> Result<(), Trouble> {
    let body = encode("what GitHub shows", ledger)?;
    put(
        database,
        &keys::repository(repository),
        &keys::shown(kind),
        &body,
    )
}

pub(super) fn of_repository(
    database: &Connection,
    repository: RepositoryId,
) -> Result<Vec<PullRequest>, Trouble> {
    let mut pull_requests: Vec<PullRequest> =
        partition(database, &keys::repository(repository), "PULL#")?;
    pull_requests.reverse();
    Ok(pull_requests)
}
