//! The conformance suite against a model of DynamoDB, well and in its bad hours, and against an emulator of somebody else; and
//! what is DynamoDB's own.

mod conditions;
mod emulator;
mod kept;
mod large;
mod lost;
mod numbers;
mod on_a_real_account;
mod owner;
mod shapes;
mod units;

use std::{sync::Arc, time::Duration};

use nestling_world::aws::dynamodb::{Fault, Model, Times};

use super::*;
use crate::drivers::{
    aws::tests::account_at,
    store::{
        Store as _, StoreError,
        conformance::{
            AnyStore, Fresh, conformance, preview, save_first, save_next, save_of, skipped,
        },
    },
};

/// Tables that nobody else has.
fn settings() -> Settings {
    settings_of("nestling")
}

/// Tables whose names begin like this.
fn settings_of(tables: &str) -> Settings {
    Settings {
        one_try: Duration::from_secs(2),
        ..Settings::new(tables, &format!("{tables}-values"))
    }
}

/// A store in the model, whose tables are not made yet.
async fn store_at(base: &str) -> DynamoDb {
    DynamoDb::open(&account_at(base).await, settings())
}

/// A store in the model, with its tables.
async fn store_in(model: &Model) -> DynamoDb {
    let store = store_at(&model.base()).await;
    store.create_tables().await.unwrap();
    store
}

/// Does something on a runtime of its own, for stories that begin outside of theirs.
fn at_once<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(work)
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap())
}

/// A store with tables, whose connections are those of whoever uses it first.
fn fresh_in<S: Future<Output = DynamoDb> + Send>(store: impl Fn() -> S) -> DynamoDb {
    let made = store();
    at_once(async { made.await.create_tables().await.unwrap() });
    at_once(store())
}

/// Such a one in the model.
fn fresh_at(base: &str) -> DynamoDb {
    fresh_in(|| store_at(base))
}

mod when_all_is_well {
    use super::*;

    fn fresh() -> Fresh {
        let model = Model::start().unwrap();
        let store = fresh_at(&model.base());
        (Arc::new(store), Box::new(model))
    }

    conformance!(fresh);
}

/// Every kind of trouble that ends by itself, for a quarter of all requests: nobody who uses the store may notice.
mod in_bad_hours {
    use super::*;

    fn fresh() -> Fresh {
        let model = Model::start().unwrap();
        let store = fresh_at(&model.base());
        for (fault, one_in) in [
            (Fault::Throttled, 17),
            (Fault::LostAnswer, 19),
            (Fault::Status(500), 23),
            (Fault::Cut, 29),
            (Fault::DoneButStatus(503), 31),
        ] {
            model.order("*", fault, Times::OneIn(one_in));
        }
        model.order("TransactWriteItems", Fault::Conflict, Times::OneIn(13));
        model.order("BatchGetItem", Fault::LeftOver, Times::OneIn(3));
        model.order("BatchWriteItem", Fault::LeftOver, Times::OneIn(2));
        (Arc::new(store), Box::new(model))
    }

    conformance!(fresh);
}

/// The environment as its next save would write it.
fn next_of(
    environment: &nestling_domain::environment::Environment,
) -> nestling_domain::environment::Environment {
    crate::drivers::store::conformance::next(environment)
}
