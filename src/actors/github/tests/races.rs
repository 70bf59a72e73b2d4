//! What comes twice, late, in another order or not at all: whatever GitHub tells, what runs at the end is what is true.
//!
//! Real environments, intake and forge; the model of GitHub; machines of the model that run whatever they are asked to.
//! Webhooks are taken from GitHub's log and delivered as each story wants.

use std::cell::{Cell, RefCell};

use nestling_domain::{
    github::{Listed, missed, read},
    lifecycle::State as Life,
    record::{Delivery, Fact},
};

use super::*;
use crate::{
    actors::intake::Intake,
    drivers::clock,
    messages::forge::People,
    world::{House, until},
};

pub(super) struct Race {
    pub(super) github: Model,
    house: House,
    intake: RefCell<Addr<Intake>>,
    people: People,
    pub(super) store: Arc<Sqlite>,
    pub(super) shop: App,
    /// The webhooks that a story has taken from the log.
    taken: Cell<u64>,
    _folder: TempDir,
}

impl Race {
    pub(super) async fn start() -> Self {
        let World {
            folder,
            github,
            desk,
            forge,
            shop,
            store,
            ..
        } = World::start().await;
        drop(desk);
        let house = House::arranged(store.clone(), Box::new(|_, _| "token".into()), |house| {
            house.forge.head = forge.clone().recipient();
            house.times.forge_again = Duration::from_millis(50);
            house.times.look_again = vec![Duration::from_millis(50); 3];
        });
        let house = house.await;
        house.outside.runners.set(true);
        let people = People {
            may_write: forge.clone().recipient(),
            react: forge.clone().recipient(),
            announce: house.forge.announce.clone(),
        };
        let asked = (forge.recipient(), Some(people.clone()));
        let live = house.live.touch.clone();
        let environments = house.environments.clone();
        let intake = Intake::new(store.clone(), environments, asked, live).start();
        Race {
            github,
            house,
            intake: RefCell::new(intake),
            people,
            store,
            shop,
            taken: Cell::default(),
            _folder: folder,
        }
    }

    pub(super) fn act<T>(&self, act: impl FnOnce(&mut State) -> anyhow::Result<T>) -> T {
        self.github.act(act).unwrap()
    }

    /// The worker of the inbox dies, and another one begins.
    pub(super) fn begin_anew(&self) {
        let asked = (self.house.forge.apps_at.clone(), Some(self.people.clone()));
        let (live, environments) = (
            self.house.live.touch.clone(),
            self.house.environments.clone(),
        );
        let intake = Intake::new(self.store.clone(), environments, asked, live);
        *self.intake.borrow_mut() = intake.start();
    }

    /// What GitHub has told since the last call, in its order.
    pub(super) fn news(&self) -> Vec<Delivery> {
        self.news_with(|_| {})
    }

    /// The same, of which something is changed on its way.
    pub(super) fn news_with(
        &self,
        mut change: impl FnMut(&mut serde_json::Value),
    ) -> Vec<Delivery> {
        let sent = self.github.look(|state| {
            let sent = state.deliveries.range(self.taken.get() + 1..);
            sent.map(|(_, one)| one.clone()).collect::<Vec<_>>()
        });
        self.taken
            .set(sent.last().map_or(self.taken.get(), |one| one.id));
        let told = sent.into_iter().map(|mut one| {
            change(&mut one.payload);
            let webhook = read(&one.event, one.payload.to_string().as_bytes()).unwrap();
            Delivery {
                id: one.guid,
                at: clock::now(),
                repository: webhook.repository.as_ref().map(|named| named.id),
                fact: Fact::Webhook {
                    event: one.event,
                    webhook: Box::new(webhook),
                },
            }
        });
        told.collect()
    }

