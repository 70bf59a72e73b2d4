//! Laws of single steps, over records reached by any history and events of any kind.

use std::time::Duration;

use nestling_domain::{
    ids::{Generation, Timestamp},
    lifecycle::{
        Command, Effect, Event, Found, Lifecycle, Observation, State, Times, Trigger, Why,
    },
};
use nestling_protocol::{
    report::{Exit, Failure, Next, Phase as Report, Step as At},
    test::Counts,
};
use proptest::prelude::*;

use crate::{
    convergence::cases,
    world::{commit, endpoint},
};

fn report() -> impl Strategy<Value = Report> {
    prop_oneof![
        Just(Report::Deploying {
            protocol: nestling_protocol::VERSION
        }),
        (1u8..6).prop_map(|n| Report::Cloned {
            commit: commit(n).id.as_str().to_owned()
        }),
        Just(Report::SetUp { reused: true }),
        Just(Report::RunningTests),
        Just(Report::Tested {
            counts: Counts {
                passed: 1,
                failed: 1,
                skipped: 0
            }
        }),
        Just(Report::TestsBroken {
            reason: "hung".into()
        }),
        (0u8..12).prop_map(|n| Report::Noted {
            text: format!("note {n}")
        }),
        any::<bool>().prop_map(|exclusive| Report::Prepared { exclusive }),
        Just(Report::Starting),
        Just(Report::Running {
            endpoints: vec![endpoint()]
        }),
        (1u32..4).prop_map(|times| Report::Restarted {
            exit: Exit::Signal(9),
            times
        }),
        Just(Report::Failed(Failure {
            step: At::Clone,
            reason: "gone".into(),
            exit: None,
            tail: vec![]
        })),
        Just(Report::Failed(Failure {
            step: At::Run,
            reason: "exited".into(),
            exit: None,
            tail: vec![]
        })),
    ]
}

fn generation() -> impl Strategy<Value = Generation> {
    (1u32..6).prop_map(Generation)
}

