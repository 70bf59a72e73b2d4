//! What people see while all goes well.

use super::*;

#[actix::test]
async fn a_pull_request_lives_and_github_shows_each_step_once() {
    let town = Town::start().await;
    let first = town.notice().await;
    let before = town.calls();
    town.begin(&first).await;
    assert_eq!(town.checks(&first), ["Nestling / shop -"]);
    assert_eq!(town.deployments(), ["shop preview in_progress"]);
    town.run(1, &first).await;
    assert!(
        town.calls() - before <= 8,
        "{} calls",
        town.calls() - before
    );
    let comment = town.comments().remove(0);
    assert!(comment.body.contains("| ✅ Running |"), "{}", comment.body);
    let address = "https://pr-1--shop.preview.example";
    assert!(comment.body.contains(address), "{}", comment.body);
    assert_eq!(town.checks(&first), ["Nestling / shop success"]);
    assert_eq!(town.deployments(), ["shop preview in_progress success"]);
    let shown = town
        .github
        .look(|state| state.see_deployments(SHOP))
        .unwrap();
    assert!(shown[0].transient && !shown[0].production);
    let last = shown[0].statuses.last().unwrap();
    assert_eq!(last.environment_url, address);
    let id = EnvironmentId::derive(&town.shop.id, PREVIEW);
    let sealed = format!("https://nestling.example/-/read/{id}/seal-of-{id}");
    assert_eq!(last.log_url, format!("{sealed}/logs"));
    let check = town
        .github
        .look(|state| state.see_check_runs(SHOP, first.as_str()))
        .unwrap();
    assert_eq!(check[0].details_url, Some(format!("{sealed}/logs")));

    let before = town.calls();
    for _ in 0..3 {
        town.announce().await.unwrap();
    }
    assert_eq!(town.calls(), before, "nothing has changed");

    let second = town.push("2").await;
    town.begin(&second).await;
    town.run(2, &second).await;
    assert!(
        town.calls() - before <= 8,
        "{} calls",
        town.calls() - before
    );
    assert_eq!(town.checks(&first), ["Nestling / shop success"]);
    assert_eq!(town.checks(&second), ["Nestling / shop success"]);
    let deployments = town.deployments();
    assert_eq!(deployments[0], "shop preview in_progress success inactive");
    assert_eq!(deployments[1], "shop preview in_progress success");

    town.close().await;
    let comments = town.comments();
    assert_eq!(comments.len(), 1);
    assert_eq!(comments[0].id, comment.id);
    assert!(
        comments[0].body.contains("🗑 Removed"),
        "{}",
        comments[0].body
    );
    assert_eq!(
        town.deployments()[1],
        "shop preview in_progress success inactive"
    );
    town.finish();
}

#[actix::test]
async fn a_long_phase_is_told_although_nothing_began_or_ended() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.begin(&head).await;
    let protocol = nestling_protocol::VERSION;
    town.report(1, (1, Phase::Deploying { protocol })).await;
    town.report(1, (2, Phase::RunningTests)).await;
    let told = |state: &State| {
        let comments = state.see_comments(SHOP, 1).unwrap();
        comments[0].body.contains("| 🔨 Running tests |")
    };
    town.github.until("that tests run", told).await.unwrap();
    town.close().await;
    assert_eq!(town.checks(&head), ["Nestling / shop cancelled"]);
    assert_eq!(town.deployments(), ["shop preview in_progress inactive"]);
    town.finish();
}

#[actix::test]
async fn a_commit_that_gives_way_is_cancelled_and_so_is_one_that_a_person_stops() {
    let town = Town::start().await;
    let first = town.notice().await;
    town.begin(&first).await;
    assert_eq!(town.checks(&first), ["Nestling / shop -"]);
    let second = town.push("2").await;
    town.begin(&second).await;
    assert_eq!(town.checks(&first), ["Nestling / shop cancelled"]);
    assert_eq!(town.checks(&second), ["Nestling / shop -"]);
    town.order(Command::Stop).await;
    let stopped = |one: &Environment| one.lifecycle.state_name() == "stopped";
    town.shown(&town.shop, "is stopped", stopped).await;
    assert_eq!(town.checks(&second), ["Nestling / shop cancelled"]);
    let over = "shop preview in_progress inactive";
    assert_eq!(town.deployments(), [over, over]);
    town.close().await;
    town.finish();
}

