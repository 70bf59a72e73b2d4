//! The dashboard: pages that are rendered here and work as they arrive.
//!
//! Everything in this module is a function of values: a view is made of records with the present moment
//! handed in, and a page is made of a view. Nothing is read, awaited or decided here; routes do that.
//!
//! Each page has a `page(&View)` for a visit and a `fragment(&View)` for its live parts alone, which the
//! script asks for (`?fragment=1`) after a change and puts in place of what is there. Pages need no
//! script: forms are forms, tabs are addresses, times are text.
//!
//! What comes from a repository, a runner or a person is text to maud, which escapes it; the two places
//! that make elements of text ([`parts::ansi`], [`parts::markdown`]) write only what is on their lists.

pub mod app;
pub mod app_settings;
pub mod apps;
pub mod assets;
pub mod deliveries;
pub mod environment;
pub mod error;
pub mod github_app;
pub mod parts;
pub mod paths;
pub mod proposals;
pub mod shell;
pub mod sign_in;
#[cfg(test)]
mod tests;

use nestling_domain::ids::Timestamp;

/// What is the same on every page of one visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The present moment, from which ages are counted.
    pub now: Timestamp,
    /// Goes into every form as `csrf`, and must come back.
    pub csrf: String,
    /// What came of the order that led here.
    pub notice: Option<Notice>,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whether it was obeyed.
    pub done: bool,
    /// What came of it, for people.
    pub text: String,
}
