//! Webhooks on their way: lost, late, twice, in another order.

use actix::Addr;
use nestling_domain::{
    github::read,
    record::{Delivery, Fact},
};
use nestling_world::github::State;
use serde_json::Value;

use super::{
    crashes::EVENTS,
    life::House,
    world::{Deed, Scene, World},
};
use crate::{actors::intake::Intake, drivers::clock, messages::forge::Arrived};

pub(super) use nestling_world::github::Letter;

/// How often of a thousand times a webhook is lost.
const LOST: u64 = 200;
/// How often GitHub does not even write down that it wanted to send one.
const FORGOTTEN: u64 = 10;
/// How often one comes twice.
const TWICE: u64 = 100;
/// How often one comes so late that others overtake it.
const LATE: u64 = 200;
/// How often it does where this run is to meet such a webhook.
const LATE_WHERE_AWAITED: u64 = 500;
/// How long GitHub waits for an answer.
const PATIENCE: u64 = 10_000;

impl World {
    /// Decides what becomes of whatever GitHub sends.
    pub(super) fn post(&self, github: &mut State) {
        for letter in github.take_webhooks() {
            let name = name(&letter);
            if let Some(event) = event(&letter) {
                let number = header(&letter, "X-GitHub-Delivery").to_owned();
                self.known().told.insert(number, event);
            }
            let now = clock::now();
            let none_gets_through = self.known().silence.is_some_and(|until| now < until);
            let deaf = !self.is_calm() && self.scene == Scene::Deaf;
            let forgotten = !self.is_calm() && self.scene == Scene::Forgotten;
            if forgotten || self.goes_wrong(FORGOTTEN) {
                self.tell(format!("GitHub forgets to send {name}"));
                github.deliveries.remove(&letter.delivery);
                self.known().forgotten += 1;
                continue;
            }
            let silent = none_gets_through && !self.is_calm();
            if deaf || silent || self.goes_wrong(LOST) {
                self.tell(format!("{name} is lost"));
                github.carried(&letter, None);
                continue;
            }
            let awaited = event(&letter).is_some_and(|event| self.leans_to(event));
            let way = |late| {
                let (least, most) = match (late, awaited) {
                    (false, _) => (20, 1_000),
                    (true, false) => (1_500, 40_000),
                    (true, true) => (8_000, 60_000),
                };
                self.dice().span(least, most)
            };
            if self.goes_wrong(TWICE) {
                self.plan(way(true), Deed::Letter(letter.clone()));
            }
            let late = self.goes_wrong(if awaited { LATE_WHERE_AWAITED } else { LATE });
            self.plan(way(late), Deed::Letter(letter));
        }
    }

    /// Nobody answers a webhook.
    pub(super) fn unanswered(&self, letter: &Letter) {
        self.tell(format!("{} finds nobody", name(letter)));
        self.github().carried(letter, None);
    }

    /// GitHub waits no longer.
    pub(super) fn given_up(&self, letter: &Letter) {
        let mut github = self.github();
        let delivery = github.deliveries.get(&letter.delivery);
        if delivery.is_some_and(|delivery| delivery.sent.is_none()) {
            self.tell(format!("GitHub gives {} up", name(letter)));
            github.carried(letter, None);
        }
    }
}

/// The server takes a webhook: as the route does, once signature and shape are checked.
pub(super) fn take(house: &House, letter: Letter) {
    let world = house.world.clone();
    world.plan(PATIENCE, Deed::GivenUp(letter.clone()));
    let delivery = delivery(&letter);
    let (store, intake): (_, Addr<Intake>) = (house.store.clone(), house.intake.clone());
    actix::spawn(async move {
        let received = store.receive(&delivery).await;
        world.alive().await;
        let name = name(&letter);
        let status = match received {
            Ok(new) => {
                world.tell(format!(
                    "{name} is taken{}",
                    if new { "" } else { " again" }
                ));
                world.known().acknowledged.insert(delivery.id);
                if new {
                    intake.do_send(Arrived);
                }
                202
            }
            Err(error) => {
                world.tell(format!("{name} is not taken: {error}"));
                503
            }
        };
        world.github().carried(&letter, Some(status));
    });
}

fn delivery(letter: &Letter) -> Delivery {
    let (event, id) = (
        header(letter, "X-GitHub-Event"),
        header(letter, "X-GitHub-Delivery"),
    );
    let webhook = read(event, &letter.body).unwrap();
    Delivery {
        id: id.to_owned(),
        at: clock::now(),
        repository: webhook.repository.as_ref().map(|named| named.id),
        fact: Fact::Webhook {
            event: event.to_owned(),
            webhook: Box::new(webhook),
        },
    }
}

/// What it tells, as a row of the table: a pull request's by what was done to it, all others by their name.
fn event(letter: &Letter) -> Option<&'static str> {
    let name = header(letter, "X-GitHub-Event");
    let body: Value = serde_json::from_slice(&letter.body).ok()?;
    let said = match name {
        "pull_request" => body["action"].as_str()?,
        _ => name,
    };
    EVENTS.into_iter().find(|known| *known == said)
}

fn name(letter: &Letter) -> String {
    let id = header(letter, "X-GitHub-Delivery");
    format!("webhook {} {}", header(letter, "X-GitHub-Event"), &id[..8])
}

fn header<'a>(letter: &'a Letter, name: &str) -> &'a str {
    let mut headers = letter.headers.iter();
    let found = headers.find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}
