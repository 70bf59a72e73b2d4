//! Stories of the places of an app: of whoever comes at once, waits, sleeps, and is ordered.

use actix::prelude::*;
use nestling_domain::{
    app::App,
    environment::Environment,
    ids::{EnvironmentId, Kind},
    lifecycle::{Command, Event, State, Trigger, Why},
    orders::Orders,
    places::Stand,
    policy::Policy,
    record::{PullRequest, PullRequestStatus},
};

use super::*;
use crate::{
    actors::rest::Rest,
    drivers::store::sqlite::Sqlite,
    messages::environment::Applied,
    world::{self, House, REPOSITORY, commit},
};

struct World {
    house: House,
    shop: App,
}

impl World {
    /// A repository on GitHub with one app that has two previews at once.
    async fn start() -> Self {
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let policy = Policy {
            previews: 2,
            ..Policy::default()
        };
        let shop = world::shop_with(policy, &*store).await;
        let house = House::start(store, Box::new(|_, _| String::new())).await;
        World { house, shop }.settled()
    }

    fn settled(self) -> Self {
        let house = &self.house;
        house.outside.runners.set(true);
        *house.outside.head.borrow_mut() = Some(commit(1));
        let (store, admission) = (house.store.clone(), house.admission.clone());
        let (environments, routes) = (house.environments.clone(), house.routes.clone());
        Rest::new(store, environments, admission, routes).start();
        self
    }

    async fn tell(&self, number: u32, event: Event) -> Applied {
        let kind = Kind::Preview(number);
        self.house.tell(&self.shop, kind, event).await.unwrap()
    }

    async fn push(&self, number: u32) {
        self.tell(number, hint(Trigger::Push)).await;
    }

    async fn order(&self, number: u32, command: Command) -> Applied {
        self.tell(number, Event::Command(command)).await
    }

    async fn all(&self) -> Vec<Environment> {
        let store = &self.house.store;
        store.environments_of_app(&self.shop.id).await.unwrap()
    }

    async fn holding(&self) -> Vec<String> {
        let all = self.all().await;
        let holds = all
            .iter()
            .filter(|one| Stand::of(&one.lifecycle) == Stand::Holds);
        holds.map(|one| one.kind.name()).collect()
    }

    async fn until(&self, number: u32, what: &str, so: impl Fn(&Environment) -> bool) {
        let id = EnvironmentId::derive(&self.shop.id, Kind::Preview(number));
        let settled = |one: &Environment| one.lifecycle.look.is_none() && so(one);
        world::until(&*self.house.store, &id, what, settled).await;
    }

    async fn runs(&self, number: u32) {
        let is = |one: &Environment| one.lifecycle.state_name() == "running";
        self.until(number, "runs", is).await;
    }

    async fn waits(&self, number: u32) {
        self.until(number, "waits for a place", waits).await;
    }

    /// Those that wait, with how many go before each.
    async fn line(&self) -> Vec<(String, usize)> {
        let queue = self.house.admission.look.send(Look).await.unwrap();
        let all = self.all().await;
        let ahead = |one: &Environment| Some((one.kind.name(), queue.ahead(&one.id)?));
        let mut line: Vec<_> = all.iter().filter_map(ahead).collect();
        line.sort_by_key(|(_, ahead)| *ahead);
        line
    }
}

fn hint(trigger: Trigger) -> Event {
    Event::Hint {
        commit: None,
        trigger,
    }
}

fn waits(one: &Environment) -> bool {
    matches!(Stand::of(&one.lifecycle), Stand::Waits(_))
}

fn at(line: &[(String, usize)]) -> Vec<&str> {
    line.iter().map(|(name, _)| name.as_str()).collect()
}

