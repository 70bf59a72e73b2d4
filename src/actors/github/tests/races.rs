//! What comes twice, late, in another order or not at all, and what breaks meanwhile: whatever GitHub tells, what runs at the
//! end is what is true.
//!
//! Real environments, intake and forge; the model of GitHub; machines of the model that run whatever they are asked to.
//! Webhooks are taken from GitHub's log and delivered as each story wants.
//!
//! Every race that other systems of this kind were seen to lose has a story of its own, here or beside what it is about. Each
//! is found by the name of its test (`cargo nextest run -E 'test(race_)'`):
//!
//! | race or fault | told by |
//! |---|---|
//! | close during a build | `race_close_during_a_build` |
//! | close before create; `synchronize` after `closed` | `race_close_before_create_and_synchronize_after_closed` |
//! | close, reopen and push within a second | `race_close_reopen_and_push_within_a_second_in_any_order` |
//! | push during teardown | `race_push_during_teardown` |
//! | two pushes out of order | `race_two_pushes_out_of_order` |
//! | a delivery that comes twice | `w02_race_a_delivery_that_comes_twice_and_one_that_is_delivered_again_cause_nothing_more` |
//! | redelivery of one that failed | `race_a_webhook_that_did_not_get_through_is_asked_for_and_taken_once`, `race_an_order_whose_webhook_is_lost_for_an_hour_is_carried_out_once_one_gets_through` |
//! | another base branch; stacked pull requests | `race_another_base_and_a_stacked_pull_request` |
//! | branch deleted without a close | `race_a_branch_deleted_without_a_close` |
//! | two pull requests from one branch; a fork with the same branch name | `w07_race_two_pull_requests_from_one_branch_and_a_fork_of_the_same_name` |
//! | repository renamed or transferred | `race_a_repository_that_is_renamed_and_transferred_keeps_its_previews` |
//! | App uninstalled | `race_the_app_is_uninstalled_and_all_of_it_goes_once_that_is_sure`, and on GitHub `race_what_ends_because_the_app_was_uninstalled_is_told_to_nobody_and_owed_no_more` (`showing/tests/trouble.rs`) |
//! | App suspended | `race_a_suspended_app_keeps_what_runs_and_goes_on_afterwards`, `race_a_suspended_app_that_may_go_on_is_looked_at_at_once` |
//! | label added and removed | `race_a_label_that_is_added_and_removed_in_any_order` |
//! | comment deleted by a person | `race_a_comment_that_a_person_deleted_comes_back_once`, `a_comment_that_a_person_deletes_is_made_again_at_once_and_no_war_is_begun` (`showing/tests/trouble.rs`) |
//! | GitHub answers 5xx, 429 or a secondary limit | `race_a_push_while_github_fails_or_limits_is_deployed_afterwards`; what is shown meanwhile: `race_a_limit_of_github_is_waited_for_without_asking` (`showing/tests/trouble.rs`); each way to be limited: `drivers/github/limits.rs` |
//! | a timeout after the create succeeded | a machine: `race_a_crash_between_the_machine_and_its_record_makes_no_second_one`; a comment, check or deployment: `race_lost_answers_never_make_two` (`showing/tests/trouble.rs`) |
//! | crash between create and record | the same for a machine; `race_a_crash_between_the_comment_and_its_record_makes_no_second_one` (`showing/tests/trouble.rs`); at every boundary: [`crate::simulation`], and with `kill -9`: `tests/it/kill` |
//! | GitHub answers slowly, or not at all | `race_a_preview_begins_however_slowly_github_answers`, `race_a_close_that_github_does_not_confirm_is_said_until_it_does` |
//! | a removal fails | `race_what_cannot_be_removed_is_closing_until_it_is_gone` |
//! | a listing misses many | `race_a_look_that_misses_many_ends_few_of_them` |
//! | listing returns empty | `race_a_listing_that_shows_nothing_closes_nothing` |
//! | machine lost | `race_a_lost_machine_comes_back_unless_it_was_closed_meanwhile`, `race_what_was_closed_while_the_server_was_away_never_starts_again` |
//! | log stream cut | `race_whoever_follows_a_log_sees_each_line_once_also_after_a_break_and_over_a_hole` (`http/api/tests/logs.rs`); between runner and server: `race_a_server_that_is_away_misses_no_report_and_no_line` (`crates/runner/tests/stories/server.rs`) |
//! | clock skew of the webhook | `w03_race_a_push_and_a_quick_merge_whatever_the_clocks_say` |
//! | a provider's 409 (lease), 429 and 5xx; a machine that migrates; the clock of one that is resumed | come with the provider that has them; until then `w04_no_clock_of_a_machine_counts` (`http/runner/tests/reports.rs`) |
//! | a command before the opening | `race_a_command_that_is_told_of_before_the_opening_waits_for_its_preview` |
//! | one comment told of by webhook and by listing | `race_a_comment_that_is_told_of_twice_orders_once` |
//! | an approved commit that is pushed again after another one | `race_an_approval_does_not_come_back_with_its_commit` |
//! | a replica takes over in the middle of a deployment | comes with several servers |
//!
//! Defects of earlier systems (W) and what strangers try (X) stand in [`super::defects`].

mod orders;
mod quiet;
mod told;
mod trouble;

use std::cell::{Cell, RefCell};

use nestling_domain::{
    github::{Listed, gone, read},
    lifecycle::{self, Event, State as Life, Times as Limits},
    record::{Delivery, Fact},
};

