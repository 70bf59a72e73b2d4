//! What becomes of pull requests, as their people would tell it.

use proptest::prelude::*;

use super::*;
use crate::deployment::Trust;

fn commit(n: u8) -> Commit {
    Commit::parse(&format!("{n:040x}")).unwrap()
}

/// A pull request of a member that changes `web/page.html`.
fn members(head: &Commit) -> PullRequest<'_> {
    PullRequest {
        head,
        title: "Change the page",
        message: "Change the page",
        draft: false,
        labels: &[],
        bot: false,
        author: Author::Member,
        files: Some(&WORDS.page),
        approved: None,
        asked_for: false,
    }
}

fn strangers(head: &Commit) -> PullRequest<'_> {
    PullRequest {
        author: Author::Outsider,
        ..members(head)
    }
}

struct Words {
    page: Vec<String>,
    api: Vec<String>,
    preview: Vec<String>,
    no_preview: Vec<String>,
}

static WORDS: std::sync::LazyLock<Words> = std::sync::LazyLock::new(|| Words {
    page: vec!["web/page.html".into()],
    api: vec!["web/page.html".into(), "api/main.rs".into()],
    preview: vec!["Preview".into()],
    no_preview: vec!["bug".into(), "no-preview".into()],
});

const RUNS: Verdict = Verdict::Run {
    trust: Trust::Member,
};

#[test]
fn a_members_pull_request_runs_with_secrets_and_so_does_its_draft() {
    let (policy, head) = (Policy::default(), commit(1));
    assert_eq!(policy.verdict(&members(&head)), RUNS);
    let draft = PullRequest {
        draft: true,
        ..members(&head)
    };
    assert_eq!(policy.verdict(&draft), RUNS);
}

