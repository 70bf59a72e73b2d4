//! Nestling's own reader understands what the model sends.

use anyhow::{Context as _, Result};
use nestling_domain::github::{Says, read};
use nestling_world::github::{Change, Letter, Opening, Selection, State};

use crate::support::{EVENTS, SHOP, permissions};

/// What a webhook says, in one word of Nestling.
fn word(letter: &Letter) -> Result<String> {
    let event = letter
        .headers
        .iter()
        .find(|(name, _)| name == "X-GitHub-Event");
    let (_, event) = event.context("no event")?;
    let says = read(event, &letter.body)?.says;
    let word = serde_json::to_value(&says)?["says"]
        .as_str()
        .context("no word")?
        .to_owned();
    if let Says::PullRequest { change, fork, .. } = says {
        return Ok(format!("{word} {change:?}, fork: {fork}"));
    }
    let nothing = matches!(says, Says::Nothing { .. });
    Ok(if nothing {
        format!("nothing of {event}")
    } else {
        word
    })
}

fn act(github: &mut State) -> Result<()> {
    let file = |content: &str| [Change::file("index.html", content)];
    let app = github.register_app("acme", "Nestling", permissions(), &EVENTS)?;
    github.set_webhook_url(app, "http://nest.invalid/hook")?;
    github.create_organisation("acme");
    let shop = github.create_repository(SHOP, true, &[("index.html", "<h1>Shop</h1>")])?;
    let installation = github.install(app, "acme", Selection::Selected([].into()))?;
    github.select(installation, shop)?;
    github.fork(SHOP, "rob")?;
    github.push("rob/shop", "red", "rob", &file("red"))?;
    github.open_pull_request(SHOP, Opening::of("red", "rob").from("rob/shop"))?;
    github.push("rob/shop", "red", "rob", &file("redder"))?;
    github.label(SHOP, 1, "ann", "preview")?;
    github.comment(SHOP, 1, "ann", "/redeploy")?;
    github.comment(SHOP, 1, "ann", "Nice")?;
    github.merge(SHOP, 1, "ann")?;
    github.push(SHOP, "blue", "ann", &file("blue"))?;
    github.delete_branch(SHOP, "blue", "ann")?;
    github.rename(SHOP, "store", "ann")?;
    github.suspend(installation)?;
    github.unsuspend(installation)?;
    github.delete_repository("acme/store", "ann")?;
    github.uninstall(installation)
}

#[test]
fn every_act_is_read_as_what_it_is() -> Result<()> {
    let mut github = State::in_process();
    act(&mut github)?;
    let words = github
        .take_webhooks()
        .iter()
        .map(word)
        .collect::<Result<Vec<_>>>()?;
    assert_eq!(
        words,
        [
            "installation",
            "repositories",
            "pull-request Opened, fork: true",
            "pull-request Pushed, fork: true",
            "pull-request Described, fork: true",
            "comment",
            "nothing of issue_comment",
            "push",
            "nothing of check_suite",
            "pull-request Closed, fork: true",
            "push",
            "nothing of check_suite",
            "nothing of create",
            "branch-deleted",
            "branch-deleted",
            "repository-changed",
            "installation",
            "installation",
            "repository-deleted",
            "installation",
        ]
    );
    Ok(())
}
