//! Comments below pull requests and issues, and reactions to them.

use serde_json::Value;

use super::{Asking, text};
use crate::github::{
    show::REACTIONS,
    state::{Access, Comment, Level, Reaction},
    wire::{Answer, Answered, page},
};

/// In characters.
const LONGEST: usize = 65_536;
const ISSUES: &[&str] = &["issues"];
/// A comment below a pull request is covered by either permission.
const EITHER: &[&str] = &["issues", "pull_requests"];

impl Asking<'_> {
    pub(super) fn comments(&self, id: u64, number: u64) -> Answered {
        self.below(id, number, Level::Read)?;
        self.shown(id, |comment| comment.number == number)
    }

    /// Of all pull requests and issues of a repository.
    pub(super) fn all_comments(&self, id: u64) -> Answered {
        let (any_of, level) = (EITHER, Level::Read);
        self.admit(id, Access { any_of, level })?;
        self.shown(id, |_| true)
    }

    /// In the order of their numbers, which is that of their making.
    fn shown(&self, id: u64, wanted: impl Fn(&Comment) -> bool) -> Answered {
        let repository = self.at(id)?;
        let since = self.request.parameter("since");
        let all = repository.comments.values();
        let shown = all
            .filter(|comment| wanted(comment))
            .filter(|comment| {
                since.is_none_or(|since| {
                    crate::github::clock::iso(comment.updated_at).as_str() >= since
                })
            })
            .map(|comment| self.state.show_comment(repository, comment));
        Ok(page(self.request, &self.state.base, shown.collect()).answer())
    }

    pub(super) fn comment(&self, id: u64, comment: u64) -> Answered {
        let found = self.found(id, comment, Level::Read)?;
        Ok(Answer::ok(self.state.show_comment(self.at(id)?, found)))
    }

    pub(super) fn create_comment(&mut self, id: u64, number: u64) -> Answered {
        self.below(id, number, Level::Write)?;
        let author = self.author()?;
        let body = self.body()?;
        self.may_write()?;
        let comment = self.state.add_comment(id, number, author, body)?;
        self.wrote(id, "comment created", comment);
        let repository = self.at(id)?;
        let found = repository
            .comments
            .get(&comment)
            .ok_or_else(Answer::not_found)?;
        let shown = self.state.show_comment(repository, found);
        let location = shown["url"].as_str().unwrap_or_default().to_owned();
        Ok(Answer::created(shown).with("location", location))
    }

    pub(super) fn change_comment(&mut self, id: u64, comment: u64) -> Answered {
        let author = self.author()?;
        let own = self.found(id, comment, Level::Write)?.author == author;
        let body = self.body()?;
        self.may_write()?;
        self.state.change_comment(id, comment, &author, body)?;
        self.wrote_on(id, "comment changed", comment, own);
        self.comment(id, comment)
    }

    pub(super) fn delete_comment(&mut self, id: u64, comment: u64) -> Answered {
        let author = self.author()?;
        let own = self.found(id, comment, Level::Write)?.author == author;
        self.state.remove_comment(id, comment, &author)?;
        self.wrote_on(id, "comment deleted", comment, own);
        Ok(Answer::empty())
    }

    pub(super) fn reactions(&self, id: u64, comment: u64) -> Answered {
        let found = self.found(id, comment, Level::Read)?;
        let wanted = self.request.parameter("content");
        let all = found.reactions.iter();
        let shown = all
            .filter(|reaction| wanted.is_none_or(|wanted| wanted == reaction.content))
            .map(|reaction| self.state.show_reaction(reaction));
        Ok(page(self.request, &self.state.base, shown.collect()).answer())
    }

    pub(super) fn react(&mut self, id: u64, comment: u64) -> Answered {
        let found = self.found(id, comment, Level::Write)?;
        let author = self.author()?;
        let body = self.request.json()?;
        let content = text(&body, "content").unwrap_or_default().to_owned();
        if !REACTIONS.contains(&content.as_str()) {
            return Err(Answer::invalid("Reaction", "content", "invalid", ""));
        }
        let mut had = found.reactions.iter();
        let had = had
            .find(|had| had.author == author && had.content == content)
            .cloned();
        if let Some(had) = had {
            return Ok(Answer::ok(self.state.show_reaction(&had)));
        }
        self.may_write()?;
        let reaction = Reaction {
            id: self.state.next_id(),
            author,
            content,
            created_at: self.state.now(),
        };
        let shown = self.state.show_reaction(&reaction);
        self.wrote(id, "reaction created", reaction.id);
        self.reactions_of(id, comment)?.push(reaction);
        Ok(Answer::created(shown))
    }

    pub(super) fn take_back(&mut self, id: u64, comment: u64, reaction: u64) -> Answered {
        self.found(id, comment, Level::Write)?;
        let reactions = self.reactions_of(id, comment)?;
        let before = reactions.len();
        reactions.retain(|one| one.id != reaction);
        if reactions.len() == before {
            return Err(Answer::not_found());
        }
        self.wrote(id, "reaction deleted", reaction);
        Ok(Answer::empty())
    }

    fn reactions_of(&mut self, id: u64, comment: u64) -> Result<&mut Vec<Reaction>, Answer> {
        let found = self.at_mut(id)?.comments.get_mut(&comment);
        Ok(&mut found.ok_or_else(Answer::not_found)?.reactions)
    }

    /// A body that is neither empty nor too long.
    fn body(&self) -> Result<String, Answer> {
        let body: Value = self.request.json()?;
        let given = text(&body, "body").unwrap_or_default();
        if given.trim().is_empty() {
            return Err(Answer::invalid("IssueComment", "body", "missing_field", ""));
        }
        if given.chars().count() > LONGEST {
            let words = format!("body is too long (maximum is {LONGEST} characters)");
            return Err(Answer::invalid("IssueComment", "body", "custom", &words));
        }
        Ok(given.to_owned())
    }

    /// Whether the asker may do this below that pull request or issue.
    fn below(&self, id: u64, number: u64, level: Level) -> Result<(), Answer> {
        let repository = self.at(id)?;
        let pull = repository.pull_requests.contains_key(&number);
        let any_of = if pull { EITHER } else { ISSUES };
        self.admit(id, Access { any_of, level })?;
        if pull || repository.issues.contains_key(&number) {
            return Ok(());
        }
        Err(Answer::not_found())
    }

    fn found(&self, id: u64, comment: u64, level: Level) -> Result<&Comment, Answer> {
        let found = self.at(id)?.comments.get(&comment);
        let Some(found) = found else {
            self.admit(
                id,
                Access {
                    any_of: EITHER,
                    level,
                },
            )?;
            return Err(Answer::not_found());
        };
        self.below(id, found.number, level)?;
        Ok(found)
    }
}
