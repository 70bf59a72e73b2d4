//! Machines at Fly: the server dies while Fly holds a request of it, and what comes out is what comes out without a kill: the same deployment,
//! one machine, and nothing of what is over.

use super::requests::{Moment, Storm, fly};

/// The requests that make a preview, the most harmful first: `make test` tells the first two of each, `make kills` all.
const OPENED: [Moment; 7] = [
    fly("POST /apps/*/machines", 0),
    fly("POST /apps/*/secrets", 0),
    fly("GET /apps/*", 0),
    fly("POST /apps", 0),
    fly("POST /apps/*/ip_assignments", 0),
    fly("POST /apps/*/machines/*/lease", 0),
    fly("POST /apps/*/machines/*/uncordon", 0),
];
/// Those that put another machine in the place of one: the second lease is that of the older machine, and the second request about
/// secrets removes its own.
const PUSHED: [Moment; 8] = [
    fly("DELETE /apps/*/machines/*", 0),
    fly("POST /apps/*/machines", 0),
    fly("POST /apps/*/secrets", 0),
    fly("POST /apps/*/machines/*/lease", 0),
    fly("POST /apps/*/machines/*/uncordon", 0),
    fly("POST /apps/*/machines/*/lease", 1),
    fly("GET /apps/*/machines/*/wait", 0),
    fly("POST /apps/*/secrets", 1),
];
/// Those that remove all of it, and see that it is gone.
const CLOSED: [Moment; 3] = [
    fly("DELETE /apps/*", 0),
    fly("GET /apps/*", 0),
    fly("GET /apps/*/machines", 0),
];

#[test]
fn kill_while_fly_holds_a_request_and_the_same_machines_come_of_it() {
    Storm::at_fly().lives_and_dies(&OPENED, &PUSHED, &CLOSED);
}
