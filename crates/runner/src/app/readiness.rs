//! When an app is ready, told from what it listens on. Pure: it is shown the listeners and the time.
//!
//! `PORT` wins, whenever it comes. Another listener may be the app of somebody who ignores `PORT`, or what opens first
//! of an app that is not there yet: metrics, say. Only time tells them apart, and never long enough for certain; so what
//! is taken elsewhere is left again for `PORT` ([`Ready::instead`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nestling_protocol::report::EndpointKind;
use tokio::time::Instant;

use super::{APP, Serves, endpoint};
use crate::config::Declared;
use crate::endpoints::Listener;

/// How long an app that listens elsewhere only may go on before it is taken to ignore `PORT`: many open their metrics
/// first and then connect to what they need. Longer, and those who do ignore it would wait for nothing.
const IGNORES: Duration = Duration::from_secs(15);
/// How long several listeners on other ports may go on without one on `PORT`. Then the deployment fails, which nothing
/// mends, so it is longer than what a switch to `PORT` mends.
const SEVERAL: Duration = Duration::from_mins(1);

/// Of more listeners none is asked what it is: each may take a second, and they are several in any case.
const ASKED: usize = 8;

/// What is known so far.
pub(super) struct Readiness {
    port: u16,
    declared: Vec<Declared>,
    others_since: Option<Instant>,
    /// Of ports that were asked: whether a debugger answers there.
    debuggers: BTreeMap<u16, bool>,
}

/// What a look told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It may come yet.
    NotYet,
    /// Whether debuggers answer here is to be [told](Readiness::told), before the next look.
    Ask(Vec<Listener>),
    /// It is ready.
    Ready(Ready),
}

/// An app that is ready.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ready {
    /// The listener for the app's own address.
    app: Listener,
    declared: Vec<(Declared, Listener)>,
    /// Said in the log, and reported.
    pub(super) notice: Option<String>,
    /// Where the app's own address leads once there is a listener, if that is not where it leads now.
    pub(super) instead: Option<Late>,
}

/// `PORT`, of an app that is served elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) port: u16,
    /// Where the app is served until then.
    pub(super) now: u16,
}

impl Late {
    /// The listener on `PORT`, once there is one, and what is said then.
    pub(super) fn look(self, listeners: &BTreeSet<Listener>) -> Option<(Listener, String)> {
        let Late { port, now } = self;
        let listener = at(listeners, port)?;
        let notice = format!(
            "the app listens on PORT now, which is used from now on instead of port {now}: let it listen there first, and nobody sees {now}"
        );
        Some((listener, notice))
    }
}

impl Readiness {
    pub(super) fn new(port: u16, declared: Vec<Declared>) -> Self {
        Readiness {
            port,
            declared,
            others_since: None,
            debuggers: BTreeMap::new(),
        }
    }

    /// Whether a debugger answers at this listener.
    pub(super) fn told(&mut self, listener: Listener, debugger: bool) {
        self.debuggers.insert(listener.port, debugger);
    }

    /// Whether the app is ready now; an error when it never will be. The `last` look is at the end of the app's time,
    /// when no listener need wait for another any more.
    pub(super) fn look(
        &mut self,
        listeners: &BTreeSet<Listener>,
        now: Instant,
        last: bool,
    ) -> Result<Seen, String> {
        self.debuggers
            .retain(|port, _| at(listeners, *port).is_some());
        let declared: Vec<_> = self
            .declared
            .iter()
            .filter_map(|one| Some((one.clone(), at(listeners, one.port)?)))
            .collect();
        let all_declared = declared.len() == self.declared.len();
        if let Some(app) = at(listeners, self.port) {
            return Ok(if all_declared {
                Seen::Ready(Ready {
                    app,
                    declared,
                    notice: None,
                    instead: None,
                })
            } else if last {
                return Err(self.undelivered(listeners));
            } else {
                Seen::NotYet
            });
        }
        if listeners.is_empty() {
            self.others_since = None;
            return Ok(Seen::NotYet);
        }
        let waited = now.duration_since(*self.others_since.get_or_insert(now));
        if !last && waited < IGNORES {
            return Ok(Seen::NotYet);
        }
        if let Some((_, first)) = declared.first().filter(|_| all_declared) {
            return Ok(Seen::Ready(self.elsewhere(*first, declared, waited)));
        }
        if !self.declared.is_empty() {
            return Ok(Seen::NotYet);
        }
        self.undeclared(listeners, waited, last)
    }

