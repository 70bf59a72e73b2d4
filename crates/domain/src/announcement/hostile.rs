//! Nothing from outside acts in the comment, and it is never longer than GitHub takes.

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::{sample::*, *};
use crate::{deployment::Phase, lifecycle::State, orders::Answered};

/// What people put into titles, branches, messages, test names and logs to see what happens.
const HOSTILE: [&str; 34] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></summary>",
    "<!-- nestling:7:12 -->",
    "-->",
    "a | b | c |",
    "\\| x \\\\|",
    "```\nout of the fence\n```",
    "````````",
    "` ` `` |",
    "`a` `b` ``c`` `d",
    "`a`GH-2`b`@everyone`",
    "\\`a` `b\\` *x*",
    "`<b>` `@ada` `#1` `a|b`",
    "@everyone please @ada",
    "fixes #1, GH-2 and other/repo#3",
    "![x](http://evil/x.png)",
    "[x](javascript:alert(1))",
    "[x]: http://evil",
    "http://evil.example https://evil.example www.evil.example ada@evil.example",
    "<http://evil>",
    "line\nbreak\r\n\r\n# heading",
    "**bold** _it_ ~~gone~~ ***",
    "&lt;b&gt; &#60;b&#62; &amp;",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]8;;http://evil\u{7}link\u{1b}]8;;\u{7}",
    "\u{202e}desrever",
    "\u{0}\u{1}\u{7}",
    "$a^2$ $$x$$",
    ":tada: :shipit:",
    "| --- |",
    "- [ ] task",
    "    indented code",
    "\u{2028}line",
];

#[test]
fn nothing_from_outside_acts_in_the_comment() {
    let plain = shape(&hostile("plain words"));
    for text in HOSTILE {
        let markdown = hostile(text);
        assert_eq!(shape(&markdown), plain, "for {text:?}:\n{markdown}");
        assert_eq!(markdown.matches("<!--").count(), 1, "for {text:?}");
    }
}

/// A comment with this text in every place that the outside fills.
fn hostile(text: &str) -> String {
    let mut failure = failed(3, 'c');
    failure.reason = text.to_owned();
    failure.tail = vec![text.to_owned(), "after".to_owned()];
    let mut serving = deployment(2, 'b', Phase::Serving);
    serving.commit.message = text.to_owned();
    failure.commit.message = text.to_owned();
    serving.endpoints[1].label = text.to_owned();
    let mut results = results();
    text.clone_into(&mut results.tests[1].name);
    text.clone_into(&mut results.tests[1].path);
    let shop = environment(
        "shop",
        State::Running {
            serving: Box::new(serving),
            failed: Some(failure),
        },
    );
    let section = Section {
        results: Some(&results),
        ..section(&shop)
    };
    let left_out = vec![LeftOut {
        environment: &shop,
        reason: text,
    }];
    let answered = Answered {
        order: text.to_owned(),
        outcome: text.to_owned(),
        done: false,
        in_words: false,
    };
    let answer = Answer::new(1, text, [answered]);
    Announcement {
        left_out,
        answers: vec![&answer, &answer],
        ..announcement(vec![section])
    }
    .markdown(&SITE)
}

/// Everything of a comment that acts: its elements, links and HTML, but no text.
fn shape(markdown: &str) -> Vec<String> {
    let acts = |event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => Some(format!("link {dest_url}")),
        Event::Start(tag) => Some(format!("{tag:?}")),
        Event::Html(html) | Event::InlineHtml(html) => Some(format!("html {html}")),
        Event::Rule => Some("rule".to_owned()),
        Event::Text(text) => {
            assert!(!mentions(&text), "mentions: {text:?}");
            None
        }
        Event::End(_)
        | Event::Code(_)
        | Event::InlineMath(_)
        | Event::DisplayMath(_)
        | Event::FootnoteReference(_)
        | Event::SoftBreak
        | Event::HardBreak
        | Event::TaskListMarker(_) => None,
    };
    Parser::new_ext(
        markdown,
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS,
    )
    .filter_map(acts)
    .filter(|act| !act.starts_with("CodeBlock"))
    .collect()
}

fn mentions(text: &str) -> bool {
    let name = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    // Within the fence nothing is looked for, so only what stands alone counts.
    text.match_indices(['@', '#'])
        .any(|(at, _)| name(text[at + 1..].chars().next()))
        && !text.contains('\n')
}

#[test]
fn a_comment_for_hundreds_of_apps_and_thousands_of_tests_says_what_is_missing() {
    let mut results = results();
    results.tests = results.tests.iter().cycle().take(5_000).cloned().collect();
    for test in &mut results.tests {
        test.name = "|*_`<é".repeat(40);
    }
    let state = || State::Running {
        serving: Box::new(deployment(2, 'b', Phase::Serving)),
        failed: Some(failed(3, 'c')),
    };
    for apps in [1, 3, 60, 400] {
        let environments: Vec<Environment> = (0..apps)
            .map(|n| environment(&format!("app-{n}"), state()))
            .collect();
        let sections = environments
            .iter()
            .map(|one| Section {
                results: Some(&results),
                ..section(one)
            })
            .collect();
        let many = (0..50).map(|_| Answered {
            order: "`/redeploy".repeat(40),
            outcome: "|*_`<é".repeat(400),
            done: false,
            in_words: false,
        });
        let answer = Answer::new(1, "ann", many);
        let text = Announcement {
            answers: vec![&answer, &answer],
            ..announcement(sections)
        };
        let text = text.markdown(&SITE);
        assert!(text.len() <= LONGEST, "{apps} apps: {}", text.len());
        assert!(text.contains("did not fit here"), "{apps} apps");
        assert_eq!(
            text.matches("<details>").count(),
            text.matches("</details>").count()
        );
        assert!(apps < 400 || text.contains("more apps did not fit here"));
    }
}
