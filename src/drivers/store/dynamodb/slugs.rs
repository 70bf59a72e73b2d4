//! The claims of slugs. A claim is two records: one under the slug, whose being there is what makes the slug taken, and one under
//! the app, so that an app which comes back within the 30 days finds the slug that it had.

use nestling_domain::{
    app::App,
    ids::{AppId, Timestamp},
    label::Slug,
};
use serde::{Deserialize, Serialize};

use super::{
    DynamoDb,
    items::{BODY, EXPIRES, ID, Item, With, decode, digits, encode, item, text, word},
    keys,
    queries::Query,
    transaction::{Condition, Transaction},
    trouble::Trouble,
    upkeep::{SLUGS, expiry},
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

/// The slug for an app that is not there: the one it had, else the one it asks for, else that with a suffix.
pub(super) async fn free_for(store: &DynamoDb, app: &App) -> Result<Slug, Trouble> {
    let claimed = Query::prefix(keys::app(&app.id), keys::SLUGS_OF);
    let had = store.query(&claimed, usize::MAX).await?;
    let had = had.iter().filter(|item| !store.is_expired(item));
    let mut candidates: Vec<Slug> = Vec::new();
    for item in had {
        candidates.push(decode::<Claim>(item)?.slug);
    }
    let suffixed = (1..=SUFFIXES).map(|attempt| match attempt {
        1 => app.slug.with_suffix(&app.id.0),
        _ => app.slug.with_suffix(&format!("{}#{attempt}", app.id)),
    });
    candidates.push(app.slug.clone());
    candidates.extend(suffixed);
    for slug in candidates {
        let there = held(store, &slug).await?;
        if there.is_none_or(|item| word(&item, ID) == app.id.0) {
            return Ok(slug);
        }
    }
    Err(Trouble::Rejected(format!(
        "no address is free for app {:?} of {}: too many apps are called {:?}; rename its folder",
        app.root,
        app.owner,
        app.slug.as_str()
    )))
}

/// Who holds or held this slug in the last days.
async fn held(store: &DynamoDb, slug: &Slug) -> Result<Option<Item>, Trouble> {
    let key = keys::slug(slug);
    let there = store.get(store.records(), &key, &key).await?;
    Ok(there.filter(|item| !store.is_expired(item)))
}

/// The app that holds or held this slug.
pub(super) async fn app_of(store: &DynamoDb, slug: &Slug) -> Result<Option<AppId>, Trouble> {
    let there = held(store, slug).await?;
    Ok(there.map(|item| AppId(word(&item, ID).to_owned())))
}

/// Claims the app's slug, unless another app was quicker.
pub(super) fn claim(store: &DynamoDb, all: &mut Transaction, app: &App) -> Result<(), Trouble> {
    let mine = Condition::of("attribute_not_exists(#pk) OR #id = :app OR #expires <= :horizon")
        .value(":app", text(&app.id.0))
        .value(":horizon", digits(store.horizon()));
    put(store, all, app, None, mine)
}

/// Marks the app's slug as free in 30 days.
pub(super) fn release(
    store: &DynamoDb,
    all: &mut Transaction,
    app: &App,
    now: Timestamp,
) -> Result<(), Trouble> {
    put(store, all, app, Some(now), Condition::none())
}

fn put(
    store: &DynamoDb,
    all: &mut Transaction,
    app: &App,
    released_at: Option<Timestamp>,
    condition: Condition,
) -> Result<(), Trouble> {
    let claim = Claim {
        slug: app.slug.clone(),
        app: app.id.clone(),
        released_at,
    };
    let body = encode("a claim", &claim)?;
    let key = keys::slug(&app.slug);
    let whole = |item: Item| {
        item.with(BODY, text(&body))
            .with(ID, text(&app.id.0))
            .with_any(EXPIRES, released_at.map(|at| expiry(at, SLUGS)))
    };
    all.put(store.records(), whole(item(&key, &key)), condition);
    let under_app = item(keys::app(&app.id), &key);
    all.put(store.records(), whole(under_app), Condition::none());
    Ok(())
}
