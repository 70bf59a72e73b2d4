//! What no record wants goes, on positive evidence only, and nothing else does.

use hyper::{HeaderMap, Method, header::AUTHORIZATION};
use nestling_domain::{
    fly::Cost,
    ids::Timestamp,
    lifecycle::{State as Stage, Why},
};
use nestling_world::fly::Request;
use serde_json::{Value, json};
use tokio::join;

use super::*;
use crate::{
    drivers::store::conformance::{NOON, next, save_of, serving},
    messages::machines::{Left, LeftBehind},
};

/// So many minutes after the first pass.
fn minute(minutes: u64) -> Timestamp {
    Timestamp(1_800_000_000_000).plus(Duration::from_mins(minutes))
}

/// A town whose server left an app behind, and has the record of another preview.
struct Swept {
    town: Town,
    /// The app.
    left: String,
    sweeper: Sweeper,
    said: LeftBehind,
}

impl Swept {
    async fn new(removes: bool) -> Self {
        let town = Town::new().await;
        save_first(&town.store, &preview("shop", 8)).await;
        let made = soon(town.machines().ensure.send(town.ensure(1))).await;
        assert!(made.unwrap().is_ok());
        town.store
            .forget_environment(&town.environment)
            .await
            .unwrap();
        let left = town.model.look(|fly| fly.apps.keys().next().cloned());
        let keys = RunnerKeys::open(town.folder.path()).unwrap();
        let fly = town.fly(&keys, &town.token);
        let said = LeftBehind::default();
        let sweeper = Sweeper::new(fly, plan(), town.store.clone(), removes).saying(said.clone());
        Swept {
            town,
            left: left.unwrap(),
            sweeper,
            said,
        }
    }

    async fn pass(&mut self, minutes: u64) {
        soon(self.sweeper.pass(minute(minutes))).await;
    }

    fn apps(&self) -> Vec<String> {
        self.town
            .model
            .look(|fly| fly.apps.keys().cloned().collect())
    }

    fn changes(&self) -> usize {
        self.town.model.look(|fly| fly.ledger.writes.len())
    }

    /// Somebody of the organisation asks Fly by hand.
    fn by_hand(&self, path: &str, body: &Value) {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", self.town.token).parse().unwrap();
        headers.insert(AUTHORIZATION, bearer);
        let body = body.to_string().into();
        let request = Request::new(Method::POST, path, headers, body);
        drop(self.town.model.ask(&request));
    }

    fn goes_wrong(&self, route: &str, fault: Fault) {
        self.town
            .model
            .act(|fly| fly.faults.answer(route, fault, Times::Only(1)));
    }
}

#[actix::test]
async fn an_app_left_behind_is_said_for_ten_minutes_and_then_removed() {
    let mut swept = Swept::new(true).await;
    swept.pass(0).await;
    let expected = Left {
        about: format!("{} at Fly", swept.left),
        reason: format!(
            "this server made it for the environment {}, and no record of that wants it: it is removed after 2027-01-15 08:10 UTC, unless one does by then",
            swept.town.environment
        ),
        since: Some(minute(0)),
        cost: Some(Cost { micros: 0 }),
    };
    assert_eq!(swept.said.said(), [expected]);
    swept.pass(5).await;
    swept.pass(9).await;
    // Nine minutes of $3.69 for 30 days.
    assert_eq!(swept.said.said()[0].cost, Some(Cost { micros: 768 }));
    assert_eq!(swept.apps(), [swept.left.clone()]);
    swept.pass(10).await;
    let over = swept.town.model.look(|fly| fly.left_over("acme"));
    assert_eq!(over, Vec::<String>::new());
    assert_eq!(swept.said.said(), Vec::<Left>::new());
}

#[actix::test]
async fn a_sweep_that_is_asked_to_come_a_moment_later_does() {
    let mut swept = Swept::new(true).await;
    for route in ["GET /apps", "GET /apps/*/machines"] {
        swept.goes_wrong(route, Fault::Status(429));
    }
    swept.pass(0).await;
    let said = swept.said.said();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].since, Some(minute(0)), "{said:?}");
}

#[actix::test]
async fn a_sweep_that_only_reports_removes_nothing() {
    let mut swept = Swept::new(false).await;
    let before = swept.changes();
    for minutes in [0, 10, 20] {
        swept.pass(minutes).await;
    }
    let said = swept.said.said();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].reason.ends_with(
            "it would be removed after 2027-01-15 08:10 UTC, and stays as machines.fly.sweep is \"report\""
        ),
        "{said:?}"
    );
    assert_eq!((swept.apps(), swept.changes()), (vec![swept.left], before));
}

#[actix::test]
async fn a_sweep_leaves_alone_what_is_not_proven_to_be_its_own() {
    let mut swept = Swept::new(true).await;
    // Somebody has put a machine of his own into what was left; and made an app by hand that is named like ours.
    let config = json!({ "image": "registry.fly.io/theirs:v1" });
    let machine = json!({ "name": "by-hand", "region": "ams", "config": config });
    swept.by_hand(&format!("/v1/apps/{}/machines", swept.left), &machine);
    let machines = |fly: &nestling_world::fly::State| fly.machines_of(&swept.left).len();
    assert_eq!(swept.town.model.look(machines), 2);
    let empty = json!({ "name": "nestling-empty", "org_slug": "acme" });
    swept.by_hand("/v1/apps", &empty);
    // Another server had the same environment; its record is gone, too.
    let town = &swept.town;
    let other = tempfile::tempdir().unwrap();
    save_first(&town.store, &preview("shop", 7)).await;
    let theirs = town.machines_of(other.path(), &town.token);
    let made = soon(theirs.ensure.send(town.ensure(1))).await;
    assert!(made.unwrap().is_ok());
    town.store
        .forget_environment(&town.environment)
        .await
        .unwrap();
    let before = (swept.apps(), swept.changes());
    assert_eq!(before.0.len(), 3);
    for minutes in [0, 10, 20] {
        swept.pass(minutes).await;
    }
    assert_eq!((swept.apps(), swept.changes()), before);
    assert_eq!(swept.said.said(), Vec::<Left>::new());
}

