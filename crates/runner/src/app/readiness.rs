//! When an app is ready, told from what it listens on. Pure: it is shown the listeners and the time.

use std::collections::BTreeSet;
use std::time::Duration;

use nestling_protocol::report::EndpointKind;
use tokio::time::Instant;

use super::{APP, Serves, endpoint};
use crate::config::Declared;
use crate::endpoints::Listener;

/// How long a lone listener on another port waits for one on `PORT`: a debugger listens first.
const LONE: Duration = Duration::from_secs(3);
/// How long several listeners on other ports may go on without one on `PORT`.
const SEVERAL: Duration = Duration::from_secs(15);

/// What is known so far.
pub(super) struct Readiness {
    port: u16,
    declared: Vec<Declared>,
    others_since: Option<Instant>,
}

/// An app that is ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// The listener for the app's own address, if it is not a declared one.
    app: Option<Listener>,
    declared: Vec<(Declared, Listener)>,
    /// Said in the log.
    pub(super) notice: Option<String>,
}

impl Readiness {
    pub(super) fn new(port: u16, declared: Vec<Declared>) -> Self {
        Readiness {
            port,
            declared,
            others_since: None,
        }
    }

    /// Whether the app is ready now; an error when it never will be. The `last` look is at the end of the app's time,
    /// when no listener need wait for another any more.
    pub(super) fn look(
        &mut self,
        listeners: &BTreeSet<Listener>,
        now: Instant,
        last: bool,
    ) -> Result<Option<Ready>, String> {
        let at = |port: u16| {
            listeners
                .iter()
                .find(|listener| listener.port == port)
                .copied()
        };
        let declared: Vec<_> = self
            .declared
            .iter()
            .filter_map(|one| Some((one.clone(), at(one.port)?)))
            .collect();
        let all_declared = declared.len() == self.declared.len();
        if let Some(app) = at(self.port) {
            return Ok(all_declared.then_some(Ready {
                app: Some(app),
                declared,
                notice: None,
            }));
        }
        let others: BTreeSet<u16> = listeners
            .iter()
            .map(|listener| listener.port)
            .filter(|port| self.declared.iter().all(|one| one.port != *port))
            .collect();
        if others.is_empty() && declared.is_empty() {
            self.others_since = None;
            return Ok(None);
        }
        let waited = now.duration_since(*self.others_since.get_or_insert(now));
        if !self.declared.is_empty() {
            return Ok((all_declared && (last || waited >= LONE)).then_some(Ready {
                app: None,
                declared,
                notice: None,
            }));
        }
        let ports: Vec<String> = others.iter().map(u16::to_string).collect();
        match others.first() {
            Some(only) if others.len() == 1 && (last || waited >= LONE) => {
                let notice = format!(
                    "the app listens on port {only} instead of the one in PORT ({}): {only} is used, after a wait of {} s; let the app listen on PORT, and it starts at once",
                    self.port,
                    LONE.as_secs()
                );
                Ok(Some(Ready {
                    app: at(*only),
                    declared,
                    notice: Some(notice),
                }))
            }
            Some(_) if others.len() > 1 && (last || waited >= SEVERAL) => Err(format!(
                "it listens on several ports ({}) but not on PORT ({}): let it listen there, or name its ports with [[endpoint]] in nestling.toml",
                ports.join(", "),
                self.port
            )),
            _ => Ok(None),
        }
    }
}

impl Ready {
    /// The endpoints, the first of them the primary one.
    pub(super) fn serves(&self, app: &str) -> Serves {
        let own = self
            .app
            .map(|listener| (APP.to_owned(), app.to_owned(), listener));
        let declared = self
            .declared
            .iter()
            .map(|(one, listener)| (one.name.clone(), one.name.clone(), *listener));
        own.into_iter()
            .chain(declared)
            .enumerate()
            .map(|(n, (name, label, listener))| {
                (
                    endpoint(&name, &label, EndpointKind::App, n == 0, true),
                    listener,
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(ports: &[u16]) -> BTreeSet<Listener> {
        ports.iter().map(|port| Listener::loopback(*port)).collect()
    }

    fn names(ready: &Ready) -> Vec<String> {
        ready
            .serves("shop")
            .into_iter()
            .map(|(endpoint, listener)| {
                format!("{} {} {}", endpoint.name, listener.port, endpoint.primary)
            })
            .collect()
    }

    #[test]
    fn port_wins_over_everything_else() {
        let now = Instant::now();
        let mut readiness = Readiness::new(3000, vec![]);
        assert_eq!(readiness.look(&on(&[9229, 9230]), now, false), Ok(None));
        assert_eq!(
            names(
                &readiness
                    .look(&on(&[3000, 9229, 9230]), now, false)
                    .unwrap()
                    .unwrap()
            ),
            ["app 3000 true"]
        );
    }

    #[test]
    fn a_lone_listener_elsewhere_is_taken_after_a_while_and_said() {
        let now = Instant::now();
        let mut readiness = Readiness::new(3000, vec![]);
        assert_eq!(readiness.look(&on(&[8080]), now, false), Ok(None));
        let ready = readiness
            .look(&on(&[8080]), now + LONE, false)
            .unwrap()
            .unwrap();
        assert_eq!(names(&ready), ["app 8080 true"]);
        assert!(
            ready
                .notice
                .unwrap()
                .contains("listens on port 8080 instead of the one in PORT (3000)")
        );
    }

    #[test]
    fn several_listeners_elsewhere_are_an_error_that_names_them() {
        let now = Instant::now();
        let mut readiness = Readiness::new(3000, vec![]);
        assert_eq!(readiness.look(&on(&[8080, 8081]), now, false), Ok(None));
        let error = readiness
            .look(&on(&[8080, 8081]), now + SEVERAL, false)
            .unwrap_err();
        assert!(
            error.contains("8080, 8081") && error.contains("[[endpoint]]"),
            "{error}"
        );
    }

    #[test]
    fn a_short_time_ends_with_the_same_words() {
        let now = Instant::now();
        let mut readiness = Readiness::new(3000, vec![]);
        let error = readiness.look(&on(&[8080, 8081]), now, true).unwrap_err();
        assert!(error.contains("8080, 8081"), "{error}");
        let ready = readiness.look(&on(&[8080]), now, true).unwrap().unwrap();
        assert_eq!(names(&ready), ["app 8080 true"]);
        assert_eq!(readiness.look(&on(&[]), now, true), Ok(None));
    }

    #[test]
    fn declared_endpoints_are_all_waited_for() {
        let now = Instant::now();
        let declared = vec![
            Declared {
                name: "admin".into(),
                port: 9000,
            },
            Declared {
                name: "docs".into(),
                port: 9001,
            },
        ];
        let mut readiness = Readiness::new(3000, declared);
        assert_eq!(readiness.look(&on(&[3000, 9000]), now, false), Ok(None));
        assert_eq!(
            names(
                &readiness
                    .look(&on(&[3000, 9000, 9001]), now, false)
                    .unwrap()
                    .unwrap()
            ),
            ["app 3000 true", "admin 9000 false", "docs 9001 false"]
        );
        assert_eq!(readiness.look(&on(&[9000, 9001]), now, false), Ok(None));
        assert_eq!(
            names(
                &readiness
                    .look(&on(&[9000, 9001]), now + LONE, false)
                    .unwrap()
                    .unwrap()
            ),
            ["admin 9000 true", "docs 9001 false"]
        );
    }
}
