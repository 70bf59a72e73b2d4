//! Where the gateway sends requests for an environment: a function of its record.

use nestling_domain::{
    announcement::again,
    deployment::{Deployment, Phase},
    environment::Environment,
    lifecycle::{State, Trigger, Waits, Why},
};
use nestling_protocol::report::EndpointKind;

use super::Places;
use crate::messages::routes::{Route, Serving, Target, To};

/// The route of an environment; `None` once it is closed: nothing lives at its address.
pub fn route(record: &Environment, places: &Places) -> Option<Route> {
    let page = format!("/{}", record.name());
    let to = match &record.lifecycle.state {
        State::Running {
            serving: deployment,
            ..
        }
        | State::Restarting {
            serving: Some(deployment),
            ..
        } => match deployment.again {
            None => To::Serving(serving(record, deployment, places)),
            Some(ended) => To::Again {
                reason: again(ended),
                page,
            },
        },
        // An exclusive app is being replaced: it served a moment ago. Where its machine had to go first that takes as long as a deployment.
        State::Restarting {
            serving: None,
            rollback: Some(_),
            next,
            ..
        } if !next.in_place || next.phase >= Phase::Prepared => To::Switching,
        State::Creating { .. } | State::Restarting { serving: None, .. } => To::Coming {
            phase: record.lifecycle.shown().name().to_owned(),
            page,
        },
        State::Stopped {
            why: Why::Closed, ..
        } => return None,
        State::Stopped { why, .. } => {
            let reason = match why {
                Why::Failed(failed) => format!(
                    "the last deployment failed while {}: {}",
                    failed.phase.name(),
                    failed.reason
                ),
                Why::Policy(reason) | Why::Waits(Waits { reason, .. }) => reason.clone(),
                Why::Closed | Why::Person | Why::Idle => format!("it is stopped ({})", why.name()),
            };
            To::Stopped {
                reason,
                page,
                wakes: why.revived_by(Trigger::Visit),
            }
        }
    };
    Some(Route {
        environment: record.id.clone(),
        name: record.name(),
        kind: record.kind,
        label: record.label(),
        to,
    })
}

/// A deployment as the gateway reaches it.
pub(super) fn serving(record: &Environment, deployment: &Deployment, places: &Places) -> Serving {
    let place = places(&record.id, deployment);
    let target = |endpoint: &nestling_protocol::report::Endpoint| Target {
        name: endpoint.name.clone(),
        label: record.endpoint_label(&endpoint.name),
        primary: endpoint.primary,
        console: endpoint.kind == EndpointKind::Console,
        upstream: place.upstream(&endpoint.address),
    };
    Serving {
        generation: deployment.generation,
        commit: deployment.commit.id.clone(),
        endpoints: deployment.endpoints.iter().map(target).collect(),
    }
}