#[test]
fn what_is_not_wanted_says_why_and_what_would_change_it() {
    let policy = Policy {
        drafts: false,
        paths: Paths::parse(vec!["api/**".into()]).unwrap(),
        ..Policy::default()
    };
    let head = commit(1);
    let (base, labels) = (members(&head), &WORDS.no_preview);
    let unwanted = [
        PullRequest {
            draft: true,
            ..base
        },
        PullRequest { bot: true, ..base },
        PullRequest {
            title: "[Skip CI] Change",
            ..base
        },
        PullRequest {
            message: "Change [no ci]",
            ..base
        },
        base,
        PullRequest { labels, ..base },
    ];
    let reasons = unwanted.map(|asked| {
        let verdict = policy.verdict(&asked);
        let Verdict::Skip { why } = verdict else {
            panic!("{verdict:?}");
        };
        why
    });
    insta::assert_snapshot!(reasons.join("\n"), @"
    it is a draft, and drafts have no preview here: the label `preview`, or the comment `/preview`, makes one all the same
    it was opened by a program: the label `preview`, or the comment `/preview`, makes one all the same
    its title says `[skip ci]`: the label `preview`, or the comment `/preview`, makes one all the same
    its head's message says `[no ci]`: the label `preview`, or the comment `/preview`, makes one all the same
    none of the files that it changes is of this app (`api/**`): the label `preview`, or the comment `/preview`, makes one all the same
    it has the label `no-preview`: remove it to get a preview
    ");

    let (labels, files) = (&WORDS.preview, Some(&*WORDS.api));
    let wanted = [
        PullRequest { files, ..base },
        // Too many to be listed.
        PullRequest {
            files: None,
            ..base
        },
        PullRequest {
            labels,
            draft: true,
            ..base
        },
        PullRequest {
            asked_for: true,
            bot: true,
            ..base
        },
    ];
    for asked in wanted {
        assert_eq!(policy.verdict(&asked), RUNS, "{asked:?}");
    }
}

#[test]
fn an_outsider_waits_until_this_very_commit_is_approved_and_sees_no_secret_then() {
    let (policy, head, older) = (Policy::default(), commit(1), commit(2));
    let asked = PullRequest {
        labels: &WORDS.preview,
        asked_for: true,
        ..strangers(&head)
    };
    let waits = Verdict::Approval {
        commit: head.clone(),
    };
    assert_eq!(
        policy.verdict(&asked),
        waits,
        "a label or a wish is no approval"
    );
    let (approved, revoked) = (Some(&head), Some(&older));
    let pushed = PullRequest {
        approved: revoked,
        ..asked
    };
    assert_eq!(policy.verdict(&pushed), waits, "a new push revokes it");
    let approved = PullRequest { approved, ..asked };
    assert_eq!(
        policy.verdict(&approved),
        Verdict::Run {
            trust: Trust::Outsider
        }
    );
}

#[test]
fn only_an_app_that_says_so_hands_secrets_to_an_approved_fork() {
    let head = commit(1);
    let asked = PullRequest {
        approved: Some(&head),
        ..strangers(&head)
    };
    for (outsiders, fork_secrets, trust) in [
        (Outsiders::Approve, true, Trust::OutsiderWithSecrets),
        (Outsiders::Approve, false, Trust::Outsider),
        (Outsiders::WithoutSecrets, true, Trust::Outsider),
    ] {
        let policy = Policy {
            outsiders,
            fork_secrets,
            ..Policy::default()
        };
        assert_eq!(
            policy.verdict(&asked),
            Verdict::Run { trust },
            "{outsiders:?}"
        );
    }
}

#[test]
fn a_preview_ends_by_age_unless_it_is_kept() {
    let (policy, day) = (Policy::default(), Duration::from_hours(24));
    assert!(!policy.has_aged(day * 13, &[], false));
    assert!(policy.has_aged(day * 14, &[], false));
    assert!(!policy.has_aged(day * 400, &[], true));
    assert!(!policy.has_aged(day * 400, &["Keep".into()], false));
}

#[test]
fn a_preview_sleeps_once_nobody_visited_it_for_as_long_as_its_app_says() {
    let (hour, policy) = (Duration::from_hours(1), Policy::default());
    assert!(!policy.sleeps(Duration::from_mins(24 * 60 - 1)));
    assert!(policy.sleeps(hour * 24));
    let shorter = Policy {
        sleeps_after_hours: 2,
        ..policy
    };
    assert!(!shorter.sleeps(hour) && shorter.sleeps(hour * 2));
}

#[test]
fn the_last_pattern_that_fits_a_file_decides() {
    let paths = Paths::parse(
        ["web/**", "!web/**/*.md", "web/README.md"]
            .map(String::from)
            .into(),
    );
    let paths = paths.unwrap();
    assert!(Paths::default().is_every_file() && !paths.is_every_file());
    let concerns = |file: &str| paths.concern(&[file.to_owned()]);
    assert!(concerns("web/page.html") && concerns("web/a/b.html") && concerns("web/README.md"));
    assert!(
        !concerns("web/a/notes.md") && !concerns("api/main.rs") && !concerns("website/page.html")
    );
    let concerns = |pattern: &str, file: &str| {
        let paths = Paths::parse(vec![pattern.to_owned()]).unwrap();
        paths.concern(&[file.to_owned()])
    };
    for (pattern, fits, fits_not) in [
        ("web/", "web/a/b.html", "web"),
        ("web/", "old/web/a.html", "website/a.html"),
        ("web", "web/a.html", "website/a.html"),
        ("/web/", "web/a.html", "old/web/a.html"),
        ("/api/**", "api/a/main.rs", "old/api/main.rs"),
        ("apps/web", "apps/web/a.html", "old/apps/web/a.html"),
        ("*.md", "docs/a/notes.md", "docs/notes.mdx"),
        ("/*.md", "notes.md", "docs/notes.md"),
    ] {
        assert!(concerns(pattern, fits), "{pattern} fits {fits}");
        assert!(!concerns(pattern, fits_not), "{pattern} fits {fits_not}");
    }
    let refused = Paths::parse(vec!["web/[".into()]).unwrap_err();
    insta::assert_snapshot!(refused, @"`web/[` is not a pattern of files: unclosed character class; missing ']'");
}

#[test]
fn patterns_have_a_longest_and_a_most() {
    let long = |length: usize| Paths::parse(vec!["a".repeat(length)]);
    assert!(long(200).is_ok());
    assert_eq!(long(201).unwrap_err().why, "it is longer than 200 bytes");
    assert!(long(300).is_err());
    let many = |count: usize| Paths::parse(vec!["a".to_owned(); count]);
    assert!(many(50).is_ok());
    assert_eq!(many(51).unwrap_err().why, "there are more than 50");
}

#[test]
fn patterns_are_written_as_they_were_read() {
    let paths = |patterns: &[&str]| {
        let patterns = patterns.iter().map(|&pattern| pattern.to_owned());
        Paths::parse(patterns.collect()).unwrap()
    };
    let web = paths(&["web/**", "!web/*.md"]);
    let policy = Policy {
        paths: web.clone(),
        ..Policy::default()
    };
    let written = toml::to_string(&policy).unwrap();
    let read: Policy = toml::from_str(&written).unwrap();
    assert!(read.paths == web, "{written}");
    assert!(read.paths != Paths::default() && read.paths != paths(&["web/**"]));
    assert_eq!(Vec::from(read.paths), ["web/**", "!web/*.md"]);
    assert_eq!(web.to_string(), "`web/**`, `!web/*.md`");
}

#[test]
fn a_policy_is_read_from_toml_and_an_unknown_key_is_refused() {
    let policy: Policy = toml::from_str("drafts = false\noutsiders = \"off\"\npaths = [\"web/**\"]\nproduction_deploys = \"manual\"\ncomment = \"failures\"").unwrap();
    assert_eq!(
        (policy.drafts, policy.bots, policy.outsiders),
        (false, false, Outsiders::Off)
    );
    assert_eq!(policy.production_deploys, Production::Manual);
    assert_eq!(policy.comment, Comments::Failures);
    let refused = toml::from_str::<Policy>("forks = true")
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("unknown field `forks`, expected one of `drafts`"),
        "{refused}"
    );
}

