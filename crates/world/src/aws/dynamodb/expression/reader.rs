//! Reads an expression from left to right.

use std::cmp::Ordering;

use super::{Condition, Operand, Words};
use crate::aws::dynamodb::{value::Value, wire::Fail};

/// Reads an expression from left to right.
pub(super) struct Reader<'a> {
    text: &'a str,
    words: &'a Words,
    tokens: Vec<String>,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, words: &'a Words) -> Result<Self, Fail> {
        let tokens = tokens(text)
            .ok_or_else(|| Fail::invalid(format!("Invalid expression: Syntax error; {text:?}")))?;
        if tokens.is_empty() {
            return Err(Fail::invalid(
                "Invalid expression: The expression can not be empty;",
            ));
        }
        Ok(Reader {
            text,
            words,
            tokens,
            at: 0,
        })
    }

    pub(super) fn wrong(&self) -> Fail {
        let near = self.tokens.get(self.at).map_or("its end", String::as_str);
        Fail::invalid(format!(
            "Invalid expression: Syntax error; near: {near:?} of {:?}",
            self.text
        ))
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.at += 1;
        token
    }

    pub(super) fn takes(&mut self, token: &str) -> bool {
        let is_it = self.peek().eq_ignore_ascii_case(token);
        self.at += usize::from(is_it);
        is_it
    }

    pub(super) fn sign(&mut self, sign: &str) -> Result<(), Fail> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(self.wrong())
    }

    /// The next word in capitals, unless it is the end.
    pub(super) fn word(&mut self) -> Option<String> {
        (!self.peek().is_empty()).then(|| self.next().to_ascii_uppercase())
    }

    pub(super) fn end(&self) -> Result<(), Fail> {
        if self.peek().is_empty() {
            return Ok(());
        }
        Err(self.wrong())
    }

    pub(super) fn attribute(&mut self) -> Result<String, Fail> {
        if !self.peek().starts_with('#') {
            return Err(self.wrong());
        }
        let placeholder = self.next();
        self.words.name(&placeholder)
    }

    pub(super) fn value(&mut self) -> Result<Value, Fail> {
        if !self.peek().starts_with(':') {
            return Err(self.wrong());
        }
        let placeholder = self.next();
        self.words.value(&placeholder)
    }

    pub(super) fn operand(&mut self) -> Result<Operand, Fail> {
        let first = self.one_operand()?;
        if self.takes("+") {
            let second = self.one_operand()?;
            return Ok(Operand::Sum(Box::new(first), Box::new(second)));
        }
        Ok(first)
    }

    fn one_operand(&mut self) -> Result<Operand, Fail> {
        if self.takes("if_not_exists") {
            self.sign("(")?;
            let name = self.attribute()?;
            self.sign(",")?;
            let other = self.one_operand()?;
            self.sign(")")?;
            return Ok(Operand::Else(name, Box::new(other)));
        }
        if self.peek().starts_with('#') {
            return self.attribute().map(Operand::Attribute);
        }
        self.value().map(Operand::Value)
    }

    pub(super) fn or(&mut self) -> Result<Condition, Fail> {
        let mut condition = self.and()?;
        while self.takes("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.and()?));
        }
        Ok(condition)
    }

    fn and(&mut self) -> Result<Condition, Fail> {
        let mut condition = self.not()?;
        while self.takes("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.not()?));
        }
        Ok(condition)
    }

    fn not(&mut self) -> Result<Condition, Fail> {
        if self.takes("NOT") {
            return Ok(Condition::Not(Box::new(self.not()?)));
        }
        if self.takes("(") {
            let condition = self.or()?;
            self.sign(")")?;
            return Ok(condition);
        }
        self.one_condition()
    }

    fn one_condition(&mut self) -> Result<Condition, Fail> {
        for (function, is) in [
            (
                "attribute_exists",
                Condition::Exists as fn(String) -> Condition,
            ),
            ("attribute_not_exists", Condition::Absent),
        ] {
            if self.peek() == function {
                self.next();
                self.sign("(")?;
                let name = self.attribute()?;
                self.sign(")")?;
                return Ok(is(name));
            }
        }
        if self.peek() == "begins_with" {
            self.next();
            self.sign("(")?;
            let name = self.attribute()?;
            self.sign(",")?;
            let start = self.value()?;
            self.sign(")")?;
            return Ok(Condition::Begins(name, start));
        }
        let name = self.attribute()?;
        if self.takes("BETWEEN") {
            let from = self.value()?;
            self.sign("AND")?;
            let to = self.value()?;
            if from.compare(&to).is_none_or(Ordering::is_gt) {
                return Err(Fail::invalid(
                    "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
                ));
            }
            return Ok(Condition::Between(name, from, to));
        }
        let how = self.next();
        let known = ["=", "<>", "<=", ">=", "<", ">"];
        let Some(how) = known.into_iter().find(|known| *known == how) else {
            return Err(self.wrong());
        };
        Ok(Condition::Compare(name, how, self.value()?))
    }
}

fn tokens(text: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = if is_word(first) || first == '#' || first == ':' {
            let after = rest[1..].find(|c| !is_word(c));
            after.map_or(rest.len(), |after| after + 1)
        } else if ["<>", "<=", ">="].iter().any(|two| rest.starts_with(two)) {
            2
        } else if "()=<>,+".contains(first) {
            1
        } else {
            return None;
        };
        tokens.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Some(tokens)
}