#[actix::test]
async fn a_sweep_removes_nothing_by_listings_that_fail_are_empty_or_lack_something() {
    let mut swept = Swept::new(true).await;
    swept.pass(0).await;
    let before = swept.changes();
    let faults = [
        ("GET /apps", Fault::Status(503), "503"),
        (
            "GET /apps",
            Fault::EmptyList,
            "Fly counts 1 apps and lists 0",
        ),
        (
            "GET /apps",
            Fault::PartialList,
            "Fly counts 1 apps and lists 0",
        ),
        ("GET /apps", Fault::Garbled, "cannot be read"),
        (
            "GET /apps/*/machines",
            Fault::EmptyList,
            "Fly counts 1 machines in it and lists 0",
        ),
        ("GET /apps/*/machines", Fault::Status(500), "500"),
    ];
    for (route, fault, words) in faults {
        swept.goes_wrong(route, fault);
        swept.pass(10).await;
        let said = swept.said.said();
        let told = said.iter().any(|left| left.reason.contains(words));
        assert!(told, "{fault:?}: {said:?}");
        assert_eq!(swept.changes(), before, "{fault:?}");
    }
    // Somebody is served from an app that Fly does not list.
    let mut served = preview("shop", 9);
    served.lifecycle.state = serving(1);
    if let Stage::Running { serving, .. } = &mut served.lifecycle.state {
        serving.address = Some(std::net::Ipv6Addr::LOCALHOST.into());
    }
    let store = &swept.town.store;
    save_first(store, &served).await;
    soon(swept.sweeper.pass(minute(15))).await;
    let said = swept.said.said();
    assert!(
        said[1].reason.contains("Fly does not list the app"),
        "{said:?}"
    );
    assert_eq!(swept.changes(), before);
    let store = &swept.town.store;
    store.forget_environment(&served.id).await.unwrap();
    // None of that was evidence, and none took any away.
    swept.pass(20).await;
    assert_eq!(swept.apps(), Vec::<String>::new());
}

#[actix::test]
async fn what_a_closed_preview_left_goes_once_it_was_seen_gone_and_is_there_all_the_same() {
    let mut swept = Swept::new(true).await;
    // Its record is there; its machine was asked for, and Fly has said once that it is gone.
    let mut closed = preview("shop", 7);
    closed.lifecycle.state = Stage::Stopped {
        why: Why::Closed,
        last: None,
        since: NOON,
    };
    closed.lifecycle.world.absent = 1;
    let store = swept.town.store.clone();
    save_first(&store, &closed).await;
    for minutes in [0, 10] {
        swept.pass(minutes).await;
    }
    assert_eq!(swept.apps(), [swept.left.clone()], "its record sees to it");
    assert_eq!(swept.said.said(), Vec::<Left>::new());
    // Fly says so again, and was wrong twice.
    let mut gone = next(&closed);
    gone.lifecycle.world.absent = 2;
    store.save(save_of(&gone)).await.unwrap();
    swept.pass(20).await;
    assert_eq!(swept.said.said().len(), 1);
    assert_eq!(swept.apps(), [swept.left.clone()]);
    swept.pass(30).await;
    let over = swept.town.model.look(|fly| fly.left_over("acme"));
    assert_eq!(over, Vec::<String>::new());
    assert_eq!(swept.said.said(), Vec::<Left>::new());
}

#[actix::test]
async fn a_sweep_stops_between_two_requests_when_a_record_appears() {
    let mut swept = Swept::new(true).await;
    swept.pass(0).await;
    let before = swept.changes();
    // The first request of the removal, after the evidence.
    swept.goes_wrong("GET /apps/*", Fault::Late(500));
    let asked = swept
        .town
        .model
        .look(|fly| fly.ledger.count(Action::GetApp));
    let Swept { town, sweeper, .. } = &mut swept;
    let appears = async {
        let began = |fly: &nestling_world::fly::State| fly.ledger.count(Action::GetApp) > asked;
        town.model.until("a removal begun", began).await.unwrap();
        save_first(&town.store, &preview("shop", 7)).await;
    };
    join!(soon(sweeper.pass(minute(10))), appears);
    assert_eq!(swept.changes(), before);
    swept.pass(20).await;
    assert_eq!(swept.apps(), [swept.left.clone()]);
    assert_eq!(swept.changes(), before);
    assert_eq!(swept.said.said(), Vec::<Left>::new());
}

#[actix::test]
async fn a_sweep_says_what_it_could_not_remove_and_tries_again() {
    let mut swept = Swept::new(true).await;
    swept.pass(0).await;
    swept.goes_wrong("DELETE /apps/*", Fault::Status(403));
    swept.pass(10).await;
    let said = swept.said.said();
    assert!(
        said[0].reason.contains("The last try did not end it (")
            && said[0]
                .reason
                .ends_with("and it is tried again every 5 minutes"),
        "{said:?}"
    );
    swept.pass(15).await;
    assert_eq!(swept.apps(), Vec::<String>::new());
    assert_eq!(swept.said.said(), Vec::<Left>::new());
}
