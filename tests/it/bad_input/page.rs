//! What a page tells somebody in trouble, as text.

use html5ever::{ParseOpts, parse_document, tendril::TendrilSink as _};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// What says how an environment is, or what is wrong: by class or role.
const TELLING: [&str; 4] = ["notice", "status", "reason", "todo"];

/// The parts of a page that say what is wrong, one a line.
pub(super) fn notices(answer: &str) -> String {
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(page);
    let mut lines = Vec::new();
    walk(&dom.document, &mut lines);
    lines.join("\n")
}

fn walk(node: &Handle, lines: &mut Vec<String>) {
    if let NodeData::Element { attrs, .. } = &node.data {
        let attributes = attrs.borrow();
        let telling = attributes.iter().any(|attribute| {
            let name = &*attribute.name.local;
            let words = attribute.value.split_whitespace();
            matches!(name, "class" | "role")
                && words.into_iter().any(|word| TELLING.contains(&word))
        });
        if telling {
            let mut text = String::new();
            gather(node, &mut text);
            let words: Vec<&str> = text.split_whitespace().collect();
            // What the script says of its own connection is not about the app.
            if words != ["Connecting"] {
                lines.push(words.join(" "));
            }
            return;
        }
    }
    for child in node.children.borrow().iter() {
        walk(child, lines);
    }
}

fn gather(node: &Handle, text: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
        text.push(' ');
    }
    for child in node.children.borrow().iter() {
        gather(child, text);
    }
}

/// Columns that `ps` gives a note.
const NOTE: usize = 76;

/// What `ps` says, with its notes unbroken: where they break depends on how long a path is.
pub(super) fn unbroken(ps: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    // The room that the line before has left, if it is one of a note.
    let mut room = None;
    for line in ps.lines() {
        let note = line
            .strip_prefix("    ")
            .filter(|rest| !rest.starts_with("http"));
        let Some(note) = note else {
            room = None;
            lines.push(line.to_owned());
            continue;
        };
        let word = note.split(' ').next().unwrap_or_default().chars().count();
        // Only a word that did not fit is on a line of its own.
        match lines
            .last_mut()
            .filter(|_| room.is_some_and(|room| word + 1 > room))
        {
            Some(last) => {
                last.push(' ');
                last.push_str(note);
            }
            None => lines.push(line.to_owned()),
        }
        room = Some(NOTE.saturating_sub(note.chars().count()));
    }
    lines.join("\n")
}

/// A line of the server's log without its time and its fields.
pub(super) fn said(line: &str) -> &str {
    let said = line.split_once("Z ").map_or(line, |(_, said)| said).trim();
    let fields = [" environment.id=", " repository.id=", " key.file="];
    let end = fields.iter().filter_map(|field| said.find(field)).min();
    &said[..end.unwrap_or(said.len())]
}

/// Commits and long numbers become `#`: they differ from run to run.
pub(super) fn without_numbers(text: &str) -> String {
    let mut tidied = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        tidied.push_str(if differs(&word) { "#" } else { &word });
        word.clear();
        tidied.push(c);
    }
    tidied.pop();
    tidied
}

fn differs(word: &str) -> bool {
    let digits = word.chars().all(|c| c.is_ascii_digit());
    let hex = word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'));
    (digits && word.len() >= 4) || (hex && word.len() >= 7)
}
