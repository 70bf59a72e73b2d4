//! Machines from outside and inside: what a hostile program tries in one, and what becomes of one.
//!
//! This binary is also the program inside: it stands for `nestling machine-init` and for the runner. So it has
//! a `main` of its own, and each probe is a test by its own name.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::zombie_processes,
    clippy::items_after_statements,
    clippy::doc_markdown,
    reason = "tests fail by panicking"
)]

mod bombs;
mod caches;
mod inside;
mod life;
mod outlives;
mod probes;
mod world;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    match words.next() {
        Some(word) if word == "machine-init" => {
            return nestling::drivers::sandbox::machine_init(words);
        }
        Some(word) if word == "inside" => return inside::main(words),
        _ => {}
    }
    let arguments = Arguments::from_args();
    let mut trials: Vec<Trial> = Vec::new();
    for (name, positions, _) in probes::ALL {
        for position in *positions {
            trials.push(Trial::test(format!("probe_{position}_{name}"), move || {
                world::probe(name, position)
            }));
        }
    }
    trials.extend(bombs::trials());
    trials.extend(caches::trials());
    trials.extend(life::trials());
    libtest_mimic::run(&arguments, trials).exit_code()
}
