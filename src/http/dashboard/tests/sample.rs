//! Sample data: what a small team has on its box on a Saturday morning.

use nestling_domain::{
    app::{App, Repository, VariableName},
    deployment::{Cause, CommitInfo, Deployment, Failed, Phase, Shown, Tests},
    environment::Environment,
    ids::{AppId, Commit, EnvironmentId, Generation, Kind, RepositoryId, Timestamp, Version},
    label::Slug,
    lifecycle::{Lifecycle, State, Why},
};
use nestling_protocol::{
    bundle,
    report::{Address, Endpoint, EndpointKind, Exit},
    test::{Counts, Outcome, Results, TestRecord},
};

use crate::{
    http::{
        Addresses,
        dashboard::{Notice, Visit},
    },
    messages::secrets::Listed,
};

/// 2026-03-07 09:05:07 UTC.
pub(super) const NOW: Timestamp = Timestamp(1_772_874_307_000);

/// This many seconds before [`NOW`].
pub(super) fn before(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 - seconds * 1000)
}

pub(super) fn visit() -> Visit {
    Visit {
        now: NOW,
        csrf: "c3JmLXRva2Vu".to_owned(),
        notice: None,
    }
}

pub(super) fn visit_after(text: &str) -> Visit {
    Visit {
        notice: Some(Notice {
            done: true,
            text: text.to_owned(),
        }),
        ..visit()
    }
}

pub(super) fn addresses() -> Addresses {
    Addresses {
        scheme: "http".to_owned(),
        dashboard: "nestling.localhost:4100".to_owned(),
        preview_domain: "localhost:4100".to_owned(),
    }
}

/// The words that the outside chooses, in every place where it can.
#[derive(Debug, Clone)]
pub(super) struct Words {
    pub(super) title: String,
    pub(super) branch: String,
    pub(super) message: String,
    pub(super) author: String,
    pub(super) reason: String,
    pub(super) line: String,
    pub(super) label: String,
    pub(super) test: String,
    pub(super) repository: String,
    pub(super) description: String,
}

impl Words {
    pub(super) fn ours() -> Self {
        Words {
            title: "Sort the cart by price, and remember the order".to_owned(),
            branch: "feat/sort-cart".to_owned(),
            message: "Sort the cart by price".to_owned(),
            author: "Ada Lovelace".to_owned(),
            reason: "the app ended before it listened on port 3000; the end of its log says why".to_owned(),
            line: "\u{1b}[31mTypeError:\u{1b}[0m Cannot read properties of undefined (reading 'price')".to_owned(),
            label: "Admin API".to_owned(),
            test: "sorts by price".to_owned(),
            repository: "storefront".to_owned(),
            description: "The shop that everybody sees: catalogue, cart and checkout.".to_owned(),
        }
    }

    /// The same text everywhere.
    pub(super) fn all(text: &str) -> Self {
        let text = || text.to_owned();
        Words {
            title: text(),
            branch: text(),
            message: text(),
            author: text(),
            reason: text(),
            line: text(),
            label: text(),
            test: text(),
            repository: text(),
            description: text(),
        }
    }

    pub(super) fn commit(&self, digit: char) -> CommitInfo {
        let name = "3f9c1a7be"
            .chars()
            .chain("0d5".chars().cycle())
            .take(39)
            .collect::<String>();
        CommitInfo {
            id: Commit::parse(&format!("{digit}{name}")).unwrap(),
            message: self.message.clone(),
            author: self.author.clone(),
            trust: nestling_domain::deployment::Trust::Member,
        }
    }

    pub(super) fn repository(&self) -> Repository {
        Repository {
            id: RepositoryId(7),
            owner: "local".to_owned(),
            name: self.repository.clone(),
            path: Some("/home/ada/storefront".to_owned()),
            installation: None,
            default_branch: "main".to_owned(),
            trouble: None,
            left: false,
            suspended: false,
        }
    }

    pub(super) fn app(&self, slug: &str, root: &str, kind: bundle::Kind) -> App {
        App {
            id: AppId::derive(RepositoryId(7), root),
            owner: "local".to_owned(),
            slug: Slug::of(slug),
            repository: RepositoryId(7),
            root: root.to_owned(),
            kind,
            description: if slug == "shop" {
                self.description.clone()
            } else {
                String::new()
            },
            health: None,
            policy: nestling_domain::policy::Policy::default(),
            created_at: before(900_000),
        }
    }

    pub(super) fn shop(&self) -> App {
        self.app("shop", "apps/shop", bundle::Kind::Wing)
    }