#[actix::test]
async fn two_apps_share_one_comment_and_have_a_check_each() {
    let town = Town::start().await;
    let quiet = Policy {
        comment: Comments::Off,
        ..Policy::default()
    };
    let stall = town.app("stall", quiet).await;
    let head = town.notice().await;
    town.hint(&stall, Trigger::Push).await;
    town.deploy(&town.shop, &head).await;
    town.shown(&stall, "serves", |one| serves(one, &head)).await;
    let comments = town.comments();
    assert_eq!(comments.len(), 1);
    let rows = comments[0].body.matches("| ✅ Running |").count();
    assert_eq!(rows, 2, "{}", comments[0].body);
    let mut checks = town.checks(&head);
    checks.sort();
    assert_eq!(
        checks,
        ["Nestling / shop success", "Nestling / stall success"]
    );
    assert_eq!(town.deployments().len(), 2);
    town.close().await;
    town.finish();
}

#[actix::test]
async fn an_app_that_wants_no_comment_has_checks_and_deployments_all_the_same() {
    let town = Town::start().await;
    let shop = town.quiet_app().await;
    let head = town.notice().await;
    town.deploy(&shop, &head).await;
    assert_eq!(town.comments().len(), 0);
    assert_eq!(town.checks(&head), ["Nestling / shop success"]);
    town.close().await;
    town.finish();
}

#[actix::test]
async fn production_has_a_check_and_a_deployment_and_no_comment() {
    let town = Town::start().await;
    let main = town
        .github
        .look(|state| state.see_branch(SHOP, "main"))
        .unwrap()
        .unwrap();
    let main = Commit::parse(&main).unwrap();
    let head = town.house.outside.head.borrow().clone().unwrap();
    let head = CommitInfo {
        id: main.clone(),
        ..head
    };
    *town.house.outside.head.borrow_mut() = Some(head);
    let hint = Event::Hint {
        commit: None,
        trigger: Trigger::Push,
    };
    town.house
        .tell(&town.shop, Kind::Production, hint)
        .await
        .unwrap();
    let id = EnvironmentId::derive(&town.shop.id, Kind::Production);
    let shown = |one: &Environment| {
        let world = &one.lifecycle.world;
        serves(one, &main) && world.announced == world.edition
    };
    until(&*town.store, &id, "serves", shown).await;
    assert_eq!(town.checks(&main), ["Nestling / shop production success"]);
    assert_eq!(town.deployments(), ["shop production success"]);
    assert_eq!(town.comments().len(), 0);
    let before = town.calls();
    town.announce_at(Kind::Production).await.unwrap();
    assert_eq!(town.calls(), before);
    town.finish();
}

#[actix::test]
async fn a_hostile_title_pings_nobody_and_links_nowhere() {
    let town = Town::start().await;
    let hostile = "<img src=x> @octocat #1 [x](javascript:y) | `a` <!-- nestling -->";
    let retitled = town
        .github
        .act(|state| state.retitle(SHOP, 1, ANN, hostile));
    retitled.unwrap();
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let seen = |state: &State| state.see_check_runs(SHOP, head.as_str());
    let runs = town.github.look(seen).unwrap();
    let summary = runs[0].output.summary.clone().unwrap();
    for text in [town.comments()[0].body.clone(), summary] {
        assert!(text.contains("octocat"), "{text}");
        for active in [
            "<img",
            "@octocat",
            "#1 ",
            "](javascript",
            "<!-- nestling -->",
        ] {
            assert!(!text.contains(active), "{active} in {text}");
        }
    }
    town.close().await;
    town.finish();
}

impl Town {
    /// Somebody writes a comment; its number.
    fn comment(&self, by: &str, body: &str) -> u64 {
        let written = self.github.act(|state| state.comment(SHOP, 1, by, body));
        written.unwrap()
    }

    async fn remember(&self, order: Order) {
        let ordered = self.store.order(self.repository, 1, &order).await.unwrap();
        assert!(ordered.is_some());
    }

    /// The faces on a comment of somebody.
    fn faces(&self, comment: u64) -> Vec<String> {
        let all = self.comments();
        let one = all.iter().find(|one| one.id == comment).unwrap();
        let faces = one.reactions.iter().map(|face| face.content.clone());
        faces.collect()
    }
}

fn answer(comment: u64, done: bool, in_words: bool) -> Order {
    let line = Answered {
        order: "/help".to_owned(),
        outcome: "what can be ordered".to_owned(),
        done,
        in_words,
    };
    Order::Answer(Answer::new(comment, ANN, [line]))
}

#[actix::test]
async fn a_comment_shows_once_that_it_was_read_and_what_came_of_it() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let comment = town.comment(ANN, "/keep");
    let delivery = "told".to_owned();
    town.remember(Order::Heard { comment, delivery }).await;
    town.announce().await.unwrap();
    assert_eq!(town.faces(comment), ["eyes"]);
    town.remember(answer(comment, true, false)).await;
    town.announce().await.unwrap();
    assert_eq!(town.faces(comment), ["eyes", "rocket"]);
    let before = town.calls();
    town.announce().await.unwrap();
    let town = town.next_life().await;
    town.announce().await.unwrap();
    assert_eq!(town.calls(), before, "nothing is shown twice");
    town.close().await;
    town.finish();
}

