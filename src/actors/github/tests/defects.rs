//! What went wrong in systems of this shape before (W…) and what strangers try (X…), each told once. Those that are not below
//! stand beside what they are about.
//!
//! | | defect | told by |
//! |---|---|---|
//! | W1 | what is not signed is queued | `w01_the_signature_is_the_only_door_and_leads_nowhere_else` (`http/webhook/tests.rs`) |
//! | W2 | a repeated or reopened pull request is another environment | `w02_a_reopened_pull_request_is_the_environment_that_it_was`, `w02_race_a_delivery_that_comes_twice_and_one_that_is_delivered_again_cause_nothing_more` |
//! | W3 | order by several clocks loses a close | `w03_race_a_push_and_a_quick_merge_whatever_the_clocks_say` |
//! | W4 | the clock of a preview counts | `w04_no_clock_of_a_machine_counts` (`http/runner/tests/reports.rs`) |
//! | W5 | a crash after the record loses the work | `w05_what_was_recorded_is_worked_off_by_the_next_life` |
//! | W6 | what fails is logged and forgotten | `w06_what_fails_stays_in_the_inbox_until_it_is_done` |
//! | W7 | environments are matched by the name of a branch | `w07_race_two_pull_requests_from_one_branch_and_a_fork_of_the_same_name` |
//! | W8 | forks read secrets | `w08_no_outsiders_commit_is_given_a_secret_unless_its_app_says_so` (`http/runner/tests/reports.rs`) |
//! | W9 | a token of the whole installation reaches a preview | `w09_a_private_repository_and_the_pull_request_of_a_fork_are_fetched_with_a_narrowed_token` (`drivers/github/tests/tokens.rs`) |
//! | W12 | secrets in messages and logs | `w12_no_secret_reaches_a_log_a_page_or_a_file` (`tests/it/github.rs`) |
//! | W18 | what is sealed opens elsewhere | `w18_an_envelope_opens_in_no_other_context` (`drivers/keys/conformance.rs`) |
//! | W19 | whoever leaves takes another listener along | `w19_whoever_leaves_takes_nobody_along` (`http/api/tests/live.rs`) |
//! | W20 | previews are privileged | `w20_what_comes_from_github_runs_in_a_sandbox_or_not_at_all` (`config/tests.rs`) |
//! | X1 | a stranger's commit runs | `x1_no_strangers_commit_runs_unless_this_very_commit_is_approved` |
//! | X2 | an approval races a push | `x2_an_approval_and_a_push_race`; in 10,000 orders: `x2_whatever_runs_was_approved_however_an_approval_and_a_push_race` (`crates/domain/tests/laws/approvals.rs`); I13 of [`crate::simulation`] |
//!
//! W10, W11, W13 and W14 come with machines of a provider, W15 to W17 with accounts.

use nestling_domain::record::DeliveryState;

use super::{races::Race, *};

#[actix::test]
async fn w02_a_reopened_pull_request_is_the_environment_that_it_was() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.act(|state| state.close(SHOP, number.into(), "ann"));
    race.act(|state| state.reopen(SHOP, number.into(), "ann"));
    let news = race.news();
    race.deliver(news.clone()).await;
    race.deliver(news).await;
    race.serves(number, &race.head("basket")).await;
    let all = race.store.environments_of_app(&race.shop.id).await.unwrap();
    let previews = all.iter().filter(|one| one.kind != Kind::Production);
    assert_eq!(previews.count(), 1);
}

/// The webhooks of a push and a quick merge, with clocks that jump to and fro, in any order: it is closed.
#[actix::test]
async fn w03_race_a_push_and_a_quick_merge_whatever_the_clocks_say() {
    for turn in 0..4 {
        let race = Race::start().await;
        let number = race.propose("basket");
        race.deliver_all().await;
        race.serves(number, &race.head("basket")).await;
        race.push("basket", "more");
        race.act(|state| state.close(SHOP, number.into(), "ann"));
        let mut year = 1971;
        let mut news = race.news_with(|payload| {
            year = if year == 1971 { 3000 } else { 1971 };
            set_clocks(payload, year);
        });
        let length = news.len();
        news.rotate_left(turn % length);
        race.deliver(news).await;
        race.is_gone(number).await;
    }
}

