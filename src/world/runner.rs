//! A runner that needs no machine.

use std::{rc::Rc, time::Duration};

use nestling_domain::{
    ids::{EnvironmentId, Generation},
    lifecycle::{Event, Observation},
};
use nestling_protocol::report::{Address, Endpoint, EndpointKind, Next, Phase};

use super::Outside;
use crate::messages::environment::Apply;

/// A runner that goes through its phases without fault, and obeys whichever server there is.
pub(super) async fn run(outside: Rc<Outside>, environment: EnvironmentId, generation: Generation) {
    for (seq, phase) in (1..).zip(phases()) {
        loop {
            let reported = Observation::Reported {
                generation,
                boot: "boot".into(),
                seq,
                phase: phase.clone(),
            };
            let apply = Apply {
                event: Event::Observed(reported),
                by: "runner".into(),
                input: None,
                birth: None,
            };
            let server = outside.handle.borrow().clone();
            let answered = match server {
                Some(server) => server.apply(environment.clone(), apply).await.ok(),
                None => None,
            };
            match answered.and_then(|applied| applied.answer) {
                Some(Next::Go) => break,
                Some(Next::Stop) => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}

/// What a runner without fault reports, in its order.
pub(crate) fn phases() -> [Phase; 5] {
    let endpoint = Endpoint {
        name: "app".into(),
        label: "app".into(),
        kind: EndpointKind::App,
        primary: true,
        browser: true,
        address: Address::Unix("app.sock".into()),
    };
    [
        Phase::Deploying {
            protocol: nestling_protocol::VERSION,
        },
        Phase::RunningTests,
        Phase::Prepared { exclusive: false },
        Phase::Starting,
        Phase::Running {
            endpoints: vec![endpoint],
        },
    ]
}
