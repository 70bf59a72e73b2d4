//! What a team sees of a pull request, and what runs for it.

use std::{collections::BTreeSet, path::PathBuf};

use super::{Flow, Pull, Storm};
use crate::{
    github::SHOP,
    kill::number,
    sight::{self, Machine},
};

impl Storm {
    /// How a flow ends, in the words of who reads the pull request.
    pub(super) fn is_right(&self, flow: Flow, pull: &Pull) -> bool {
        let runs = !matches!(flow, Flow::Closed);
        let (word, last) = match flow {
            Flow::Opened | Flow::Pushed => ("Running", "success"),
            Flow::Closed => ("Removed", "inactive"),
        };
        let newest = pull.commits.last().map_or("", String::as_str);
        let on_github = self.team.github.look(|state| {
            let comments = state.see_comments(SHOP, pull.number).unwrap();
            let deployments = state.see_deployments(SHOP).unwrap();
            let mut ours = deployments
                .iter()
                .filter(|one| pull.commits.contains(&one.sha));
            let checks = pull.commits.iter();
            let mut checks = checks.flat_map(|commit| state.see_check_runs(SHOP, commit).unwrap());
            comments.len() == 1
                && comments[0].body.contains(word)
                && checks.all(|check| check.conclusion.as_deref() == Some("success"))
                && ours.clone().count() == pull.commits.len()
                && ours.all(|one| one.state() == if one.sha == newest { last } else { "inactive" })
        });
        let serving = runs.then_some(u32::try_from(pull.commits.len()).unwrap());
        let view = self.team.server.view(&pull.name());
        on_github
            && number(&view["serving"]) == serving
            && view["next"].is_null()
            && self.machines(pull) == Vec::from_iter(serving)
    }

    /// All that a team sees of the last two commits, and what runs for them.
    pub(super) fn seen(&self, pull: &Pull) -> Vec<String> {
        let mut seen = self.on_github(pull);
        let view = self.team.server.view(&pull.name());
        let newest = i64::try_from(pull.commits.len()).unwrap();
        let history = self.team.server.deployments(&pull.name());
        let history = history.iter().take(2).map(|one| {
            let behind = one["number"].as_i64().unwrap_or_default() - newest;
            format!("{behind} {} {}", one["status"], one["cause"])
        });
        let history: Vec<String> = history.collect();
        let machines = self.machines(pull).into_iter();
        let machines: Vec<i64> = machines.map(|one| i64::from(one) - newest).collect();
        let data = self.environment_folder(pull).join("state").exists();
        seen.push(format!(
            "it is {} with machines {machines:?}, data: {data}, failure {}, deployments {history:?}",
            view["status"], view["failure"]
        ));
        seen
    }

    pub(super) fn on_github(&self, pull: &Pull) -> Vec<String> {
        self.team.github.look(|state| {
            let comments = state.see_comments(SHOP, pull.number).unwrap();
            let mut seen: Vec<String> = comments
                .iter()
                .map(|comment| format!("comment: {}", plain(&comment.body, pull)))
                .collect();
            let deployments = state.see_deployments(SHOP).unwrap();
            for commit in pull.commits.iter().rev().take(2) {
                let checks = state.see_check_runs(SHOP, commit).unwrap();
                seen.extend(checks.iter().map(|check| {
                    let (output, conclusion) = (&check.output, &check.conclusion);
                    let summary = output.summary.as_deref().unwrap_or_default();
                    let title = output.title.as_deref().unwrap_or_default();
                    let line = format!("check: {conclusion:?} {title}: {summary}");
                    plain(&line, pull)
                }));
                let ours = deployments.iter().filter(|one| one.sha == *commit);
                seen.extend(ours.map(|one| {
                    let last = one.statuses.last();
                    let url = last.map_or("", |last| &last.environment_url);
                    plain(
                        &format!("deployment: {} {} {url}", one.environment, one.state()),
                        pull,
                    )
                }));
            }
            seen
        })
    }

    /// The generations of its machines: those that live, and those that left a folder.
    fn machines(&self, pull: &Pull) -> Vec<u32> {
        let data = &self.team.server.data;
        let own = self.machine(pull, 0).0;
        let alive = sight::alive(data).into_keys();
        let all: BTreeSet<Machine> = alive.chain(sight::folders(data)).collect();
        let ours = all
            .into_iter()
            .filter(|(environment, _)| *environment == own);
        ours.map(|(_, generation)| generation).collect()
    }

    pub(super) fn machine(&self, pull: &Pull, deployment: usize) -> Machine {
        let generation = u32::try_from(deployment).unwrap();
        sight::machine(&self.team.server.data, &pull.kind(), generation)
    }

    fn environment_folder(&self, pull: &Pull) -> PathBuf {
        let machine = sight::folder(&self.team.server.data, &self.machine(pull, 1));
        machine.parent().unwrap().to_owned()
    }
}

/// A text in which nothing is told of one pull request, of its commits or of a moment.
fn plain(text: &str, pull: &Pull) -> String {
    let mut plain = text.to_owned();
    for (age, commit) in pull.commits.iter().rev().enumerate() {
        plain = plain.replace(commit.as_str(), &format!("commit-{age}"));
        plain = plain.replace(&commit[..7], &format!("short-{age}"));
    }
    plain = plain.replace(&pull.kind(), "pr-N");
    plain = plain.replace(&format!("{} -->", pull.number), "N -->");
    let words = plain.split_inclusive(|letter: char| {
        !letter.is_alphanumeric() && letter != '-' && letter != '_'
    });
    let words = words.map(|word| {
        if word.len() > 30 || is_moment(word) {
            "…"
        } else {
            word
        }
    });
    words.collect()
}

/// Whether it is a part of `2026-03-07 09:05`.
fn is_moment(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    !letters && digits >= 2
}
