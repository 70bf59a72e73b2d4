//! What pages are put together from.

pub mod ansi;
pub mod icons;
pub mod markdown;
pub mod pill;
pub mod time;
pub mod words;
