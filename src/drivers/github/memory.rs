//! What GitHub answered before, so that it can say that nothing has changed: such an answer counts against no limit.
//!
//! GitHub's documentation, "Best practices for using the REST API": make conditional requests with `If-None-Match`.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hyper::{HeaderMap, header::ETAG};

use super::limits::Who;

/// How many bytes of answers are remembered in all: a thousand pull requests with what is asked about each.
const MOST_BYTES: usize = 16 << 20;
/// A longer answer is not remembered: one listing would push out everything else.
const LONGEST: usize = 1 << 20;

/// An answer of before.
#[derive(Debug, Clone)]
pub(super) struct Before {
    /// What GitHub calls this state of it.
    pub(super) etag: String,
    /// Its head, which says where a listing goes on.
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<(Who, String), Before>,
    bytes: usize,
}

impl Memory {
    /// What was answered to this one at this path.
    pub(super) fn before(&self, who: Who, path: &str) -> Option<Before> {
        self.kept().answers.get(&(who, path.to_owned())).cloned()
    }

    /// Remembers an answer, when GitHub gives it a name.
    pub(super) fn remember(&self, who: Who, path: &str, headers: &HeaderMap, body: &[u8]) {
        let etag = headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        let Some(etag) = etag.filter(|_| body.len() <= LONGEST) else {
            return;
        };
        let before = Before {
            etag: etag.to_owned(),
            headers: headers.clone(),
            body: body.to_vec(),
        };
        let mut kept = self.kept();
        if kept.bytes + body.len() > MOST_BYTES {
            // Begun anew, which costs one full answer each: what is asked for often is soon there again.
            *kept = Kept::default();
        }
        kept.bytes += body.len();
        let gone = kept.answers.insert((who, path.to_owned()), before);
        kept.bytes -= gone.map_or(0, |gone| gone.body.len());
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let memory = Memory::default();
        let mut headers = HeaderMap::new();
        memory.remember(None, "/nameless", &headers, b"x");
        assert!(memory.before(None, "/nameless").is_none());
        headers.insert(ETAG, HeaderValue::from_static("\"1\""));
        memory.remember(None, "/long", &headers, &vec![0; LONGEST + 1]);
        assert!(memory.before(None, "/long").is_none());
        for number in 0..40 {
            memory.remember(Some(1), &format!("/{number}"), &headers, &vec![0; LONGEST]);
            assert!(memory.kept().bytes <= MOST_BYTES);
        }
        let last = memory.before(Some(1), "/39").unwrap();
        assert_eq!((&*last.etag, last.body.len()), ("\"1\"", LONGEST));
        assert!(memory.before(Some(2), "/39").is_none(), "it is another's");
        memory.remember(Some(1), "/39", &headers, b"short");
        let bytes: usize = memory
            .kept()
            .answers
            .values()
            .map(|one| one.body.len())
            .sum();
        assert_eq!(memory.kept().bytes, bytes);
    }
}
