//! What every driver of the store must do, as stories. A driver's tests hand in a fresh store for each.

#![allow(
    clippy::cloned_ref_to_slice_refs,
    reason = "a list of one reads like the lists of several beside it"
)]

pub(crate) mod apps;
pub(crate) mod environments;
pub(crate) mod history;
pub(crate) mod inbox;
pub(crate) mod races;

use std::{any::Any, sync::Arc};

use nestling_domain::{
    app::{App, Repository},
    deployment::{Boot, Cause, CommitInfo, Deployment, Phase, Shown, Tests},
    environment::Environment,
    ids::{AppId, Commit, EnvironmentId, Generation, Kind, RepositoryId, Timestamp, Version},
    label::Slug,
    lifecycle::{Happened, Lifecycle, State},
    record::{DeploymentRecord, EventRecord},
};
use nestling_protocol::bundle;

use super::{Save, Store, StoreError};

/// Runs each story on a fresh store of this driver, as a test of its own.
macro_rules! conformance {
    ($fresh:path) => {
        $crate::drivers::store::conformance::stories!($fresh;
            environments::a_saved_environment_is_found_by_id_by_app_by_branch_and_by_pull_request,
            environments::a_save_that_expects_another_version_changes_nothing,
            environments::a_first_save_meets_the_record_that_is_there_already,
            environments::a_save_whose_version_does_not_follow_is_refused,
            environments::a_deployment_of_another_environment_is_refused,
            environments::an_environment_that_tracks_another_branch_is_found_there_only,
            environments::strange_branches_are_told_apart,
            environments::production_comes_first_then_the_previews_by_number,
            environments::what_is_due_comes_earliest_first_and_what_awaits_nothing_never,
            environments::who_names_a_machine_is_listed_until_it_names_none,
            environments::pages_follow_each_other_without_gap_or_repeat,
            environments::a_repeated_input_gets_the_first_answer,
            environments::an_input_that_was_answered_meanwhile_is_a_conflict,
            environments::the_last_visit_is_remembered_until_the_environment_is_forgotten,
            environments::a_forgotten_environment_leaves_nothing_and_may_begin_again,
            history::events_are_numbered_in_the_order_of_the_saves,
            history::a_refused_save_leaves_no_event_and_no_deployment,
            history::the_number_of_a_removed_event_is_never_given_again,
            history::a_cursor_only_moves_forward,
            history::deployments_are_listed_newest_first_and_updated_in_place,
            history::pruning_keeps_the_newest_fifty_deployments,
            history::pruning_keeps_events_that_a_consumer_has_not_read,
            apps::a_repository_is_recorded_and_replaced,
            apps::an_app_is_found_by_id_by_slug_and_in_its_repository,
            apps::the_second_app_of_a_name_gets_a_suffix_for_ever,
            apps::a_deleted_apps_slug_stays_taken_for_thirty_days,
            apps::an_app_that_comes_back_finds_the_slug_it_had,
            apps::a_removed_app_is_remembered_until_it_is_brought_back,
            apps::a_branch_keeps_its_number_for_ever,
            apps::a_pull_request_of_a_forge_keeps_the_forges_number,
            apps::what_people_order_is_lost_to_no_look_at_the_forge,
            apps::what_github_shows_is_kept_per_pull_request_and_for_production,
            apps::values_are_kept_per_app_kind_and_name,
            apps::the_app_made_on_the_dashboard_is_kept_until_another_one_is_made,
            inbox::a_delivery_is_taken_once_and_pending_until_settled,
            inbox::deliveries_are_listed_newest_first_with_what_became_of_them,
            inbox::deliveries_of_one_moment_are_all_listed,
            inbox::a_webhook_comes_back_as_it_was_recorded,
            inbox::pruning_removes_settled_deliveries_and_old_answers_only,
            inbox::a_store_that_works_says_so,
            races::of_many_saves_with_one_version_exactly_one_wins,
            races::racing_environments_do_not_disturb_each_other,
            races::apps_that_race_for_a_name_all_get_one_of_their_own,
            races::branches_that_race_for_a_number_all_get_one_of_their_own,
            races::a_delivery_that_comes_twice_at_once_is_taken_once,
        );
    };
}
pub(crate) use conformance;

/// One test per story. Real time: a driver may have threads.
macro_rules! stories {
    ($fresh:path; $($part:ident :: $story:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                // What a driver stands on may not be here: then the driver says so, and there is nothing to tell.
                let fresh = Option::<$crate::drivers::store::conformance::Fresh>::from($fresh());
                let Some((store, _keep)) = fresh else {
                    return;
                };
                $crate::drivers::store::conformance::$part::$story(store).await;
            }
        )*
    };
}
pub(crate) use stories;

/// A store under test.
pub(crate) type AnyStore = Arc<dyn Store>;

/// One in which there is nothing yet, and what goes when its story is told.
pub(crate) type Fresh = (AnyStore, Box<dyn Any>);