    /// Which endpoints that the app declares nobody opened.
    fn undelivered(&self, listeners: &BTreeSet<Listener>) -> String {
        let missing = self
            .declared
            .iter()
            .filter(|one| at(listeners, one.port).is_none());
        let named: Vec<String> = missing
            .map(|one| format!("{} (port {})", one.name, one.port))
            .collect();
        format!(
            "it listens on PORT, but in its time (limits.start; NESTLING__LIMITS__START of the server) nothing listened for [[endpoint]] {} of nestling.toml: let it listen there, or take that out of the file",
            named.join(", ")
        )
    }

    /// What to make of listeners of which the app said nothing, after the wait for one on `PORT`.
    fn undeclared(
        &self,
        listeners: &BTreeSet<Listener>,
        waited: Duration,
        last: bool,
    ) -> Result<Seen, String> {
        // One app may have several listeners on a port, and is asked once.
        let ports: BTreeMap<u16, Listener> =
            listeners.iter().rev().map(|one| (one.port, *one)).collect();
        let unknown = ports.values().copied();
        let unknown: Vec<_> = unknown
            .filter(|one| !self.debuggers.contains_key(&one.port))
            .collect();
        if !unknown.is_empty() && ports.len() <= ASKED {
            return Ok(Seen::Ask(unknown));
        }
        let (debuggers, others): (Vec<_>, Vec<_>) = ports
            .into_values()
            .partition(|one| self.debuggers.get(&one.port) == Some(&true));
        match others.as_slice() {
            [only] => Ok(Seen::Ready(self.elsewhere(*only, vec![], waited))),
            [] if last => Err(format!(
                "only a debugger listens, on port {}, and nothing on PORT ({}): let the app listen there; with --inspect-brk it waits for somebody to debug it, so start it without",
                numbers(&debuggers),
                self.port
            )),
            [] => Ok(Seen::NotYet),
            several if last || waited >= SEVERAL => Err(format!(
                "it listens on several ports ({}) but not on PORT ({}): let it listen there, or name its ports with [[endpoint]] in nestling.toml",
                numbers(several),
                self.port
            )),
            _ => Ok(Seen::NotYet),
        }
    }

    /// An app that seems to ignore `PORT`.
    fn elsewhere(
        &self,
        app: Listener,
        declared: Vec<(Declared, Listener)>,
        waited: Duration,
    ) -> Ready {
        let (port, now) = (self.port, app.port);
        let notice = format!(
            "the app listens on port {now} instead of the one in PORT ({port}): {now} is used, after a wait of {} s; let the app listen on PORT, and it starts at once",
            waited.as_secs()
        );
        Ready {
            app,
            declared,
            notice: Some(notice),
            instead: Some(Late { port, now }),
        }
    }
}

