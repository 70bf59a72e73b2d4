//! The conformance suite against `ministack`, which knows nothing of us. Where it is not installed the stories say so.

use nestling_world::aws::Emulator;

use super::*;
use crate::drivers::aws::tests::account_in;

fn fresh() -> (AnyStore, Box<dyn Any>) {
    let Some(emulator) = Emulator::start().unwrap() else {
        eprintln!("skipped: ministack is not installed (make tools); the model stands in for it");
        let model = Model::start().unwrap();
        let store = fresh_at(&model.base());
        return (Arc::new(store), Box::new(model));
    };
    let store = fresh_in(|| async { DynamoDb::open(&account_in(&emulator).await, settings()) });
    (Arc::new(store), Box::new(emulator))
}

conformance!(fresh);
