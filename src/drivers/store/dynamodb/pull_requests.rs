//! Pull requests and their numbers: a branch keeps its number for ever. And what GitHub shows of them.

use nestling_domain::{
    github::shown::Ledger,
    ids::{Kind, RepositoryId},
    orders::{Order, Orders},
    record::{PullRequest, PullRequestStatus},
};

use super::{
    DynamoDb,
    apps::until_unchanged,
    items::{
        BODY, Item, SK, With, decode, decode_text, digits, encode, item, keep, number as number_in,
        record, text, word,
    },
    keys,
    queries::Query,
    transaction::{Condition, Transaction},
    trouble::Trouble,
};

/// What people ordered, as JSON: apart from what the forge says, so that neither writes over the other.
const ORDERS: &str = "orders";
/// The number that a branch has.
const NUMBER: &str = "number";

/// The pull request of a branch. A new one begins as closed, since nothing has been said about it yet: what
/// happens to it first is then an opening.
pub(super) async fn number(
    store: &DynamoDb,
    repository: RepositoryId,
    branch: &str,
) -> Result<PullRequest, Trouble> {
    until_unchanged("the branch", || async move {
        let there = number_of(store, repository, branch).await?;
        if let Some(number) = there
            && let Some(pull_request) = one(store, repository, number).await?
        {
            return Ok(pull_request);
        }
        let number = match there {
            // Its record was lost; the number is still its own.
            Some(number) => number,
            None => highest(store, repository).await?.saturating_add(1),
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
        let mut all = Transaction::default();
        let item = whole(&pull_request)?;
        all.put(store.records(), item, Condition::absent());
        if there.is_none() {
            let numbered = numbered(&pull_request);
            all.put(store.records(), numbered, Condition::absent());
        }
        store.write(all).await?;
        Ok(pull_request)
    })
    .await
}

fn key(repository: RepositoryId, number: u32) -> Item {
    item(keys::repository(repository), keys::pull_request(number))
}

fn whole(pull_request: &PullRequest) -> Result<Item, Trouble> {
    let orders = encode("orders", &pull_request.orders)?;
    Ok(key(pull_request.repository, pull_request.number)
        .with(BODY, text(encode("a pull request", pull_request)?))
        .with(ORDERS, text(orders)))
}

fn numbered(pull_request: &PullRequest) -> Item {
    item(
        keys::repository(pull_request.repository),
        keys::number_of_branch(&pull_request.branch),
    )
    .with(NUMBER, digits(u64::from(pull_request.number)))
}

async fn number_of(
    store: &DynamoDb,
    repository: RepositoryId,
    branch: &str,
) -> Result<Option<u32>, Trouble> {
    let (pk, sk) = (keys::repository(repository), keys::number_of_branch(branch));
    let there = store.get(store.records(), &pk, &sk).await?;
    let number = there.and_then(|item| number_in(&item, NUMBER));
    Ok(number.and_then(|number| u32::try_from(number).ok()))
}

/// The highest number given; from the keys, so that a record that cannot be read keeps its number.
async fn highest(store: &DynamoDb, repository: RepositoryId) -> Result<u32, Trouble> {
    let newest = Query {
        backwards: true,
        ..Query::prefix(keys::repository(repository), keys::PULLS_OF)
    };
    let last = store.query(&newest, 1).await?;
    let number = last
        .first()
        .and_then(|item| word(item, SK).strip_prefix(keys::PULLS_OF))
        .map(str::parse);
    Ok(number.and_then(Result::ok).unwrap_or_default())
}

/// What the forge says, beside what people ordered, which may have changed since somebody read the record.
pub(super) async fn put(store: &DynamoDb, pull_request: &PullRequest) -> Result<(), Trouble> {
    let (repository, branch) = (pull_request.repository, &pull_request.branch);
    until_unchanged("the pull request", || async move {
        let whole = whole(pull_request)?;
        let expression = "SET #body = :body, #orders = if_not_exists(#orders, :orders)";
        let set = Condition::none()
            .naming(expression)
            .value(":body", text(word(&whole, BODY)))
            .value(":orders", text(word(&whole, ORDERS)));
        let key = key(repository, pull_request.number);
        if number_of(store, repository, branch).await?.is_some() {
            return store.update(key, expression, set).await.map(|_| ());
        }
        let mut all = Transaction::default();
        all.update(store.records(), key, expression, set);
        all.put(store.records(), numbered(pull_request), Condition::absent());
        store.write(all).await
    })
    .await
}

/// Remembers what somebody orders.
pub(super) async fn order(
    store: &DynamoDb,
    (repository, number): (RepositoryId, u32),
    order: &Order,
) -> Result<Option<PullRequest>, Trouble> {
    until_unchanged("what was ordered", || async move {
        let (pk, sk) = (keys::repository(repository), keys::pull_request(number));
        let Some(there) = store.get(store.records(), &pk, &sk).await? else {
            return Ok(None);
        };
        let mut pull_request = of_item(&there)?;
        pull_request.orders.take(order);
        let orders = encode("orders", &pull_request.orders)?;
        let mut all = Transaction::default();
        let unchanged = Condition::unchanged(ORDERS, Some(&there)).value(":orders", text(orders));
        all.update(
            store.records(),
            item(pk, sk),
            "SET #orders = :orders",
            unchanged,
        );
        store.write(all).await?;
        Ok(Some(pull_request))
    })
    .await
}

fn of_item(item: &Item) -> Result<PullRequest, Trouble> {
    let mut pull_request: PullRequest = decode(item)?;
    pull_request.orders = decode_text(item, word(item, ORDERS))?;
    Ok(pull_request)
}

pub(super) async fn one(
    store: &DynamoDb,
    repository: RepositoryId,
    number: u32,
) -> Result<Option<PullRequest>, Trouble> {
    let (pk, sk) = (keys::repository(repository), keys::pull_request(number));
    let there = store.get(store.records(), &pk, &sk).await?;
    there.as_ref().map(of_item).transpose()
}

pub(super) async fn of_repository(
    store: &DynamoDb,
    repository: RepositoryId,
) -> Result<Vec<PullRequest>, Trouble> {
    let newest = Query {
        backwards: true,
        ..Query::prefix(keys::repository(repository), keys::PULLS_OF)
    };
    let mut pull_requests = Vec::new();
    for item in store.query(&newest, usize::MAX).await? {
        keep(of_item(&item), &mut pull_requests);
    }
    Ok(pull_requests)
}

pub(super) async fn shown(
    store: &DynamoDb,
    repository: RepositoryId,
    kind: Kind,
) -> Result<Option<Ledger>, Trouble> {
    store
        .record(&keys::repository(repository), &keys::shown(kind))
        .await
}

pub(super) async fn put_shown(
    store: &DynamoDb,
    (repository, kind): (RepositoryId, Kind),
    ledger: &Ledger,
) -> Result<(), Trouble> {
    let (pk, sk) = (keys::repository(repository), keys::shown(kind));
    let put = record((&pk, &sk), "what GitHub shows", ledger)?;
    store.put(store.records(), put).await
}
