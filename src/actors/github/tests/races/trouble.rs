//! What breaks while GitHub tells something: GitHub itself, the App, machines, the server.

use super::*;

#[actix::test]
async fn race_a_push_while_github_fails_or_limits_is_deployed_afterwards() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let mut serves = race.head("basket");
    race.serves(number, &serves).await;
    for fault in [
        Fault::Status(502),
        Fault::Status(503),
        Fault::SecondaryLimit(1),
    ] {
        race.act(|state| {
            state.order("GET /repos/**", fault, Times::Always);
            Ok(())
        });
        let pushed = race.push("basket", &format!("{fault:?}"));
        race.deliver_all().await;
        race.asked_in_vain(number).await;
        let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
        let record = race.store.environment(&id).await.unwrap().unwrap();
        let serving = record.lifecycle.answering().unwrap();
        assert_eq!(serving.commit.id.as_str(), serves, "what runs goes on");
        race.act(|state| {
            state.faults.clear();
            Ok(())
        });
        race.serves(number, &pushed).await;
        serves = pushed;
    }
}

#[actix::test]
async fn race_a_suspended_app_keeps_what_runs_and_goes_on_afterwards() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let head = race.head("basket");
    race.serves(number, &head).await;
    race.act(|state| state.suspend(race.installation));
    // Of this GitHub tells nobody.
    let pushed = race.push("basket", "meanwhile");
    race.deliver_all().await;
    let unseen = race.desk.list(Scope::All).await;
    assert_eq!(unseen, Some(Scope::Some([race.shop.repository].into())));
    race.deliver([]).await;
    race.serves(number, &head).await;
    race.act(|state| state.unsuspend(race.installation));
    race.deliver_all().await;
    assert_eq!(race.desk.list(Scope::All).await, None);
    race.deliver([]).await;
    race.serves(number, &pushed).await;
}

#[actix::test]
async fn race_a_suspended_app_that_may_go_on_is_looked_at_at_once() {
    let race = Race::start().await;
    let (number, closed) = (race.propose("basket"), race.propose("other"));
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.serves(closed, &race.head("other")).await;
    race.act(|state| state.suspend(race.installation));
    race.deliver_all().await;
    let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
    for order in [lifecycle::Command::Redeploy, lifecycle::Command::Start] {
        let told = race.order(&id, order).await.unwrap_err().to_string();
        assert!(
            told.starts_with("the GitHub App is suspended at acme: what runs goes on"),
            "{told}"
        );
    }
    // Of this GitHub tells nobody.
    let pushed = race.push("basket", "meanwhile");
    let opened = race.propose("new");
    race.act(|state| state.close(SHOP, closed.into(), "ann"));
    drop(race.news());
    race.act(|state| state.unsuspend(race.installation));
    race.deliver_all().await;
    race.serves(number, &pushed).await;
    race.is_gone(closed).await;
    // What never was heard of is listed at once.
    let new = EnvironmentId::derive(&race.shop.id, Kind::Preview(opened));
    while race.store.environment(&new).await.unwrap().is_none() {
        race.deliver([]).await;
        // The store of a story answers at once, and would leave nobody else a turn.
        tokio::task::yield_now().await;
    }
    race.serves(opened, &race.head("new")).await;
    race.order(&id, lifecycle::Command::Redeploy).await.unwrap();
}

#[actix::test]
async fn race_the_app_is_uninstalled_and_all_of_it_goes_once_that_is_sure() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.uninstall(race.installation));
    race.deliver_all().await;
    race.asked_in_vain(number).await;
    assert_eq!(race.machines(number), 1, "GitHub may be wrong once");
    // A while later it says the same.
    let long_ago = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
    let seen = (race.shop.repository, long_ago);
    race.desk.gone.lock().unwrap().extend([seen]);
    race.is_gone(number).await;
    let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
    let told = race.order(&id, lifecycle::Command::Start).await;
    let told = told.unwrap_err().to_string();
    assert!(
        told.starts_with("the GitHub App is not installed on acme/shop any more: install it"),
        "{told}"
    );
    // And it is installed again.
    race.act(|state| {
        let app = *state.apps.keys().next().unwrap();
        state.install(app, "acme", Selection::All)
    });
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
}

