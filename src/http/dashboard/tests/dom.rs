//! A page, parsed as a browser parses it.

use html5ever::{ParseOpts, parse_document, tendril::TendrilSink as _};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// An element of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name.
    pub(super) name: String,
    /// Its attributes.
    pub(super) attributes: Vec<(String, String)>,
    /// All text within it.
    pub(super) text: String,
    /// The names of the elements around it, outermost first.
    pub(super) within: Vec<String>,
}

impl Element {
    /// The value of an attribute.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// All elements of a page, in order.
pub(super) fn elements(page: &str) -> Vec<Element> {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(page);
    let mut all = Vec::new();
    walk(&dom.document, &mut Vec::new(), &mut all);
    all
}

fn walk(node: &Handle, within: &mut Vec<String>, all: &mut Vec<Element>) {
    let mut name = None;
    if let NodeData::Element {
        name: element,
        attrs,
        ..
    } = &node.data
    {
        let attributes = attrs
            .borrow()
            .iter()
            .map(|one| (one.name.local.to_string(), one.value.to_string()))
            .collect();
        name = Some(element.local.to_string());
        let mut text = String::new();
        gather(node, &mut text);
        all.push(Element {
            name: element.local.to_string(),
            attributes,
            text,
            within: within.clone(),
        });
    }
    within.extend(name.clone());
    for child in node.children.borrow().iter() {
        walk(child, within, all);
    }
    if name.is_some() {
        within.pop();
    }
}

fn gather(node: &Handle, text: &mut String) {
    if let NodeData::Text { contents } = &node.data {
        text.push_str(&contents.borrow());
    }
    for child in node.children.borrow().iter() {
        gather(child, text);
    }
}
