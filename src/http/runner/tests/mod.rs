//! Stories of runners, over the socket that machines reach.

mod identity;
mod logs;
mod reports;
