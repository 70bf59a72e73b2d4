//! Every wait, retry and deadline of the lifecycle, each with its number and its reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The figures of the lifecycle. The defaults are the product's; tests shorten them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The longest that one try of an effect may take; then it is asked for again, which is safe.
    pub effect: Duration,
    /// From the order for a machine until its runner reports. A sandbox starts in 6 ms; Fly takes minutes.
    pub launch: Duration,
    /// Clone, install and build together: a big monorepo's first install.
    pub setup: Duration,
    /// The test run.
    pub test: Duration,
    /// What our own deadline leaves the runner beyond each of its limits, to report that it was reached.
    pub margin: Duration,
    /// How long an exclusive app waits for `go`, while the older machine goes.
    pub prepared: Duration,
    /// From the start of the process until it listens.
    pub start: Duration,
    /// From listening until our probe succeeds.
    pub probe: Duration,
    /// Between two rounds of the probe.
    pub probe_again: Duration,
    /// Before each retry of a try that failed through no fault of the app.
    pub retry: Vec<Duration>,
    /// Before each further question to the forge while it answers yesterday's head.
    pub look_again: Vec<Duration>,
    /// Before the forge is asked again after it could not answer.
    pub forge_again: Duration,
    /// Before each further try to have an announcement shown that the forge did not take; the last one holds from then on.
    /// What a person has to put right lasts, and each try is a save.
    pub announce_again: Vec<Duration>,
    /// How long what starts by no answer of the forge (a redeploy, a lost machine, a move) waits for one: three questions of
    /// 10 s. A forge that does not answer keeps nothing down. Zero where nobody asks.
    pub ask_first: Duration,
    /// How long the forge may be silent before its pull request shows that: short failures of GitHub are no news, and each
    /// telling is a write.
    pub silence: Duration,
    /// Before each further try of a removal that failed; the last one holds from then on. What a person has to put right lasts,
    /// and each try is a save.
    pub destroy_again: Vec<Duration>,
    /// Between the first and the second observation that nothing is left.
    pub absent_again: Duration,
    /// After this much time of serving, a loss is a new misfortune and not the same one again.
    pub steady: Duration,
    /// After a start of our own, a deadline on the outside is at least this far away: two heartbeats.
    pub grace: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Times {
            effect: seconds(10),
            launch: seconds(120),
            setup: seconds(15 * 60),
            test: seconds(10 * 60),
            margin: seconds(30),
            prepared: seconds(60),
            start: seconds(120),
            probe: seconds(60),
            probe_again: Duration::from_millis(500),
            retry: vec![seconds(5), seconds(30)],
            look_again: vec![seconds(1), seconds(3), seconds(10), seconds(30)],
            forge_again: seconds(5),
            announce_again: [5, 10, 20, 40, 60].map(seconds).into(),
            ask_first: seconds(30),
            silence: seconds(30),
            destroy_again: [5, 10, 20, 40, 60].map(seconds).into(),
            absent_again: seconds(30),
            steady: seconds(10 * 60),
            grace: seconds(20),
        }
    }
}
