//! More sample data: what has been, as history, events, logs and a comment.

use nestling_domain::{
    announcement::{Announcement, Section, Site},
    deployment::{Cause, Shown, Tests},
    environment::Environment,
    ids::{Generation, RepositoryId, Version},
    lifecycle::Happened,
    record::{DeploymentRecord, EventNumber, EventRecord, PullRequest, PullRequestStatus},
};
use nestling_protocol::log::{Line, Source};

use super::sample::{Words, before, results};

impl Words {
    /// The newest is on its way, failed or serves, as `newest` says; under it one of each ending.
    pub(super) fn history(
        &self,
        environment: &Environment,
        newest: Shown,
    ) -> Vec<DeploymentRecord> {
        let record =
            |generation: u32, cause, shown, phases: &[(Shown, u64)], ended: Option<u64>| {
                DeploymentRecord {
                    environment: environment.id.clone(),
                    generation: Generation(generation),
                    commit: self.commit(char::from_digit(generation % 16, 16).unwrap()),
                    cause,
                    shown,
                    phases: phases
                        .iter()
                        .map(|(phase, seconds)| (*phase, before(*seconds)))
                        .collect(),
                    tests: if phases.len() > 3 {
                        Tests::Ran(results(self).counts())
                    } else {
                        Tests::Pending
                    },
                    endpoints: Vec::new(),
                    failed: (shown == Shown::Failed).then(|| *self.failed(generation)),
                    created_at: before(phases[0].1),
                    ended_at: ended.map(before),
                }
            };
        let way = [
            (Shown::Queued, 44),
            (Shown::Deploying, 43),
            (Shown::RunningTests, 12),
            (Shown::Starting, 5),
            (Shown::Running, 2),
        ];
        let reached = way
            .iter()
            .position(|(phase, _)| *phase == newest)
            .map_or(4, |place| place + 1);
        let ended = (newest == Shown::Failed).then_some(1);
        let old = [
            (Shown::Queued, 4000),
            (Shown::Deploying, 3998),
            (Shown::RunningTests, 3981),
            (Shown::Starting, 3979),
            (Shown::Running, 3972),
        ];
        vec![
            record(7, Cause::Push, newest, &way[..reached], ended),
            if newest == Shown::Running {
                record(6, Cause::Redeploy, Shown::Stopped, &old, Some(2))
            } else {
                record(6, Cause::Redeploy, Shown::Running, &old, None)
            },
            record(5, Cause::Push, Shown::Superseded, &old[..2], Some(3990)),
            record(
                4,
                Cause::RolledBack(Generation(3)),
                Shown::Stopped,
                &old,
                Some(90),
            ),
            record(
                3,
                Cause::Retry(Generation(2)),
                Shown::Failed,
                &old[..4],
                Some(3000),
            ),
            record(
                2,
                Cause::Lost(Generation(1)),
                Shown::Stopped,
                &old[..3],
                Some(3000),
            ),
            record(1, Cause::Reopened, Shown::Stopped, &old, Some(3000)),
        ]
    }

    pub(super) fn events(&self, environment: &Environment) -> Vec<EventRecord> {
        let generation = Generation(7);
        let all = [
            (
                Happened::Skipped {
                    reason: self.reason.clone(),
                },
                "push",
                20,
            ),
            (
                Happened::Phase {
                    generation,
                    phase: Shown::RunningTests,
                },
                "runner",
                22,
            ),
            (
                Happened::Phase {
                    generation,
                    phase: Shown::Deploying,
                },
                "clock",
                43,
            ),
            (
                Happened::Queued {
                    generation,
                    commit: self.commit('7'),
                    cause: Cause::Push,
                },
                "push",
                44,
            ),
            (Happened::Failed(self.failed(6)), "runner", 95),
            (
                Happened::Superseded {
                    generation: Generation(4),
                    by: Generation(5),
                },
                "push",
                800,
            ),
            (
                Happened::Stopped {
                    why: "by a person".to_owned(),
                },
                self.author.as_str(),
                2000,
            ),
            (
                Happened::Serving {
                    generation: Generation(3),
                },
                "gateway",
                3000,
            ),
        ];
        all.into_iter()
            .enumerate()
            .map(|(n, (what, by, seconds))| EventRecord {
                number: EventNumber(900 - n as u64),
                environment: environment.id.clone(),
                version: Version(42 - n as u64),
                at: before(seconds),
                by: by.to_owned(),
                what,
            })
            .collect()
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let texts = [
            (Source::Runner, "Cloning feat/sort-cart at 73f9c1a from the mirror".to_owned()),
            (Source::Runner, "$ npm ci".to_owned()),
            (Source::Out, "added 312 packages in 4s".to_owned()),
            (Source::Err, "npm warn deprecated inflight@1.0.6: This module is not supported".to_owned()),
            (Source::Runner, "$ npm run build".to_owned()),
            (Source::Out, "\u{1b}[36mvite v6.0.1\u{1b}[0m \u{1b}[32mbuilding for production...\u{1b}[0m".to_owned()),
            (Source::Out, "\u{1b}[32m✓\u{1b}[0m 87 modules transformed.".to_owned()),
            (Source::Out, "\u{1b}[2mdist/\u{1b}[0m\u{1b}[35massets/index-Ct3kP9xQ.js\u{1b}[0m  \u{1b}[1m142.07 kB\u{1b}[0m".to_owned()),
            (Source::Out, "\u{1b}[42m PASS \u{1b}[0m cart › adds".to_owned()),
            (Source::Out, "\u{1b}[41m FAIL \u{1b}[0m cart › sorts by price".to_owned()),
            (Source::Err, self.line.clone()),
        ];
        texts
            .into_iter()
            .cycle()
            .take(44)
            .enumerate()
            .map(|(n, (from, text))| Line {
                n: n as u64,
                at: before(60).0 + n as u64 * 730,
                from,
                text,
            })
            .collect()
    }

    pub(super) fn pull_requests(&self) -> Vec<PullRequest> {
        let one = |number, title: &str, branch: &str, status| PullRequest {
            repository: RepositoryId(7),
            number,
            branch: branch.to_owned(),
            title: title.to_owned(),
            status,
            head: Some(self.commit('c')),
            labels: Vec::new(),
            base: None,
            draft: false,
            orders: nestling_domain::orders::Orders::default(),
        };
        vec![
            one(
                31,
                "Rewrite the checkout in one page",
                "checkout-one-page",
                PullRequestStatus::Waiting,
            ),
            one(30, &self.title, &self.branch, PullRequestStatus::Waiting),
            one(
                12,
                "Sort the cart",
                "feat/sort-cart",
                PullRequestStatus::Open,
            ),
        ]
    }

    pub(super) fn announcement(&self, environment: &Environment) -> String {
        let results = results(self);
        let site = Site {
            seal: None,
            dashboard: "http://nestling.localhost:4100",
            scheme: "http",
            preview_domain: "localhost:4100",
        };
        let section = Section {
            environment,
            results: Some(&results),
            ahead: None,
        };
        Announcement {
            repository: RepositoryId(7),
            number: 12,
            sections: vec![section],
            left_out: Vec::new(),
            answers: Vec::new(),
        }
        .markdown(&site)
    }
}
