//! The conformance suite against an emulator of somebody else, which knows nothing of us.

use nestling_world::aws::Emulator;

use super::*;
use crate::drivers::aws::tests::account_in;

fn fresh() -> Option<Fresh> {
    let emulator = Emulator::start().unwrap()?;
    // Not every emulator opens an account for each key.
    let own = settings_of(&format!("nestling-{}", emulator.access_key()));
    let store = fresh_in(|| async {
        let account = account_in(&emulator).await;
        DynamoDb::open(&account, own.clone())
    });
    Some((Arc::new(store), Box::new(emulator)))
}

conformance!(fresh);