#[actix::test]
async fn race_a_lost_machine_comes_back_unless_it_was_closed_meanwhile() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    let head = race.head("basket");
    race.serves(number, &head).await;
    race.lose_machine(number);
    race.preview(number, "begins anew", |one| one.lifecycle.generation.0 == 2)
        .await;
    race.serves(number, &head).await;
    // Nobody tells of it.
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.lose_machine(number);
    race.is_gone(number).await;
    assert_eq!(race.made(number), [1, 2], "it did not start for a moment");
}

#[actix::test]
async fn race_what_was_closed_while_the_server_was_away_never_starts_again() {
    let race = Race::start().await;
    let (closed, open) = (race.propose("basket"), race.propose("other"));
    race.deliver_all().await;
    let head = race.head("other");
    race.serves(closed, &race.head("basket")).await;
    race.serves(open, &head).await;
    let race = race
        .next_life(|race| {
            race.act(|state| state.close(SHOP, closed.into(), "ann"));
            race.lose_machine(closed);
            race.lose_machine(open);
        })
        .await;
    race.is_gone(closed).await;
    assert_eq!(race.made(closed), [1]);
    race.preview(open, "begins anew", |one| one.lifecycle.generation.0 == 2)
        .await;
    race.serves(open, &head).await;
}

#[actix::test]
async fn race_a_crash_between_the_machine_and_its_record_makes_no_second_one() {
    let race = Race::start().await;
    let outside = &race.house.outside;
    outside.silent.set(true);
    outside.runners.set(false);
    let number = race.propose("basket");
    race.deliver_all().await;
    while race.machines(number) == 0 {
        tokio::task::yield_now().await;
    }
    race.preview(number, "waits for its machine", |one| {
        let next = one.lifecycle.next();
        next.is_some_and(|next| next.phase == nestling_domain::deployment::Phase::Launching)
    })
    .await;
    let race = race
        .next_life(|race| {
            race.house.outside.silent.set(false);
            race.house.outside.runners.set(true);
        })
        .await;
    race.serves(number, &race.head("basket")).await;
    assert_eq!(race.made(number), [1]);
}

/// A person's redeploy is no way around what GitHub says by now, of which nobody told.
#[actix::test]
async fn a_redeploy_looks_first_whether_it_still_may() {
    use nestling_domain::lifecycle::{Command, Event};
    let race = Race::start().await;
    let (trusted, closed) = (race.propose("basket"), race.propose("other"));
    race.deliver_all().await;
    let head = race.head("basket");
    race.serves(trusted, &head).await;
    race.serves(closed, &race.head("other")).await;
    let redeploy = async |number| {
        let order = Event::Command(Command::Redeploy);
        let ordered = race.house.tell(&race.shop, Kind::Preview(number), order);
        ordered.await.unwrap();
    };
    redeploy(trusted).await;
    race.preview(trusted, "begins anew", |one| {
        one.lifecycle.generation.0 == 2
    })
    .await;
    race.serves(trusted, &head).await;

    race.act(|state| state.close(SHOP, closed.into(), "ann"));
    redeploy(closed).await;
    race.is_gone(closed).await;
    assert_eq!(race.made(closed), [1]);

    // Who wrote it may not write any more.
    race.act(|state| state.set_role(SHOP, "ann", Some(Role::Read)));
    redeploy(trusted).await;
    race.waits(trusted).await;
    assert_eq!(race.made(trusted), [1, 2]);
}

#[actix::test]
async fn race_a_repository_goes_where_the_app_is_not_and_all_of_it_goes() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| {
        state.create_organisation("elsewhere");
        state.transfer(SHOP, "elsewhere", "acme")
    });
    race.deliver_all().await;
    race.asked_in_vain(number).await;
    // A while later it is as gone.
    let long_ago = Instant::now().checked_sub(Duration::from_mins(1)).unwrap();
    let seen = (race.shop.repository, long_ago);
    race.desk.gone.lock().unwrap().extend([seen]);
    race.is_gone(number).await;
}
