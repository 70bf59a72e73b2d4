//! What is to be asked of Fly so that an environment has the machine that its record names, and nothing else.
//!
//! Everything here is decided, nothing is done. One environment is one Fly app. Of it we hold a [`Belief`], built from Fly's
//! answers alone; [`ensure`], [`let_in`] and [`remove`] say which one request comes [`Next`] for it, and [`Belief::learn`] takes in what came of that.
//! Whoever starts anew with an empty belief arrives at the same world: nothing depends on what was done before.
//! What stands there and no record wants is found by a [`Sweep`].
//!
//! Where facts about Fly come from: its description of the Machines API (<https://docs.machines.dev/spec/openapi3.json>)
//! and the page <https://fly.io/docs/machines/api/working-with-machines-api/>.

mod belief;
mod disk;
mod name;
mod outcome;
mod plan;
mod price;
mod size;
mod sweep;

pub use belief::{Belief, Machine, MachineState, Owner, Seen, Volume};
pub use disk::{Disk, MOST_GIB, VOLUME};
pub use name::{
    AppName, NotAnAppName, generation_of_secret, machine_name, secret_name, service_port,
};
pub use outcome::{Outcome, Refusal, judge};
pub use plan::{Address, Ask, Ensure, GaveUp, LetIn, Next, Remove, ensure, let_in, remove};
pub use price::{Cost, Price};
pub use size::{CpuKind, Given, Limits, MEMORY_STEP, Offer, Size, is_region};
pub use sweep::{
    Going, Holds, Incomplete, LOOKS, Listing, Pass, Records, Sighting, Sweep, UNWANTED_FOR, Verdict,
};