proptest! {
    /// Whatever else is true of it, an outsider's commit that nobody approved runs only where the app says so, and never
    /// with secrets.
    #[test]
    fn no_strangers_code_runs_unapproved_or_meets_a_secret(
        (drafts, bots, fork_secrets, draft, bot, asked_for) in any::<(bool, bool, bool, bool, bool, bool)>(),
        outsiders in prop::sample::select(vec![Outsiders::Off, Outsiders::Approve, Outsiders::WithoutSecrets]),
        approved in prop::option::of(1_u8..4),
        labels in prop::collection::vec(prop::sample::select(vec!["preview", "no-preview", "keep", "bug"]), 0..4),
    ) {
        let policy = Policy { drafts, bots, outsiders, fork_secrets, ..Policy::default() };
        let labels: Vec<String> = labels.into_iter().map(str::to_owned).collect();
        let (head, approved) = (commit(1), approved.map(commit));
        let found = policy.verdict(&PullRequest {
            draft,
            labels: &labels,
            bot,
            approved: approved.as_ref(),
            asked_for,
            ..strangers(&head)
        });
        if let Verdict::Run { trust } = found {
            let is_approved = approved.as_ref() == Some(&head);
            prop_assert!(outsiders == Outsiders::WithoutSecrets || outsiders == Outsiders::Approve && is_approved);
            prop_assert!(!trust.shares_caches());
            prop_assert!(!trust.sees_secrets() || fork_secrets && is_approved && outsiders == Outsiders::Approve);
        }
    }
}

#[test]
fn what_an_app_asks_of_fly_is_read_from_its_file_and_what_cannot_be_names_line_and_key() {
    let found = |text: &str| {
        let files =
            std::collections::BTreeMap::from([("nestling.toml".to_owned(), text.to_owned())]);
        crate::discovery::discover("shop", ["index.html", "nestling.toml"], &files)
    };
    let read = found(
        "[policy.machine]\ncpu_kind = \"performance\"\ncpus = 2\nmemory_mib = 4096\nregions = [\"lhr\"]\n",
    );
    let machine = read.apps[0].policy.clone().unwrap().machine;
    assert_eq!(machine.cpu_kind, Some(crate::fly::CpuKind::Performance));
    assert_eq!((machine.cpus, machine.memory_mib), (Some(2), Some(4096)));
    assert_eq!(machine.regions, ["lhr"]);
    let wrong = [
        "cpus = 0",
        "cpus = -1",
        "memory_mib = 1000",
        "memory_mb = 1024",
        "volume_gib = 501",
        "regions = [\"Amsterdam\"]",
        "cpu_kind = \"big\"",
    ];
    let told = wrong.map(|line| {
        let found = found(&format!(
            "[policy]\ndrafts = true\n[policy.machine]\n{line}\n"
        ));
        assert_eq!(found.apps[0].policy, None, "{line}");
        found.not_taken[0].reason.clone()
    });
    insta::assert_snapshot!(told.join("\n"), @r#"
    it is not valid in line 4: policy.machine.cpus is 0, and must be 1 at least
    it is not valid in line 4: invalid value: integer `-1`, expected u32
    it is not valid in line 4: policy.machine.memory_mib is 1000, and must be a multiple of 256
    it is not valid in line 4: unknown field `memory_mb`, expected one of `cpu_kind`, `cpus`, `memory_mib`, `volume_gib`, `regions`
    it is not valid in line 4: policy.machine.volume_gib is 501, and may be 500 at most
    it is not valid in line 4: policy.machine.regions names "Amsterdam", and a region has three lower-case letters, such as "ams"
    it is not valid in line 4: unknown variant `big`, expected `shared` or `performance`
    "#);
}

#[test]
fn an_app_that_asks_nothing_of_fly_is_recorded_as_before() {
    let record = serde_json::to_value(Policy::default()).unwrap();
    assert_eq!(record.get("machine"), None);
    let asks = Policy {
        machine: Machine {
            cpus: Some(2),
            ..Machine::default()
        },
        ..Policy::default()
    };
    let record = serde_json::to_value(&asks).unwrap();
    assert_eq!(record["machine"], serde_json::json!({ "cpus": 2 }));
    assert_eq!(serde_json::from_value::<Policy>(record).unwrap(), asks);
}