#[actix::test]
async fn faces_that_github_does_not_take_keep_nothing_else_from_being_shown() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let comment = town.comment(ANN, "/keep");
    town.fault(
        "POST /repos/*/*/issues/comments/*/reactions",
        Fault::Status(403),
        Times::Always,
    );
    town.remember(answer(comment, false, false)).await;
    town.announce().await.unwrap();
    let ours = &town.comments()[0].body;
    assert!(ours.contains("what can be ordered"), "{ours}");
    town.github.act(|state| state.faults.clear());
    town.close().await;
    town.finish();
}

#[actix::test]
async fn an_order_is_not_shown_as_done_before_its_answer_can_be_read() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let comment = town.comment(ANN, "/help");
    let delivery = "told".to_owned();
    town.remember(Order::Heard { comment, delivery }).await;
    town.fault(
        "PATCH /repos/*/*/issues/comments/*",
        Fault::Status(403),
        Times::Always,
    );
    town.remember(answer(comment, true, true)).await;
    for _ in 0..2 {
        town.announce().await.unwrap_err();
        assert_eq!(town.faces(comment), ["eyes"]);
    }
    town.github.act(|state| state.faults.clear());
    let repository = town.repository;
    town.showing.send(ShowAgain { repository }).await.unwrap();
    town.announce().await.unwrap();
    assert_eq!(town.faces(comment), ["eyes", "rocket"]);
    town.close().await;
    town.finish();
}

#[actix::test]
async fn the_check_of_an_app_that_a_person_removed_offers_nothing_and_keeps_its_result() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let run = || {
        let seen = |state: &State| state.see_check_runs(SHOP, head.as_str());
        town.github.look(seen).unwrap().remove(0)
    };
    assert_eq!(run().actions.len(), 2);
    let removed = town.store.delete_app(&town.shop.id, clock::now());
    removed.await.unwrap();
    town.order(Command::Delete).await;
    town.shown(&town.shop, "is closed", |one| one.lifecycle.is_closed())
        .await;
    let shown = run();
    assert_eq!(shown.conclusion.as_deref(), Some("success"));
    assert_eq!(
        shown.output.title.as_deref(),
        Some("It was deployed; now: its app was removed")
    );
    assert!(shown.actions.is_empty(), "{:?}", shown.actions);
    town.finish();
}

#[actix::test]
async fn who_asks_for_words_gets_them_where_no_comment_is_wished() {
    let town = Town::start().await;
    let shop = town.quiet_app().await;
    let head = town.notice().await;
    town.deploy(&shop, &head).await;
    let comment = town.comment(ANN, "/help");
    assert_eq!(town.comments().len(), 1, "theirs");
    town.remember(answer(comment, true, true)).await;
    town.announce().await.unwrap();
    let ours = &town.comments()[1].body;
    assert!(ours.contains("what can be ordered"), "{ours}");
    town.close().await;
    town.finish();
}

#[actix::test]
async fn a_button_that_was_refused_says_so_in_its_check_run_and_writes_once() {
    let town = Town::start().await;
    let head = town.notice().await;
    town.deploy(&town.shop, &head).await;
    let says = |town: &Town| {
        let seen = |state: &State| state.see_check_runs(SHOP, head.as_str());
        let runs = town.github.look(seen).unwrap();
        runs[0].output.summary.clone().unwrap()
    };
    let refuse = async |reason: &str| {
        let reason = reason.to_owned();
        let refused = Event::Observed(Observation::RefusedOrder { reason });
        town.house.tell(&town.shop, PREVIEW, refused).await.unwrap();
        town.shown(&town.shop, "says so", |one| one.lifecycle.refused.is_some())
            .await;
    };
    refuse("may not write").await;
    assert!(says(&town).contains("may not write"), "{}", says(&town));
    assert_eq!(town.checks(&head), ["Nestling / shop success"]);
    let before = town.calls();
    for _ in 0..5 {
        refuse("may not write").await;
    }
    assert_eq!(town.calls(), before);
    town.order(Command::Redeploy).await;
    town.shown(&town.shop, "serves again", |one| {
        serves(one, &head) && one.lifecycle.generation == Generation(2)
    })
    .await;
    assert!(!says(&town).contains("may not write"), "{}", says(&town));
    town.close().await;
    town.finish();
}