fn set_clocks(value: &mut serde_json::Value, year: u32) {
    use serde_json::Value;
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                if (name.ends_with("_at") || name == "timestamp") && inner.is_string() {
                    *inner = format!("{year}-01-01T00:00:00Z").into();
                } else {
                    set_clocks(inner, year);
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|inner| set_clocks(inner, year)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whoever recorded a delivery dies before anybody heard of it: the next life works it off.
#[actix::test]
async fn w05_what_was_recorded_is_worked_off_by_the_next_life() {
    let race = Race::start().await;
    let number = race.propose("basket");
    for one in race.news() {
        race.store.receive(&one).await.unwrap();
    }
    race.begin_anew();
    race.serves(number, &race.head("basket")).await;
}

/// An order that cannot be judged, because GitHub does not answer, waits; it is neither lost nor believed.
#[actix::test]
async fn w06_what_fails_stays_in_the_inbox_until_it_is_done() {
    let race = Race::start().await;
    let number = race.propose("basket");
    race.deliver_all().await;
    race.serves(number, &race.head("basket")).await;
    race.github
        .act(|state| state.order("GET /repos/**", Fault::Status(502), Times::Always));
    race.act(|state| state.comment(SHOP, number.into(), "ann", "/stop"));
    let told = race.news();
    let last = told.last().unwrap().id.clone();
    for one in told {
        race.store.receive(&one).await.unwrap();
    }
    race.begin_anew();
    let asked = || race.github.look(|state| state.ledger.requests.len());
    let before = asked();
    while asked() < before + 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pending = race.store.pending(10).await.unwrap();
    assert!(pending.iter().any(|one| one.id == last), "{pending:?}");
    race.github.act(|state| state.faults.clear());
    race.begin_anew();
    race.preview(number, "was stopped", |one| {
        matches!(&one.lifecycle.state, nestling_domain::lifecycle::State::Stopped { why, .. } if why.name() == "by a person")
    })
    .await;
    let decisions = loop {
        let log = race.store.deliveries(None, 100).await.unwrap();
        let found = log.into_iter().find(|(one, _)| one.id == last).unwrap().1;
        if let DeliveryState::Done { decisions } = found {
            break decisions;
        }
        // It is done once its answer stands on GitHub.
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(
        decisions.values().any(|said| said.contains("stop")),
        "{decisions:?}"
    );
}

/// Whose commit runs, with which trust: by who they are, where it comes from, what the app allows, and what was approved.
#[actix::test]
async fn x1_no_strangers_commit_runs_unless_this_very_commit_is_approved() {
    use nestling_domain::policy::Outsiders;
    let world = World::start().await;
    world.act(|state| {
        state.set_role(SHOP, "olga", Some(Role::Write))?;
        for who in ["eve", "rita", "ann"] {
            state.fork(SHOP, who)?;
        }
        Ok(())
    });
    let mut cases = 0;
    for (by, forked, member) in [
        ("ann", false, true),
        ("rita", false, false),
        ("stranger", false, false),
        ("ann", true, false),
        ("rita", true, false),
        ("eve", true, false),
    ] {
        for branch in ["main", "feature"] {
            if branch == "main" && !forked {
                continue;
            }
            for allows in [
                Outsiders::Off,
                Outsiders::Approve,
                Outsiders::WithoutSecrets,
            ] {
                for secrets in [false, true] {
                    cases += 1;
                    let name = format!("{branch}-{cases}");
                    let from = if forked {
                        format!("{by}/shop")
                    } else {
                        SHOP.to_owned()
                    };
                    let file = format!("{cases}.html");
                    let number = world.act(|state| {
                        let pusher = if forked { by } else { "ann" };
                        state.push(&from, &name, pusher, &[Change::file(&file, "1")])?;
                        let opening = Opening::of(&name, by).from(&from);
                        Ok(u32::try_from(state.open_pull_request(SHOP, opening)?)?)
                    });
                    let policy = Policy {
                        outsiders: allows,
                        fork_secrets: secrets,
                        previews: 1000,
                        ..Policy::default()
                    };
                    let shop = App {
                        policy,
                        ..world.shop.clone()
                    };
                    world.store.put_app(&shop).await.unwrap();
                    let case = format!("{by}, fork {forked}, {allows:?}, secrets {secrets}");
                    let before = world.verdict(number).await;
                    let expected = match (member, allows) {
                        (true, _) => Some(Trust::Member),
                        (false, Outsiders::WithoutSecrets) => Some(Trust::Outsider),
                        (false, Outsiders::Off | Outsiders::Approve) => None,
                    };
                    assert_eq!(before, expected, "{case}");

                    // Somebody approves it, and the next push is not what was read.
                    let head = world.act(|state| {
                        let pull = state.see_pull_request(SHOP, number.into())?;
                        Ok(pull.head.clone())
                    });
                    let approved = Order::Approve {
                        commit: Commit::parse(&head).unwrap(),
                        at: Timestamp(1),
                    };
                    world
                        .store
                        .order(shop.repository, number, &approved)
                        .await
                        .unwrap();
                    let after = world.verdict(number).await;
                    let with_approval = match (expected, allows, secrets) {
                        (None, Outsiders::Approve, true) => Some(Trust::OutsiderWithSecrets),
                        (None, Outsiders::Approve, false) => Some(Trust::Outsider),
                        (other, _, _) => other,
                    };
                    assert_eq!(after, with_approval, "{case}, approved");
                    world.act(|state| {
                        let pusher = if forked { by } else { "ann" };
                        state.push(&from, &name, pusher, &[Change::file(&file, "2")])
                    });
                    assert_eq!(
                        world.verdict(number).await,
                        expected,
                        "{case}, pushed since"
                    );
                }
            }
        }
    }
    assert_eq!(cases, 54);
}

/// An approval and a push at the same moment, whichever GitHub tells first: what runs was approved.
#[actix::test]
async fn x2_an_approval_and_a_push_race() {
    for turn in 0..4 {
        let race = Race::start().await;
        let (number, read) = race.act(|state| {
            state.fork(SHOP, "eve")?;
            let read = state.push("eve/shop", "basket", "eve", &[Change::file("a.html", "1")])?;
            let opening = Opening::of("basket", "eve").from("eve/shop");
            Ok((
                u32::try_from(state.open_pull_request(SHOP, opening)?)?,
                read,
            ))
        });
        race.deliver_all().await;
        let waits = |one: &Environment| {
            matches!(&one.lifecycle.state, nestling_domain::lifecycle::State::Stopped { why, .. } if why.name() == "waits")
                && one.lifecycle.look.is_none()
        };
        race.preview(number, "waits", waits).await;
        race.act(|state| {
            state.comment(SHOP, number.into(), "ann", &format!("/approve {read}"))?;
            state.push(
                "eve/shop",
                "basket",
                "eve",
                &[Change::file("a.html", "evil")],
            )
        });
        let mut news = race.news();
        let length = news.len();
        news.rotate_left(turn % length);
        assert_eq!(length, 2, "the comment, and what the push moved");
        race.deliver(news).await;
        race.preview(number, "waits again", waits).await;
        let id = EnvironmentId::derive(&race.shop.id, Kind::Preview(number));
        let history = race.store.deployments(&id, None, 10).await.unwrap();
        for ran in history {
            assert_eq!(
                ran.commit.id.as_str(),
                read,
                "nothing else was ever approved"
            );
        }
    }
}
