//! What people and Apps say below a pull request.

use super::Author;

/// A comment.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Never changes.
    pub id: u64,
    /// The pull request or issue that it stands below.
    pub number: u64,
    /// Who wrote it.
    pub author: Author,
    /// In GitHub's Markdown.
    pub body: String,
    /// One per person and content.
    pub reactions: Vec<Reaction>,
    /// In milliseconds since 1970.
    pub created_at: i64,
    /// When its body changed last.
    pub updated_at: i64,
}

/// A small sign below a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// Never changes.
    pub id: u64,
    /// Whose it is.
    pub author: Author,
    /// `eyes`, `rocket`, `confused` and so on.
    pub content: String,
    /// In milliseconds since 1970.
    pub created_at: i64,
}