impl Ready {
    /// The endpoints, the first of them the primary one.
    pub(super) fn serves(&self, app: &str) -> Serves {
        let own = (APP.to_owned(), app.to_owned(), self.app);
        let declared = self
            .declared
            .iter()
            .map(|(one, listener)| (one.name.clone(), one.name.clone(), *listener));
        std::iter::once(own)
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

fn at(listeners: &BTreeSet<Listener>, port: u16) -> Option<Listener> {
    let mut all = listeners.iter();
    all.find(|listener| listener.port == port).copied()
}

fn numbers(listeners: &[Listener]) -> String {
    let ports = listeners.iter().map(|listener| listener.port.to_string());
    ports.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An app that is looked at from second to second. Those of `debuggers` answer as such.
    struct App {
        readiness: Readiness,
        began: Instant,
        debuggers: &'static [u16],
    }

    fn app(declared: &[(&str, u16)], debuggers: &'static [u16]) -> App {
        let declared = declared.iter().map(|(name, port)| Declared {
            name: (*name).into(),
            port: *port,
        });
        App {
            readiness: Readiness::new(3000, declared.collect()),
            began: Instant::now(),
            debuggers,
        }
    }

    impl App {
        /// What is served while it listens on these ports, `after` its first look; in words.
        fn on(&mut self, ports: &[u16], after: Duration, last: bool) -> String {
            let listeners = ports.iter().map(|port| Listener::loopback(*port)).collect();
            match self.readiness.look(&listeners, self.began + after, last) {
                Ok(Seen::NotYet) => "not yet".into(),
                Ok(Seen::Ask(asked)) => {
                    for listener in asked {
                        let debugger = self.debuggers.contains(&listener.port);
                        self.readiness.told(listener, debugger);
                    }
                    self.on(ports, after, last)
                }
                Ok(Seen::Ready(ready)) => {
                    let serves = ready.serves("shop").into_iter();
                    let places =
                        serves.map(|(endpoint, place)| format!("{} {}", endpoint.name, place.port));
                    let until = ready.instead.map(|late| format!("until {}", late.port));
                    assert_eq!(ready.notice.is_some(), until.is_some());
                    places.chain(until).collect::<Vec<_>>().join(", ")
                }
                Err(reason) => reason,
            }
        }
    }

    const START: Duration = Duration::ZERO;
    const NEARLY: Duration = Duration::from_millis(14_999);

    #[test]
    fn port_wins_over_everything_else_at_once() {
        let mut app = app(&[], &[]);
        assert_eq!(app.on(&[9229, 9230], START, false), "not yet");
        assert_eq!(app.on(&[3000, 9229, 9230], START, false), "app 3000");
    }

    #[test]
    fn a_lone_listener_elsewhere_waits_for_port_and_is_left_for_it() {
        let mut app = app(&[], &[]);
        assert_eq!(app.on(&[8080], START, false), "not yet");
        assert_eq!(app.on(&[8080], NEARLY, false), "not yet");
        assert_eq!(app.on(&[3000, 8080], NEARLY, false), "app 3000");
        assert_eq!(app.on(&[8080], IGNORES, false), "app 8080, until 3000");
        let late = Late {
            port: 3000,
            now: 8080,
        };
        let on = |ports: &[u16]| ports.iter().copied().map(Listener::loopback).collect();
        assert_eq!(late.look(&on(&[8080])), None);
        let (listener, said) = late.look(&on(&[3000, 8080])).unwrap();
        assert_eq!(listener.port, 3000);
        assert!(
            said.contains("used from now on instead of port 8080"),
            "{said}"
        );
    }

    #[test]
    fn a_debugger_is_never_taken() {
        let mut app = app(&[], &[9229]);
        assert_eq!(app.on(&[9229], START, false), "not yet");
        assert_eq!(app.on(&[9229], SEVERAL, false), "not yet");
        assert_eq!(
            app.on(&[8080, 9229], SEVERAL, false),
            "app 8080, until 3000"
        );
        let said = app.on(&[9229], SEVERAL, true);
        assert!(
            said.contains("only a debugger listens, on port 9229"),
            "{said}"
        );
        // Another program has taken the port since.
        assert_eq!(app.on(&[], SEVERAL, false), "not yet");
        app.debuggers = &[];
        assert_eq!(app.on(&[9229], SEVERAL, true), "app 9229, until 3000");
    }

    #[test]
    fn several_listeners_elsewhere_are_an_error_that_names_them() {
        let mut app = app(&[], &[]);
        assert_eq!(app.on(&[8080, 8081], START, false), "not yet");
        assert_eq!(app.on(&[8080, 8081], IGNORES, false), "not yet");
        let error = app.on(&[8080, 8081], SEVERAL, false);
        assert!(
            error.contains("8080, 8081") && error.contains("[[endpoint]]"),
            "{error}"
        );
    }

    #[test]
    fn of_very_many_listeners_none_is_asked_and_the_app_fails_in_time() {
        let ports: Vec<u16> = (8000..8100).collect();
        let listeners = ports.iter().map(|port| Listener::loopback(*port)).collect();
        let mut readiness = Readiness::new(3000, vec![]);
        let seen = readiness.look(&listeners, Instant::now(), true);
        let error = seen.unwrap_err();
        assert!(error.contains("several ports (8000, 8001, "), "{error}");
    }

    #[test]
    fn a_short_time_ends_with_the_same_words() {
        let mut app = app(&[], &[]);
        let error = app.on(&[8080, 8081], START, true);
        assert!(error.contains("8080, 8081"), "{error}");
        assert_eq!(app.on(&[8080], START, true), "app 8080, until 3000");
        assert_eq!(app.on(&[], START, true), "not yet");
    }

    #[test]
    fn declared_endpoints_are_all_waited_for() {
        let mut app = app(&[("admin", 9000), ("docs", 9001)], &[]);
        assert_eq!(app.on(&[3000, 9000], START, false), "not yet");
        assert_eq!(
            app.on(&[3000, 9000, 9001], START, false),
            "app 3000, admin 9000, docs 9001"
        );
        assert_eq!(app.on(&[9000], IGNORES, true), "not yet");
        assert_eq!(app.on(&[9000, 9001], NEARLY, false), "not yet");
        assert_eq!(
            app.on(&[9000, 9001], IGNORES * 2, false),
            "app 9000, admin 9000, docs 9001, until 3000"
        );
    }
}
