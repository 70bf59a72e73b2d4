//! Pull requests of very many files, where an app is of some of them only.

use nestling_domain::policy::Paths;

use super::*;

/// As many as GitHub lists of one pull request.
const LISTED: usize = 3_000;
/// Requests that this takes, a hundred files each.
const PAGES: usize = 30;

/// An app that only files below `api/` concern: so it is recorded, and so says the default branch, which is read at times.
async fn of_api() -> World {
    let said = Change::file("nestling.toml", "[policy]\npaths = [\"api/\"]\n");
    let push = |state: &mut State| drop(state.push(SHOP, "main", "ann", &[said]).unwrap());
    let world = World::arranged(push, |_| {}).await;
    let policy = Policy {
        paths: Paths::parse(vec!["api/".to_owned()]).unwrap(),
        ..Policy::default()
    };
    let shop = App {
        policy,
        ..world.shop.clone()
    };
    world.store.put_app(&shop).await.unwrap();
    world
}

impl World {
    /// A pull request of so many files, of which the last in the order of their names is this, and how often its files are asked for
    /// when it is looked at.
    async fn of_files(
        &self,
        branch: &str,
        count: usize,
        last: &str,
    ) -> (u32, Result<Found, ForgeError>, usize) {
        let mut files: Vec<Change> = (1..count)
            .map(|n| Change::file(&format!("a/{n:04}"), branch))
            .collect();
        files.push(Change::file(last, branch));
        let number = self.act(|state| {
            state.push(SHOP, branch, "ann", &files)?;
            state.open_pull_request(SHOP, Opening::of(branch, "ann"))
        });
        let number = u32::try_from(number).unwrap();
        let found = self.head(Kind::Preview(number)).await;
        let route = format!("/repos/{SHOP}/pulls/{number}/files");
        let asked = self.github.look(|state| state.ledger.count("GET", &route));
        (number, found, asked)
    }
}

#[actix::test]
async fn each_of_up_to_2999_files_is_seen_to_the_last() {
    let world = of_api().await;
    let (_, other, asked) = world.of_files("web", LISTED - 1, "web/index.html").await;
    let Ok(Found::Waiting(waits)) = other else {
        panic!("{other:?}");
    };
    assert!(
        waits
            .reason
            .starts_with("none of the files that it changes is of this app (`api/`)"),
        "{waits:?}"
    );
    assert_eq!(asked, PAGES);
    let (_, own, _) = world.of_files("api", LISTED - 1, "api/orders.js").await;
    assert!(matches!(own, Ok(Found::Open(_))), "{own:?}");
}

/// What GitHub does not list may be anything: in doubt there is a preview.
#[actix::test]
async fn a_pull_request_of_more_files_than_github_lists_is_of_every_app() {
    let world = of_api().await;
    for (branch, count) in [("full", LISTED), ("beyond", LISTED + 50)] {
        let (number, found, asked) = world.of_files(branch, count, "web/index.html").await;
        assert!(matches!(found, Ok(Found::Open(_))), "#{number}: {found:?}");
        assert_eq!(asked, PAGES, "#{number}: no more than there are");
    }
}
