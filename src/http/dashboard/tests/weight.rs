//! Pages are light, however much there is to show, and load nothing from elsewhere.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use nestling_domain::{
    deployment::Tests,
    ids::{Generation, Kind, Timestamp},
};
use nestling_protocol::{
    log::{Line, Log, Source},
    test::{Outcome, Results, TestRecord},
};

use super::{
    gallery::pages,
    sample::{Words, addresses, visit},
};
use crate::http::dashboard::{
    assets,
    environment::{
        self, EnvironmentView, Tab,
        head::{Facts, Head},
        logs::LogsView,
        tests::TestsView,
    },
};

/// The bound on each page, with everything that it loads.
const HEAVIEST: usize = 100_000;

#[test]
fn every_page_with_its_files_stays_under_100_kb_compressed() {
    let files: usize = [assets::style(), assets::script(), assets::icon()]
        .iter()
        .map(|asset| compressed(asset.content))
        .sum();
    assert!(files < 20_000, "style and script have {files} bytes");
    for (name, page) in pages(&Words::ours()) {
        let weighs = compressed(&page) + files;
        assert!(weighs < HEAVIEST, "{name} has {weighs} bytes");
    }
}

#[test]
fn thousands_of_tests_and_huge_log_lines_do_not_make_a_heavy_page() {
    let words = Words::ours();
    let shop = words.shop();
    let environment = words.environment(&shop, Kind::Preview(12), words.running());
    let history = words.history(&environment, nestling_domain::deployment::Shown::Running);
    let noise = Noise(7);
    let test = |n: usize| TestRecord {
        path: format!("root/{}", noise.text(n, 60)),
        name: noise.text(n + 1, 40),
        outcome: if n.is_multiple_of(3) {
            Outcome::Failed
        } else {
            Outcome::Passed
        },
        error: Some(noise.text(n + 2, 2_000)),
        millis: 3,
        log: vec![noise.text(n + 3, 500); 30],
    };
    let results = Results {
        tests: (0..5_000).map(test).collect(),
        ..Results::default()
    };
    let lines: Vec<Line> = (0..2_000)
        .map(|n| Line {
            n,
            at: Timestamp(n).0,
            from: Source::Out,
            text: noise.text(usize::try_from(n).unwrap(), 16_000),
        })
        .collect();
    let tests = TestsView::of(
        Some(Generation(7)),
        &Tests::Ran(results.counts()),
        Some(&results),
    );
    assert!(tests.cut && tests.hidden == 4_600);
    let logs = LogsView::of(
        &environment,
        &history,
        history.first(),
        Log::Deployment,
        &lines,
    );
    assert!(logs.older && logs.lines.last() == lines.last());
    for tab in [Tab::Tests(Box::new(tests)), Tab::Logs(Box::new(logs))] {
        let facts = Facts {
            app: &shop,
            environment: &environment,
            ahead: None,
            paused: None,
            quarantined: None,
            troubles: &[],
            waits: false,
        };
        let view = EnvironmentView {
            visit: visit(),
            head: Head::of(&facts, &addresses()),
            tab,
        };
        let weighs = compressed(&environment::page(&view).into_string());
        assert!(weighs < HEAVIEST, "{weighs} bytes");
    }
}

#[test]
fn files_are_named_after_their_content_and_nothing_else_is_loaded() {
    let style = assets::style();
    assert_eq!(assets::find(&style.name), Some(style));
    assert_eq!(assets::find("nestling.css"), None);
    assert_eq!(style.path(), format!("/assets/{}", style.name));
    for asset in [assets::style(), assets::script()] {
        let outside = [
            "http://",
            "https://",
            "url(",
            "@import",
            "eval(",
            "innerHTML",
            "outerHTML",
            "document.write",
        ];
        for one in outside {
            assert!(!asset.content.contains(one), "{} holds {one}", asset.name);
        }
    }
    assert!(!assets::CONTENT_SECURITY_POLICY.contains("unsafe"));
}

fn compressed(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().len()
}

/// Text that hardly compresses, the same in every run.
struct Noise(u64);

impl Noise {
    fn text(&self, seed: usize, length: usize) -> String {
        let mut state = self.0 ^ (seed as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";
        let next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(letters[usize::try_from(state % 64).unwrap()])
        };
        std::iter::repeat_with(next).take(length).collect()
    }
}