    pub(super) async fn deliver(&self, news: impl IntoIterator<Item = Delivery>) {
        for one in news {
            self.store.receive(&one).await.unwrap();
        }
        self.intake.borrow().do_send(Arrived);
        while !self.store.pending(1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    pub(super) async fn deliver_all(&self) {
        self.deliver(self.news()).await;
    }

    pub(super) fn propose(&self, branch: &str) -> u32 {
        self.act(|state| propose(state, branch, "ann"))
    }

    pub(super) fn push(&self, branch: &str, content: &str) -> String {
        let change = [Change::file("index.html", content)];
        self.act(|state| state.push(SHOP, branch, "ann", &change))
    }

    pub(super) fn head(&self, branch: &str) -> String {
        let found = self.github.look(|state| state.see_branch(SHOP, branch));
        found.unwrap().unwrap()
    }

    pub(super) async fn preview(&self, number: u32, what: &str, so: impl Fn(&Environment) -> bool) {
        let id = EnvironmentId::derive(&self.shop.id, Kind::Preview(number));
        until(&*self.store, &id, what, so).await;
    }

    /// Until the preview serves this commit, on one machine.
    pub(super) async fn serves(&self, number: u32, commit: &str) {
        self.preview(number, "serves the head", |one| {
            match &one.lifecycle.state {
                Life::Running { serving, .. } => {
                    let settled =
                        one.lifecycle.look.is_none() && one.lifecycle.world.machines.len() == 1;
                    serving.commit.id.as_str() == commit && settled
                }
                Life::Creating { .. } | Life::Restarting { .. } | Life::Stopped { .. } => false,
            }
        })
        .await;
        assert_eq!(self.machines(number), 1);
    }

    /// Until the preview is closed, and has no machine.
    pub(super) async fn is_gone(&self, number: u32) {
        self.preview(number, "is gone", |one| {
            one.lifecycle.is_closed() && one.lifecycle.world.machines.is_empty()
        })
        .await;
        assert_eq!(self.machines(number), 0);
    }

    fn machines(&self, number: u32) -> usize {
        let id = EnvironmentId::derive(&self.shop.id, Kind::Preview(number));
        let machines = self.house.outside.machines.borrow();
        machines
            .iter()
            .filter(|(environment, _)| *environment == id)
            .count()
    }
}

#[actix::test]
async fn race_close_during_a_build() {
    let race = Race::start().await;
    race.house.outside.runners.set(false);
    let number = race.propose("basket");
    race.deliver_all().await;
    race.preview(number, "builds", |one| {
        one.lifecycle.next().is_some_and(|next| next.phase.builds())
    })
    .await;
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(number).await;
}

#[actix::test]
async fn race_close_before_create_and_synchronize_after_closed() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.push("basket", "more");
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    let mut news = race.news();
    news.reverse();
    race.deliver(news).await;
    race.is_gone(number).await;
}

#[actix::test]
async fn race_close_reopen_and_push_within_a_second_in_any_order() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    for turn in 0..3 {
        race.act(|state| state.close(SHOP, number.into(), "ann"));
        race.act(|state| state.reopen(SHOP, number.into(), "ann"));
        let pushed = race.push("basket", &format!("turn {turn}"));
        let mut news = race.news();
        let length = news.len();
        news.rotate_left(turn % length);
        race.deliver(news).await;
        race.serves(number, &pushed).await;
    }
}

#[actix::test]
async fn race_push_during_teardown() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.deliver_all().await;
    race.push("basket", "late");
    race.deliver_all().await;
    race.is_gone(number).await;
}

#[actix::test]
async fn race_two_pushes_out_of_order() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.push("basket", "first");
    let first = race.news();
    let second = race.push("basket", "second");
    race.deliver_all().await;
    race.deliver(first).await;
    race.serves(number, &second).await;
}

