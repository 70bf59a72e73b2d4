//! The protocol between actors, one file per kind of receiver. It *is* the port: GitHub and the local
//! forge, Fly and local machines handle the same messages.

pub mod admission;
pub mod apps;
pub mod dns;
pub mod environment;
pub mod environments;
pub mod forge;
pub mod github_app;
pub mod live;
pub mod logging;
pub mod machines;
pub mod routes;
pub mod said;
pub mod secrets;
