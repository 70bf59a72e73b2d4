//! State pills: an icon and a word, so that colour never says anything alone.

use maud::{Markup, html};
use nestling_domain::{
    announcement::Mark,
    deployment::{Shown, Tests},
};
use nestling_protocol::test::Counts;

use super::icons::{Icon, icon};

/// How well something is: names the colours in the style sheet.
pub fn tone(mark: Mark) -> &'static str {
    match mark {
        Mark::Waiting => "waiting",
        Mark::Working => "working",
        Mark::Good => "good",
        Mark::Troubled => "troubled",
        Mark::Bad => "bad",
        Mark::Resting => "resting",
        Mark::Gone => "gone",
    }
}

/// The pill of a status.
pub fn pill(mark: Mark, word: &str) -> Markup {
    let shows = match mark {
        Mark::Waiting => Icon::Clock,
        Mark::Working => Icon::Gear,
        Mark::Good => Icon::Check,
        Mark::Troubled => Icon::Warning,
        Mark::Bad => Icon::Cross,
        Mark::Resting => Icon::Pause,
        Mark::Gone => Icon::Gone,
    };
    html! { span class=(format!("pill {}", tone(mark))) { (icon(shows)) (word) } }
}

/// The pill of a deployment in the history.
pub fn deployment(shown: Shown) -> Markup {
    match shown {
        Shown::Queued => pill(Mark::Waiting, "Queued"),
        Shown::Deploying => pill(Mark::Working, "Deploying"),
        Shown::RunningTests => pill(Mark::Working, "Running tests"),
        Shown::Starting => pill(Mark::Working, "Starting"),
        Shown::Running => pill(Mark::Good, "Running"),
        Shown::Failed => pill(Mark::Bad, "Failed"),
        Shown::Superseded => pill(Mark::Gone, "Superseded"),
        Shown::Stopped => pill(Mark::Resting, "Ended"),
    }
}

/// How tests went, in one pill; nothing while there is nothing to say.
pub fn tests(tests: &Tests) -> Markup {
    match tests {
        Tests::Pending => html! {},
        Tests::Broken(_) => pill(Mark::Troubled, "Tests broken"),
        Tests::Ran(Counts {
            passed: 0,
            failed: 0,
            ..
        }) => html! { span.muted { "No tests" } },
        Tests::Ran(Counts {
            passed, failed: 0, ..
        }) => pill(Mark::Good, &format!("{passed} passed")),
        Tests::Ran(Counts { passed, failed, .. }) => pill(
            Mark::Bad,
            &format!("{failed} of {} failed", passed + failed),
        ),
    }
}