#[actix::test]
async fn w02_race_a_delivery_that_comes_twice_and_one_that_is_delivered_again_cause_nothing_more() {
    let race = Race::start().await;
    let number = race.propose("basket");
    let news = race.news();
    race.deliver(news.clone()).await;
    race.serves(number, &race.head("basket")).await;
    race.deliver(news.clone()).await;
    // As after the inbox has forgotten it: under the same words, with another id.
    let again = news.into_iter().map(|one| Delivery {
        id: format!("{}-again", one.id),
        ..one
    });
    race.deliver(again).await;
    race.serves(number, &race.head("basket")).await;
    let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
    let record = race.store.environment(&id).await.unwrap().unwrap();
    assert_eq!(record.lifecycle.generation.0, 1, "one deployment in all");
}

#[actix::test]
async fn race_another_base_and_a_stacked_pull_request() {
    let race = Race::start().await;
    let below = race.propose("below");
    let above = race.act(|state| {
        state.push(SHOP, "above", "ann", &[Change::file("above.html", "1")])?;
        let opening = Opening::of("above", "ann").into("below");
        Ok(u32::try_from(state.open_pull_request(SHOP, opening)?)?)
    });
    race.deliver_all().await;
    race.serves(below, &race.head("below")).await;
    race.serves(above, &race.head("above")).await;
    race.act(|state| state.retarget(SHOP, above.into(), "ann", "main"));
    race.act(|state| state.close(SHOP, below.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(below).await;
    race.serves(above, &race.head("above")).await;
}

#[actix::test]
async fn race_a_branch_deleted_without_a_close() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.delete_branch(SHOP, "basket", "ann"));
    let told = race.news();
    let only_the_branch = told
        .into_iter()
        .filter(|one| matches!(&one.fact, Fact::Webhook { event, .. } if event == "delete"));
    race.deliver(only_the_branch).await;
    race.is_gone(number).await;
}

#[actix::test]
async fn w07_race_two_pull_requests_from_one_branch_and_a_fork_of_the_same_name() {
    let race = Race::start().await;
    let first = race.propose("basket");
    let (second, forked) = race.act(|state| {
        state.push(SHOP, "next", "ann", &[Change::file("next.html", "1")])?;
        let second = state.open_pull_request(SHOP, Opening::of("basket", "ann").into("next"))?;
        state.fork(SHOP, "eve")?;
        state.push(
            "eve/shop",
            "basket",
            "eve",
            &[Change::file("index.html", "eve")],
        )?;
        let forked = Opening::of("basket", "eve").from("eve/shop");
        let forked = state.open_pull_request(SHOP, forked)?;
        Ok((u32::try_from(second)?, u32::try_from(forked)?))
    });
    race.deliver_all().await;
    let pushed = race.push("basket", "both");
    race.deliver_all().await;
    race.serves(first, &pushed).await;
    race.serves(second, &pushed).await;
    race.act(|state| state.close(SHOP, first.into(), "ann"));
    race.deliver_all().await;
    race.is_gone(first).await;
    race.serves(second, &pushed).await;
    race.preview(
        forked,
        "waits for an approval",
        |one| matches!(&one.lifecycle.state, Life::Stopped { why, .. } if why.name() == "waits"),
    )
    .await;
    assert_eq!(race.machines(forked), 0);
}

#[actix::test]
async fn race_a_listing_that_shows_nothing_closes_nothing() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let head = race.head("basket");
    race.serves(number, &head).await;
    let environments = race.store.environments_of_app(&race.shop.id).await.unwrap();
    let listed = Listed {
        branch: "main",
        head: None,
        open: &[],
    };
    let apps = [race.shop.id.clone()];
    let facts = missed(&apps, &environments, &listed);
    assert!(!facts.is_empty(), "its environment looks");
    let told = facts
        .into_iter()
        .enumerate()
        .map(|(number, fact)| Delivery {
            id: format!("listed-{number}"),
            at: clock::now(),
            repository: Some(race.shop.repository),
            fact,
        });
    race.deliver(told).await;
    race.serves(number, &head).await;
}
