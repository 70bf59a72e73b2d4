//! Check runs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Asking,
    contents::{broken, no_commit},
    text,
};
use crate::github::{
    state::{Access, Button, CheckRun, Output},
    wire::{Answer, Answered, page},
};

const READ: Access = Access::read(&["checks"]);
const WRITE: Access = Access::write(&["checks"]);
/// Buttons of one run, and characters of a label, a description and an identifier.
const BUTTONS: usize = 3;
const LABEL: usize = 20;
const BUTTON_TEXT: usize = 40;
/// Characters of a summary and of a text.
const OUTPUT: usize = 65_535;
const STATUSES: [&str; 3] = ["queued", "in_progress", "completed"];
const CONCLUSIONS: [&str; 7] = [
    "success",
    "failure",
    "neutral",
    "cancelled",
    "skipped",
    "timed_out",
    "action_required",
];

impl Asking<'_> {
    pub(super) fn check_run(&self, id: u64, run: u64) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let run = repository
            .check_runs
            .get(&run)
            .ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(self.state.show_check_run(repository, run)))
    }

    pub(super) fn check_runs_of(&self, id: u64, of: &str) -> Answered {
        self.admit(id, READ)?;
        let repository = self.at(id)?;
        let sha = self.state.git(id).meant(of).ok_or_else(|| no_commit(of))?;
        let asked = |name: &str| self.request.parameter(name);
        let fits = |run: &&CheckRun| {
            run.head_sha == sha
                && asked("check_name").is_none_or(|name| name == run.name)
                && asked("status").is_none_or(|status| status == run.status)
                && asked("app_id").is_none_or(|app| app == run.app.to_string())
        };
        let mut runs: Vec<&CheckRun> = repository.check_runs.values().filter(fits).collect();
        if asked("filter") != Some("all") {
            // The newest of each name, as `latest` says.
            let newest = runs.iter().map(|run| ((run.app, &run.name), *run));
            runs = newest.collect::<BTreeMap<_, _>>().into_values().collect();
        }
        runs.sort_by_key(|run| std::cmp::Reverse(run.id));
        let total = runs.len();
        let shown = runs
            .into_iter()
            .map(|run| self.state.show_check_run(repository, run));
        let page = page(self.request, &self.state.base, shown.collect());
        Ok(page.counted("check_runs", total))
    }

    pub(super) fn create_check_run(&mut self, id: u64) -> Answered {
        self.admit(id, WRITE)?;
        let app = self.writing_app()?;
        let body = self.request.json()?;
        let missing = |field| Answer::invalid("CheckRun", field, "missing_field", "");
        let name = text(&body, "name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| missing("name"))?.to_owned();
        let sha = text(&body, "head_sha").ok_or_else(|| missing("head_sha"))?;
        let sha = self
            .state
            .git(id)
            .resolve(sha)
            .ok_or_else(|| no_commit(sha))?;
        self.may_write()?;
        let suite = self.state.suite(id, app, &sha).map_err(broken)?;
        let mut run = CheckRun {
            id: self.state.next_id(),
            app,
            name,
            head_sha: sha,
            status: "queued".into(),
            conclusion: None,
            external_id: None,
            details_url: None,
            output: Output::default(),
            actions: Vec::new(),
            suite,
            started_at: Some(self.state.now()),
            completed_at: None,
        };
        self.write(&mut run, &body)?;
        let number = run.id;
        self.at_mut(id)?.check_runs.insert(number, run);
        self.wrote(id, "check run created", number);
        self.state.tell_of_check_run(id, number, "created");
        let mut answer = self.check_run(id, number)?;
        answer.status = 201;
        Ok(answer)
    }

    pub(super) fn change_check_run(&mut self, id: u64, number: u64) -> Answered {
        self.admit(id, WRITE)?;
        let app = self.writing_app()?;
        let body = self.request.json()?;
        let run = self.at(id)?.check_runs.get(&number);
        let mut run = run.ok_or_else(Answer::not_found)?.clone();
        if run.app != app {
            return Err(Answer::error(
                403,
                &format!(
                    "Invalid app_id `{app}` - check run can only be modified by the GitHub App that created it."
                ),
            ));
        }
        self.may_write()?;
        let was = run.status.clone();
        self.write(&mut run, &body)?;
        let completed = run.status == "completed" && was != "completed";
        self.at_mut(id)?.check_runs.insert(number, run);
        self.wrote(id, "check run changed", number);
        if completed {
            self.state.tell_of_check_run(id, number, "completed");
        }
        self.check_run(id, number)
    }

    /// Puts what the body says into the run.
    fn write(&self, run: &mut CheckRun, body: &Value) -> Result<(), Answer> {
        let wrong = |field, words: &str| Answer::invalid("CheckRun", field, "invalid", words);
        let given = |field: &str| text(body, field).map(str::to_owned);
        if let Some(name) = given("name") {
            run.name = name;
        }
        if let Some(url) = given("details_url") {
            run.details_url = Some(url);
        }
        if let Some(external) = given("external_id") {
            run.external_id = Some(external);
        }
        if let Some(status) = given("status") {
            if !STATUSES.contains(&status.as_str()) {
                return Err(wrong("status", "is not a status of a check run"));
            }
            if status != "completed" {
                (run.conclusion, run.completed_at) = (None, None);
            }
            run.status = status;
        }
        if let Some(conclusion) = given("conclusion") {
            if !CONCLUSIONS.contains(&conclusion.as_str()) {
                return Err(wrong("conclusion", "is not a conclusion of a check run"));
            }
            run.status = "completed".into();
            run.conclusion = Some(conclusion);
            run.completed_at = Some(self.state.now());
        }
        if run.status == "completed" && run.conclusion.is_none() {
            return Err(wrong(
                "conclusion",
                "is required when a check run is completed",
            ));
        }
        if let Some(output) = body.get("output").filter(|output| output.is_object()) {
            run.output = read_output(output)?;
        }
        if let Some(actions) = body.get("actions").and_then(Value::as_array) {
            run.actions = read_actions(actions)?;
        }
        Ok(())
    }
}

fn read_output(output: &Value) -> Result<Output, Answer> {
    let part = |field: &str| text(output, field).map(str::to_owned);
    let read = Output {
        title: part("title"),
        summary: part("summary"),
        text: part("text"),
    };
    let wrong = |words: &str| Answer::invalid("CheckRun", "output", "invalid", words);
    if read.title.is_none() || read.summary.is_none() {
        return Err(wrong("title and summary are both needed"));
    }
    let long = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|text| text.chars().count() > OUTPUT)
    };
    if long(&read.summary) || long(&read.text) {
        return Err(wrong("Only 65535 characters are allowed"));
    }
    Ok(read)
}

fn read_actions(actions: &[Value]) -> Result<Vec<Button>, Answer> {
    let wrong = |words: &str| Answer::invalid("CheckRun", "actions", "invalid", words);
    if actions.len() > BUTTONS {
        return Err(wrong("No more than 3 actions are allowed"));
    }
    let part = |action: &Value, field: &str, most: usize| {
        let given =
            text(action, field).filter(|text| !text.is_empty() && text.chars().count() <= most);
        let words = format!("{field} is needed, with at most {most} characters");
        given.map(str::to_owned).ok_or_else(|| wrong(&words))
    };
    let read = actions.iter().map(|action| {
        Ok(Button {
            label: part(action, "label", LABEL)?,
            description: part(action, "description", BUTTON_TEXT)?,
            identifier: part(action, "identifier", LABEL)?,
        })
    });
    read.collect()
}
