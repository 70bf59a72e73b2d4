//! What is SQLite's own, beside the conformance suite in both of its modes.

use std::{any::Any, sync::Arc};

use super::*;
use crate::drivers::store::conformance::{AnyStore, conformance};

mod in_a_file {
    use super::*;

    fn fresh() -> (AnyStore, Box<dyn Any>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Sqlite::open(&folder.path().join("nestling.db")).unwrap();
        (Arc::new(store), Box::new(folder))
    }

    conformance!(fresh);
}

mod in_memory {
    use super::*;

    fn fresh() -> (AnyStore, Box<dyn Any>) {
        (Arc::new(Sqlite::in_memory().unwrap()), Box::new(()))
    }

    conformance!(fresh);
}