fn observation() -> impl Strategy<Value = Observation> {
    let reason = || "a reason".to_owned();
    prop_oneof![
        4 => (1u32..8, 1u8..6).prop_map(|(look, n)| Observation::Found { look, found: Found::Open(commit(n)) }),
        1 => (1u32..8, 1u8..6).prop_map(|(look, n)| Observation::Found { look, found: Found::Offered(commit(n)) }),
        1 => (1u32..8).prop_map(|look| Observation::Found { look, found: Found::Closed }),
        1 => (1u32..8).prop_map(move |look| Observation::NotFound { look, reason: reason() }),
        4 => generation().prop_map(Observation::Admitted),
        4 => generation().prop_map(Observation::launched),
        1 => (generation(), any::<bool>()).prop_map(move |(generation, retry)| Observation::NotLaunched { generation, reason: reason(), retry }),
        1 => generation().prop_map(Observation::Occupied),
        8 => (generation(), 1u64..20, report(), prop::bool::weighted(0.9)).prop_map(|(generation, seq, phase, first)| {
            Observation::Reported { generation, boot: if first { "first" } else { "second" }.into(), seq, phase }
        }),
        4 => generation().prop_map(Observation::Healthy),
        1 => generation().prop_map(move |generation| Observation::Unhealthy { generation, reason: reason() }),
        2 => generation().prop_map(Observation::Drained),
        1 => generation().prop_map(move |generation| Observation::Lost { generation, reason: reason(), retry: true, exit: None, tail: Vec::new() }),
        2 => (prop::collection::vec(generation(), 0..2), generation(), any::<bool>())
            .prop_map(|(keep, upto, erased)| Observation::Absent { keep, upto, erased }),
        1 => Just(Observation::NotAbsent { reason: "a reason".to_owned() }),
        1 => (0u32..9).prop_map(Observation::Announced),
        1 => Just(Observation::NotAnnounced { reason: "a reason".to_owned() }),
        1 => (0u8..2).prop_map(|port| Observation::Reached { at: crate::world::reached(port) }),
        1 => Just(Observation::RefusedOrder { reason: "may not write".to_owned() }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let trigger = prop_oneof![
        Just(Trigger::Push),
        Just(Trigger::Reopen),
        Just(Trigger::Visit),
        Just(Trigger::Refresh),
        Just(Trigger::Return),
        Just(Trigger::Close),
        Just(Trigger::Start)
    ];
    let command = prop_oneof![
        (1u8..6).prop_map(|n| Command::Deploy(commit(n))),
        Just(Command::Redeploy),
        Just(Command::Cancel),
        Just(Command::Stop),
        Just(Command::Start),
        Just(Command::Sleep),
        Just(Command::Suspend("over budget".into())),
        Just(Command::Delete),
    ];
    prop_oneof![
        2 => command.prop_map(Event::Command),
        3 => (prop::option::of(1u8..6), trigger).prop_map(|(n, trigger)| Event::Hint { commit: n.map(|n| commit(n).id), trigger }),
        12 => observation().prop_map(Event::Observed),
        1 => Just(Event::Tick),
    ]
}

/// A record reached by any history, and the moment it is at.
fn reached() -> impl Strategy<Value = (Lifecycle, Timestamp)> {
    prop::collection::vec((event(), 0u64..20_000), 0..30).prop_map(|history| {
        let mut now = Timestamp(1_000_000);
        let mut record = Lifecycle::new(now, None);
        for (event, millis) in history {
            now = now.plus(Duration::from_millis(millis));
            if let Ok(step) = record.step(&event, now, &Times::default()) {
                record = step.next;
            }
        }
        (record, now)
    })
}

fn about(observation: &Observation) -> Option<Generation> {
    match observation {
        Observation::Admitted(generation)
        | Observation::Launched { generation, .. }
        | Observation::NotLaunched { generation, .. }
        | Observation::Occupied(generation)
        | Observation::Reported { generation, .. }
        | Observation::Healthy(generation)
        | Observation::Unhealthy { generation, .. }
        | Observation::Lost { generation, .. } => Some(*generation),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(4_000)))]

    #[test]
    fn step_and_owed_agree_and_generations_only_grow((record, now) in reached(), event in event()) {
        let Ok(step) = record.step(&event, now, &Times::default()) else { return Ok(()) };
        prop_assert!(step.next.generation >= record.generation);
        prop_assert!(step.next.generation.0 <= record.generation.0 + 1);
        let expected = if step.next == record { vec![] } else { step.next.owed(now) };
        prop_assert_eq!(step.owed(&record, now), expected);
        // Whatever is owed is due: a sweep that reads only `due_at` forgets nothing.
        if !step.next.owed(now).is_empty() {
            prop_assert!(step.next.due_at().is_some_and(|at| at <= now));
        }
    }

    #[test]
    fn a_stale_observation_changes_nothing((record, now) in reached(), observation in observation()) {
        let Some(generation) = about(&observation) else { return Ok(()) };
        if record.named(generation).is_some() || record.world.draining == Some(generation) { return Ok(()) }
        let step = record.step(&Event::Observed(observation.clone()), now, &Times::default()).unwrap();
        prop_assert_eq!(&step.next, &record);
        prop_assert!(step.happened.is_empty());
        if matches!(observation, Observation::Reported { .. }) {
            prop_assert_eq!(step.answer, Some(Next::Stop));
        }
    }

    #[test]
    fn a_repeated_event_changes_nothing_more((record, now) in reached(), event in event()) {
        // Two orders are two orders: what makes a repeated order one is its input id, which the store keeps.
        let order = matches!(&event, Event::Command(Command::Deploy(_) | Command::Redeploy | Command::Cancel));
        // Two complete listings are two: absence is believed after the second.
        let listing = matches!(&event, Event::Observed(Observation::Absent { .. }));
        // Two returns are two: what was told in between may have reached nobody.
        let returns = matches!(&event, Event::Hint { trigger: Trigger::Return, .. });
        if order || listing || returns { return Ok(()) }
        let Ok(once) = record.step(&event, now, &Times::default()) else { return Ok(()) };
        let Ok(mut twice) = once.next.step(&event, now, &Times::default()) else { return Ok(()) };
        // Two hints are two questions: what is read for the first may be older than the second.
        if let (Some(first), Some(second)) = (&once.next.look, &mut twice.next.look) {
            second.number = first.number;
            twice.next.looks = once.next.looks;
        }
        prop_assert_eq!(twice.next, once.next);
    }

    #[test]
    fn a_superseded_commit_is_never_launched((record, now) in reached(), event in event()) {
        let Ok(step) = record.step(&event, now, &Times::default()) else { return Ok(()) };
        let next = step.next.next().map(|next| next.generation);
        let again = step.next.serving().filter(|serving| serving.again.is_some()).map(|serving| serving.generation);
        for effect in step.next.owed(now) {
            match effect {
                Effect::Launch(generation) | Effect::Admit(generation) => prop_assert_eq!(Some(generation), next),
                Effect::Probe(generation) => prop_assert!(Some(generation) == next || Some(generation) == again),
                _ => {}
            }
        }
    }

    #[test]
    fn what_serves_answers_unless_its_app_is_started_again_and_then_not_for_ever((record, _) in reached()) {
        let Some(serving) = record.serving() else { return Ok(()) };
        let again = serving.again.is_some();
        prop_assert_eq!(record.answering().is_none(), again);
        prop_assert_eq!(serving.deadline.is_some(), again, "it answers in time, or has failed");
        prop_assert_eq!(record.due_at().is_some() || !again, true, "a server that starts anew takes it up");
    }

    #[test]
    fn what_drains_is_kept_until_it_has_or_all_is_stopped((record, now) in reached(), event in event()) {
        let Some(draining) = record.world.draining else { return Ok(()) };
        let Ok(step) = record.step(&event, now, &Times::default()) else { return Ok(()) };
        let drained = event == Event::Observed(Observation::Drained(draining));
        let stopped = matches!(step.next.state, State::Stopped { .. });
        // A listing of what is gone may take the machine away: that is for the outside to say, not for us.
        let listing = matches!(&event, Event::Observed(Observation::Absent { .. }));
        if drained || stopped || listing { return Ok(()) }
        prop_assert_eq!(step.next.world.draining, Some(draining));
        let known = record.world.machines.contains(&draining);
        prop_assert_eq!(step.next.keep().contains(&draining), known);
    }

    #[test]
    fn close_wins_over_everything_in_flight((record, now) in reached(), late in prop::collection::vec(observation(), 0..10)) {
        let closed = record.step(&Event::Command(Command::Delete), now, &Times::default()).unwrap().next;
        let mut after = closed;
        for observation in late {
            after = after.step(&Event::Observed(observation), now, &Times::default()).unwrap().next;
        }
        let is_closed = matches!(&after.state, State::Stopped { why: Why::Closed, .. });
        prop_assert!(is_closed);
        prop_assert!(after.keep().is_empty());
        let only_removal = after.owed(now).iter().all(|effect| matches!(effect, Effect::Destroy { .. } | Effect::Announce(_)));
        prop_assert!(only_removal, "{:?}", after.owed(now));
    }

    #[test]
    fn time_alone_changes_nothing_before_the_moment_that_is_waited_for((record, now) in reached(), later in 1u64..4_000_000) {
        let at = record.wakes_at(now);
        let before = at.map_or(u64::MAX, |at| at.0.saturating_sub(1));
        let later = Timestamp(before.min(now.0 + later));
        if later <= now { return Ok(()) }
        prop_assert_eq!(record.owed(later), record.owed(now));
        prop_assert_eq!(&record.step(&Event::Tick, later, &Times::default()).unwrap().next, &record);
    }

    #[test]
    fn a_moment_that_has_come_is_not_waited_for_again((record, now) in reached()) {
        // Each moment that is waited for, one after the other: a clock that rings again at once would ring for ever.
        let mut now = now;
        for _ in 0..6 {
            let Some(at) = record.wakes_at(now) else { return Ok(()) };
            if at <= now {
                // A deadline: the tick makes something of it.
                prop_assert_ne!(&record.step(&Event::Tick, now, &Times::default()).unwrap().next, &record);
                return Ok(());
            }
            now = at;
        }
        prop_assert!(false, "{:?} is waited for after six moments", record.wakes_at(now));
    }

    #[test]
    fn a_record_survives_being_written_down((record, now) in reached()) {
        let text = serde_json::to_string(&record).unwrap();
        let read: Lifecycle = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &record);
        prop_assert_eq!(read.owed(now), record.owed(now));
    }
}
