//! A runner that needs no machine.

use std::time::Duration;

use nestling_domain::{
    ids::{EnvironmentId, Generation},
    lifecycle::{Event, Observation},
};
use nestling_protocol::report::{Address, Endpoint, EndpointKind, Next, Phase};

use crate::messages::{environment::Apply, environments::Handle};

/// A runner that goes through its phases without fault, and obeys.
pub(super) async fn run(handle: Handle, environment: EnvironmentId, generation: Generation) {
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
            match handle
                .apply(environment.clone(), apply)
                .await
                .map(|applied| applied.answer)
            {
                Ok(Some(Next::Go)) => break,
                Ok(Some(Next::Stop)) => return,
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
