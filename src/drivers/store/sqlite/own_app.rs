//! The GitHub App that was made on the dashboard: one record.

use nestling_domain::record::OwnApp;
use rusqlite::Connection;

use super::{
    environments::{self, get},
    keys::OWN_APP,
    rows::encode,
    trouble::Trouble,
};

pub(super) fn one(database: &Connection) -> Result<Option<OwnApp>, Trouble> {
    get(database, OWN_APP.0, OWN_APP.1)
}

pub(super) fn put(database: &Connection, app: &OwnApp) -> Result<(), Trouble> {
    let body = encode("the GitHub App", app)?;
    environments::put(database, OWN_APP.0, OWN_APP.1, &body)
}