/// A moment long after 1970, so that age limits reach back to something.
pub(crate) const NOON: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) fn days(count: u64) -> std::time::Duration {
    std::time::Duration::from_hours(count * 24)
}

pub(crate) fn commit(letter: char) -> CommitInfo {
    CommitInfo {
        id: Commit::parse(&letter.to_string().repeat(40)).unwrap(),
        message: format!("commit {letter}"),
        author: "ada".to_owned(),
        trust: nestling_domain::deployment::Trust::Member,
    }
}

/// An environment of an app that was just recorded, ready for its first save.
pub(crate) fn environment(app: &str, kind: Kind, branch: &str) -> Environment {
    let app = AppId(app.to_owned());
    Environment {
        id: EnvironmentId::derive(&app, kind),
        slug: Slug::of(&app.0),
        app,
        owner: "local".to_owned(),
        repository: RepositoryId(7),
        kind,
        branch: branch.to_owned(),
        title: branch.to_owned(),
        lifecycle: Lifecycle::new(NOON, None),
        version: Version(1),
        created_at: NOON,
        updated_at: NOON,
    }
}

pub(crate) fn preview(app: &str, number: u32) -> Environment {
    environment(app, Kind::Preview(number), &format!("feature-{number}"))
}

/// The save that comes next for this environment: the first for version 1.
pub(crate) fn save_of(environment: &Environment) -> Save {
    let version = environment.version.0;
    Save {
        environment: environment.clone(),
        expected: (version > 1).then(|| Version(version - 1)),
        due_at: None,
        input: None,
        happened: Vec::new(),
        by: "a test".to_owned(),
        deployments: Vec::new(),
    }
}

/// The environment as its next save would write it.
pub(crate) fn next(environment: &Environment) -> Environment {
    Environment {
        version: Version(environment.version.0 + 1),
        ..environment.clone()
    }
}

pub(crate) fn skipped(reason: &str) -> Happened {
    Happened::Skipped {
        reason: reason.to_owned(),
    }
}

/// Saves something that happened to a new version, and answers both.
pub(crate) async fn save_next(
    store: &AnyStore,
    environment: &Environment,
    reason: &str,
) -> (Environment, Vec<EventRecord>) {
    let environment = next(environment);
    let save = Save {
        happened: vec![skipped(reason)],
        ..save_of(&environment)
    };
    let events = store.save(save).await.unwrap();
    (environment, events)
}

pub(crate) async fn save_first(store: &AnyStore, environment: &Environment) {
    store.save(save_of(environment)).await.unwrap();
}

/// A deployment that serves, for an environment that names a machine.
pub(crate) fn serving(generation: u32) -> State {
    State::Running {
        serving: Box::new(Deployment {
            generation: Generation(generation),
            commit: commit('a'),
            cause: Cause::Push,
            attempt: 1,
            phase: Phase::Serving,
            since: NOON,
            created_at: NOON,
            deadline: None,
            not_before: None,
            boot: Some(Boot {
                id: "boot".to_owned(),
                seq: 3,
            }),
            exclusive: false,
            in_place: false,
            tests: Tests::Pending,
            endpoints: Vec::new(),
            trouble: None,
            notes: Vec::new(),
            again: None,
            address: None,
        }),
        failed: None,
    }
}

pub(crate) fn record(environment: &EnvironmentId, generation: u32) -> DeploymentRecord {
    DeploymentRecord {
        environment: environment.clone(),
        generation: Generation(generation),
        commit: commit('a'),
        cause: Cause::Push,
        shown: Shown::Queued,
        phases: vec![(Shown::Queued, NOON)],
        tests: Tests::Pending,
        endpoints: Vec::new(),
        failed: None,
        created_at: NOON,
        ended_at: None,
    }
}

pub(crate) fn repository(id: u64) -> Repository {
    Repository {
        id: RepositoryId(id),
        owner: "local".to_owned(),
        name: "monorepo".to_owned(),
        path: Some("/srv/monorepo".to_owned()),
        installation: None,
        default_branch: "main".to_owned(),
        trouble: None,
        left: false,
        suspended: false,
    }
}

pub(crate) fn app(repository: u64, root: &str, name: &str) -> App {
    let repository = RepositoryId(repository);
    App {
        id: AppId::derive(repository, root),
        owner: "local".to_owned(),
        slug: Slug::of(name),
        repository,
        root: root.to_owned(),
        kind: bundle::Kind::Node,
        description: String::new(),
        health: None,
        policy: nestling_domain::policy::Policy::default(),
        created_at: NOON,
    }
}

pub(crate) fn assert_conflict<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict(_)),
        "not a conflict: {error}"
    );
}

pub(crate) fn assert_rejected<T: std::fmt::Debug>(outcome: Result<T, StoreError>, says: &str) {
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, StoreError::Rejected(_)),
        "not rejected: {error}"
    );
    assert!(
        error.to_string().contains(says),
        "{error} does not say {says:?}"
    );
}