    pub(super) fn environment(&self, app: &App, kind: Kind, state: State) -> Environment {
        let mut lifecycle = Lifecycle::new(before(4000), None);
        lifecycle.state = state;
        let production = kind == Kind::Production;
        Environment {
            id: EnvironmentId::derive(&app.id, kind),
            app: app.id.clone(),
            owner: app.owner.clone(),
            slug: app.slug.clone(),
            repository: app.repository,
            kind,
            branch: if production {
                "main".to_owned()
            } else {
                self.branch.clone()
            },
            title: if production {
                "main".to_owned()
            } else {
                self.title.clone()
            },
            lifecycle,
            version: Version(42),
            created_at: before(4000),
            updated_at: before(95),
        }
    }

    pub(super) fn deployment(&self, generation: u32, phase: Phase) -> Box<Deployment> {
        let endpoint = |name: &str, label: &str, kind, primary, browser| Endpoint {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            primary,
            browser,
            address: Address::Unix(format!("{name}.sock")),
        };
        let serves = phase == Phase::Serving;
        let endpoints = vec![
            endpoint("web", "Website", EndpointKind::App, true, true),
            endpoint("admin-api", &self.label, EndpointKind::App, false, false),
            endpoint("console", "Console", EndpointKind::Console, false, true),
        ];
        Box::new(Deployment {
            generation: Generation(generation),
            commit: self.commit(char::from_digit(generation % 16, 16).unwrap()),
            cause: Cause::Push,
            attempt: 1,
            phase,
            since: before(12),
            created_at: before(44),
            deadline: None,
            not_before: None,
            boot: None,
            exclusive: true,
            in_place: false,
            tests: if serves {
                Tests::Ran(results(self).counts())
            } else {
                Tests::Pending
            },
            endpoints: if serves { endpoints } else { Vec::new() },
            trouble: (phase == Phase::Probing).then(|| self.reason.clone()),
            notes: Vec::new(),
            again: None,
            address: None,
        })
    }

    pub(super) fn failed(&self, generation: u32) -> Box<Failed> {
        let mut tail: Vec<String> = (1..=6)
            .map(|n| {
                format!(
                    "\u{1b}[2m    at step{n} (apps/shop/server.js:{}:11)\u{1b}[0m",
                    n * 12
                )
            })
            .collect();
        tail.insert(0, self.line.clone());
        tail.push("Node.js v22.11.0".to_owned());
        Box::new(Failed {
            generation: Generation(generation),
            commit: self.commit('b'),
            phase: Shown::Starting,
            reason: self.reason.clone(),
            exit: Some(Exit::Code(1)),
            tail,
            at: before(95),
            asked: false,
        })
    }

    pub(super) fn running(&self) -> State {
        State::Running {
            serving: self.deployment(7, Phase::Serving),
            failed: None,
        }
    }

    pub(super) fn troubled(&self) -> State {
        State::Running {
            serving: self.deployment(6, Phase::Serving),
            failed: Some(self.failed(7)),
        }
    }

    pub(super) fn restarting(&self, phase: Phase) -> State {
        State::Restarting {
            serving: Some(self.deployment(6, Phase::Serving)),
            next: self.deployment(7, phase),
            rollback: None,
            failed: None,
        }
    }

    pub(super) fn stopped(&self, why: Why) -> State {
        State::Stopped {
            why,
            last: Some(self.commit('6')),
            since: before(600),
        }
    }
}

pub(super) fn results(words: &Words) -> Results {
    let test = |path: &str, name: &str, outcome, millis| {
        let failed = outcome == Outcome::Failed;
        TestRecord {
            path: path.to_owned(),
            name: name.to_owned(),
            outcome,
            error: failed.then(|| {
                format!(
                    "{}\nexpected [5, 12, 30]\n     got [12, 5, 30]",
                    words.reason
                )
            }),
            millis,
            log: if failed {
                vec!["cart: 3 items".to_owned(), words.line.clone()]
            } else {
                Vec::new()
            },
        }
    };
    let results = Results {
        tests: vec![
            test(
                "root/Default/test:adds to the cart",
                "adds to the cart",
                Outcome::Passed,
                41,
            ),
            test(
                &format!("root/Default/test:{}", words.test),
                &words.test,
                Outcome::Failed,
                218,
            ),
            test(
                "root/Default/test:counts visits",
                "counts visits",
                Outcome::Passed,
                1_204,
            ),
            test(
                "root/Default/test:pays with a gift card",
                "pays with a gift card",
                Outcome::Skipped,
                0,
            ),
        ],
        ..Results::default()
    };
    assert_eq!(
        results.counts(),
        Counts {
            passed: 2,
            failed: 1,
            skipped: 1
        }
    );
    results
}

pub(super) fn listed() -> Vec<Listed> {
    let one = |name: &str, text: Option<&str>, seconds| Listed {
        name: VariableName::parse(name).unwrap(),
        text: text.map(str::to_owned),
        updated_at: before(seconds),
    };
    vec![
        one("FEATURE_GIFT_CARDS", Some("on"), 90_000),
        one("STRIPE_KEY", None, 7_300),
        one("UPSTREAM", Some("https://api.example.test/v2"), 400_000),
    ]
}
