//! The conformance suite against `ministack`, which knows nothing of us. Where it is not installed the stories say so.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use nestling_world::aws::Emulator;

use super::*;

/// One for all stories of this process.
fn emulator() -> Option<&'static Emulator> {
    static RUNNING: OnceLock<Option<Emulator>> = OnceLock::new();
    RUNNING.get_or_init(|| Emulator::start().unwrap()).as_ref()
}

fn fresh() -> (AnyStore, Box<dyn Any>) {
    static TABLES: AtomicU32 = AtomicU32::new(0);
    let number = TABLES.fetch_add(1, Ordering::Relaxed);
    let Some(emulator) = emulator() else {
        eprintln!("skipped: ministack is not installed (make tools); the model stands in for it");
        let model = Model::start().unwrap();
        let store = fresh_at(&model.base());
        return (Arc::new(store), Box::new(model));
    };
    let open = async || {
        let settings = Settings::new(&format!("records-{number}"), &format!("values-{number}"));
        DynamoDb::open(&account_at(&emulator.base()).await, settings)
    };
    at_once(async { open().await.create_tables().await.unwrap() });
    (Arc::new(at_once(open())), Box::new(()))
}

conformance!(fresh);
