//! Stories of whoever uses the API: a program with the operator's token.

mod apps;
mod environments;
mod live;
mod logs;
mod unmatched;
mod values;