use super::*;
use crate::{
    actors::{environment::Neighbours, intake::Intake},
    drivers::clock,
    messages::{
        environment::{Applied, Apply, NotApplied},
        environments::StopAll,
        forge::{CommentDeleted, People, ShowAgain},
    },
    world::{House, until},
};

/// Whoever would show something, where nothing is shown.
struct ShowsNothing;

impl Actor for ShowsNothing {
    type Context = Context<Self>;
}

impl Handler<CommentDeleted> for ShowsNothing {
    type Result = ();

    fn handle(&mut self, _: CommentDeleted, _: &mut Self::Context) {}
}

impl Handler<ShowAgain> for ShowsNothing {
    type Result = ();

    fn handle(&mut self, _: ShowAgain, _: &mut Self::Context) {}
}

pub(super) struct Race {
    pub(super) github: Model,
    installation: u64,
    desk: Arc<Desk>,
    forge: Addr<GitHubForge>,
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
        Race::arranged(|_| {}).await
    }

    /// One whose environments have other times.
    pub(super) async fn arranged(times: impl FnOnce(&mut Limits)) -> Self {
        let World {
            folder,
            github,
            installation,
            desk,
            forge,
            shop,
            store,
        } = World::start().await;
        let sign = Box::new(|_: &EnvironmentId, _| "token".to_owned());
        let arranged = arrange(&forge);
        let house = House::arranged(store.clone(), sign, |house| {
            arranged(house);
            times(&mut house.times);
        });
        let house = house.await;
        house.outside.runners.set(true);
        let nobody = ShowsNothing.start();
        let people = People {
            may_write: forge.clone().recipient(),
            see: forge.clone().recipient(),
            head: forge.clone().recipient(),
            announce: house.forge.announce.clone(),
            deleted: nobody.clone().recipient(),
            show_again: nobody.recipient(),
            look_at: forge.clone().recipient(),
        };
        let asked = (forge.clone().recipient(), Some(people.clone()));
        let live = house.live.touch.clone();
        let environments = house.environments.clone();
        let intake = Intake::new(store.clone(), environments, asked, live).start();
        Race {
            github,
            installation,
            desk,
            forge,
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

    /// The server is killed. GitHub, machines and people go on with `meanwhile`, then it starts again.
    async fn next_life(mut self, meanwhile: impl FnOnce(&Self)) -> Self {
        self.house.address.send(StopAll).await.unwrap();
        meanwhile(&self);
        let sign = Box::new(|_: &EnvironmentId, _| "token".to_owned());
        self.house = self.house.next_life(sign, arrange(&self.forge)).await;
        self.begin_anew();
        self
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

    /// Nobody listens where webhooks go, so each of them fails.
    async fn nothing_gets_through(&self) {
        let on_its_way = |state: &State| state.deliveries.values().any(|one| one.sent.is_none());
        while self.github.look(on_its_way) {
            tokio::task::yield_now().await;
        }
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
        self.push_to(SHOP, branch, content)
    }

    /// The same, to a repository that is called otherwise by now.
    fn push_to(&self, repository: &str, branch: &str, content: &str) -> String {
        let change = [Change::file("index.html", content)];
        self.act(|state| state.push(repository, branch, "ann", &change))
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

    /// Until the preview waits for somebody, and has no machine.
    async fn waits(&self, number: u32) {
        self.preview(number, "waits", |one| {
            let waits =
                matches!(&one.lifecycle.state, Life::Stopped { why, .. } if why.name() == "waits");
            waits && one.lifecycle.world.machines.is_empty()
        })
        .await;
        assert_eq!(self.machines(number), 0);
    }

    /// Until GitHub was asked about the preview, and could not say.
    async fn asked_in_vain(&self, number: u32) {
        self.preview(number, "was asked about in vain", |one| {
            let look = one.lifecycle.look.as_ref();
            look.is_some_and(|look| look.at > one.updated_at)
        })
        .await;
    }

    /// The numbers of all machines that the preview ever had.
    fn made(&self, number: u32) -> Vec<u32> {
        let id = EnvironmentId::derive(&self.shop.id, Kind::Preview(number));
        let made = self.house.outside.made.borrow();
        let ours = made.iter().filter(|(environment, _)| *environment == id);
        ours.map(|(_, generation)| generation.0).collect()
    }

    /// A person orders something of an environment.
    async fn order(
        &self,
        id: &EnvironmentId,
        command: lifecycle::Command,
    ) -> Result<Applied, NotApplied> {
        let apply = Apply {
            event: Event::Command(command),
            by: "ann".to_owned(),
            input: None,
            birth: None,
        };
        self.house.environments.apply(id.clone(), apply).await
    }

    /// How often GitHub's API was asked. What is fetched by git goes on by itself.
    fn asked(&self) -> usize {
        self.github.look(|state| {
            let requests = state.ledger.requests.iter();
            requests.filter(|one| !one.target.contains(".git/")).count()
        })
    }

    fn lose_machine(&self, number: u32) {
        let id = EnvironmentId::derive(&self.shop.id, Kind::Preview(number));
        self.house.outside.lose(&id);
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

/// Environments ask this forge, and again soon.
fn arrange(forge: &Addr<GitHubForge>) -> impl FnOnce(&mut Neighbours) + use<> {
    let head = forge.clone().recipient();
    move |house| {
        house.forge.head = head;
        house.times.forge_again = Duration::from_millis(50);
        house.times.destroy_again = vec![Duration::from_millis(50)];
        house.times.look_again = vec![Duration::from_millis(50); 3];
    }
}
