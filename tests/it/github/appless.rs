//! Repositories in which nothing is to be deployed: what happens there is taken, decided with its reason, and asks nothing of GitHub.

use nestling_world::github::{Opening, State};

use super::{SHOP, SOON, Team, change};

/// Requests to GitHub about the repository, and for tokens to ask about it.
fn asked(state: &State) -> usize {
    let about = |target: &str| target.contains(SHOP) || target.ends_with("/access_tokens");
    let requests = state.ledger.requests.iter();
    requests.filter(|one| about(&one.target)).count()
}

impl Team {
    /// Somebody opens a pull request, pushes to the default branch and closes the pull request: each is decided, and GitHub is asked
    /// nothing.
    fn nothing_comes_of_what_people_do(&self) {
        let before = self.github.look(asked);
        self.act(|state| {
            state.push(SHOP, "basket", "ann", &change("<h1>Basket</h1>"))?;
            let number = state.open_pull_request(SHOP, Opening::of("basket", "ann"))?;
            state.push(SHOP, "main", "ann", &change("<h1>New</h1>"))?;
            state.close(SHOP, number, "ann")
        });
        for (what, why, times) in [
            (
                "the commit of main, and both ends of the pull request",
                "nothing: no app was found in it",
                3,
            ),
            (
                "the branch",
                "nothing: no open preview follows this branch",
                1,
            ),
        ] {
            self.server.until(what, SOON, |server| {
                let told = server.get("/v1/deliveries?limit=100");
                let all = told["deliveries"].as_array().into_iter().flatten();
                all.filter(|one| one.to_string().contains(why)).count() == times
            });
        }
        assert_eq!(
            self.github.look(asked),
            before,
            "nothing is asked of GitHub"
        );
        let none: [serde_json::Value; 0] = [];
        assert_eq!(self.server.environments(), none);
    }
}

#[test]
fn what_happens_in_a_repository_without_an_app_is_decided_and_asks_github_nothing() {
    let team = Team::new();
    team.nothing_comes_of_what_people_do();
}

#[test]
fn an_app_without_an_entrypoint_is_refused_with_what_would_be_one_and_asks_github_nothing_later() {
    let team = Team::of(&[("README.md", "Nothing to run")]);
    let (status, refused) = team.add_app();
    assert_eq!(status, 422, "{refused}");
    assert!(
        refused.to_string().contains("an app is a folder, at most"),
        "{refused}"
    );
    team.nothing_comes_of_what_people_do();
}