#[actix::test]
async fn of_many_that_are_opened_at_once_as_many_run_as_may_and_each_place_goes_to_the_next_in_line()
 {
    let world = World::start().await;
    futures::future::join_all((1..=6).map(|number| world.push(number))).await;
    for number in 1..=6 {
        let settled = |one: &Environment| waits(one) || one.lifecycle.state_name() == "running";
        world.until(number, "runs or waits", settled).await;
    }
    let mut run = world.holding().await;
    assert_eq!(run.len(), 2, "{run:?}");
    let mut line = world.line().await;
    assert_eq!(line.len(), 4, "{line:?}");
    while let Some((next, ahead)) = line.first().cloned() {
        assert_eq!(ahead, 0);
        let goes = run.remove(0).replace("pr-", "").parse().unwrap();
        world.order(goes, Command::Delete).await;
        let number = next.replace("pr-", "").parse().unwrap();
        world.runs(number).await;
        run.push(next);
        let left = world.line().await;
        assert_eq!(at(&left), at(&line)[1..], "the others keep their order");
        assert_eq!(world.holding().await.len(), 2);
        line = left;
    }
}

#[actix::test]
async fn a_preview_that_sleeps_keeps_its_place_and_wakes_for_its_visitor_at_once() {
    let world = World::start().await;
    for number in [1, 2] {
        world.push(number).await;
        world.runs(number).await;
    }
    world.order(1, Command::Sleep).await;
    world.push(3).await;
    world.waits(3).await;
    world.tell(1, hint(Trigger::Visit)).await;
    world.runs(1).await;
    assert_eq!(world.holding().await, ["pr-1", "pr-2"]);
    let line = world.line().await;
    assert_eq!(line, [("pr-3".to_owned(), 0)]);
}

#[actix::test]
async fn what_a_person_orders_of_one_that_gave_its_place_away_waits_and_says_why() {
    let world = World::start().await;
    for number in [1, 2] {
        world.push(number).await;
        world.runs(number).await;
    }
    world.push(3).await;
    world.waits(3).await;
    world.order(1, Command::Stop).await;
    world.runs(3).await;
    let told = world.order(1, Command::Redeploy).await;
    assert!(
        told.decision
            .starts_with("nothing: it waits: 2 of 2 previews of shop run or sleep"),
        "{}",
        told.decision
    );
    world.waits(1).await;
    // A person's word for this very one is another matter.
    let row = PullRequest {
        repository: REPOSITORY,
        number: 1,
        branch: "one".into(),
        title: "One".into(),
        status: PullRequestStatus::Open,
        head: None,
        labels: Vec::new(),
        base: None,
        draft: false,
        orders: Orders {
            asked_for: true,
            ..Orders::default()
        },
    };
    world.house.store.put_pull_request(&row).await.unwrap();
    world.tell(1, hint(Trigger::Start)).await;
    world.runs(1).await;
    assert_eq!(world.holding().await, ["pr-1", "pr-2", "pr-3"]);
}

#[actix::test]
async fn a_server_that_is_started_again_knows_who_holds_a_place_and_who_waits_longest() {
    let world = World::start().await;
    for number in [1, 2] {
        world.push(number).await;
        world.runs(number).await;
    }
    world.order(2, Command::Sleep).await;
    for number in [4, 3] {
        world.push(number).await;
        world.waits(number).await;
    }
    let before = world.line().await;
    let World { house, shop } = world;
    let sign = Box::new(|_: &_, _| String::new());
    let house = house.next_life(sign, |_| {}).await;
    let world = World { house, shop }.settled();
    world.push(5).await;
    world.waits(5).await;
    let line = world.line().await;
    assert_eq!(at(&line), [at(&before), vec!["pr-5"]].concat());
    world.order(1, Command::Delete).await;
    let first = before[0].0.clone();
    world.runs(first.replace("pr-", "").parse().unwrap()).await;
    assert_eq!(world.holding().await, ["pr-2".to_owned(), first]);
    let all = world.all().await;
    let sleeps =
        |one: &&Environment| matches!(&one.lifecycle.state, State::Stopped { why: Why::Idle, .. });
    assert_eq!(all.iter().filter(sleeps).count(), 1);
}
