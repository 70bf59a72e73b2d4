//! Reading what lies beside each other: a partition, or a list that is written in parts.

use aws_sdk_dynamodb::types::Select;
use futures::future::try_join_all;
use nestling_domain::ids::Timestamp;

use super::{
    DynamoDb,
    items::{Item, PK, SK, decode, digits, item, keep, text, word},
    keys,
    trouble::Trouble,
};

/// Which items of a partition, by their sort keys.
#[derive(Debug, Clone)]
pub(super) enum Span {
    All,
    /// Those that begin so.
    Prefix(String),
    /// Those that come after this.
    After(String),
    /// Those that come before this.
    Before(String),
    /// Those from the one to the other, both included.
    Between(String, String),
}

/// Which items, and in which order.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) pk: String,
    pub(super) span: Span,
    pub(super) backwards: bool,
}

impl Query {
    /// Those of a partition that begin so, in order.
    pub(super) fn prefix(pk: impl Into<String>, prefix: &str) -> Self {
        Query {
            pk: pk.into(),
            span: Span::Prefix(prefix.to_owned()),
            backwards: false,
        }
    }

    /// All of a partition, in order.
    pub(super) fn all(pk: impl Into<String>) -> Self {
        Query {
            pk: pk.into(),
            span: Span::All,
            backwards: false,
        }
    }
}

impl DynamoDb {
    /// One record of the table of records.
    pub(super) async fn record<T: serde::de::DeserializeOwned>(
        &self,
        pk: &str,
        sk: &str,
    ) -> Result<Option<T>, Trouble> {
        let item = self.get(self.records(), pk, sk).await?;
        item.as_ref().map(decode).transpose()
    }

    /// The first `limit` records of a partition that can be read, in order.
    pub(super) async fn partition<T: serde::de::DeserializeOwned + Send>(
        &self,
        query: &Query,
        limit: usize,
    ) -> Result<Vec<T>, Trouble> {
        let mut records = Vec::new();
        let at_once = (limit < usize::MAX).then_some(limit);
        if limit == 0 {
            return Ok(records);
        }
        self.each(self.records(), query, at_once, |item| {
            keep(decode(&item), &mut records);
            records.len() < limit
        })
        .await?;
        Ok(records)
    }

    /// Gives the items to `take` until it wants no more, page after page, strongly consistent.
    pub(super) async fn each(
        &self,
        table: &str,
        query: &Query,
        at_once: Option<usize>,
        mut take: impl FnMut(Item) -> bool + Send,
    ) -> Result<(), Trouble> {
        let (condition, values) = match &query.span {
            Span::All => ("#pk = :pk", vec![]),
            Span::Prefix(prefix) => (
                "#pk = :pk AND begins_with(#sk, :a)",
                vec![(":a", prefix.clone())],
            ),
            Span::After(after) => ("#pk = :pk AND #sk > :a", vec![(":a", after.clone())]),
            Span::Before(before) => ("#pk = :pk AND #sk < :a", vec![(":a", before.clone())]),
            Span::Between(from, to) => (
                "#pk = :pk AND #sk BETWEEN :a AND :b",
                vec![(":a", from.clone()), (":b", to.clone())],
            ),
        };
        let mut request = self.0.client.query().table_name(table);
        request = request
            .consistent_read(true)
            .scan_index_forward(!query.backwards)
            .key_condition_expression(condition)
            .expression_attribute_names("#pk", PK)
            .expression_attribute_values(":pk", text(&query.pk))
            .set_limit(at_once.map(page_limit));
        if !matches!(query.span, Span::All) {
            request = request.expression_attribute_names("#sk", SK);
        }
        for (name, value) in values {
            request = request.expression_attribute_values(name, text(value));
        }
        let asked = format!("dynamodb:Query of {table}");
        let mut start = None;
        loop {
            let page = request.clone().set_exclusive_start_key(start);
            let answer = self.ask(&asked, || page.clone().send(), |_| None).await?;
            for item in answer.items.unwrap_or_default() {
                if !take(item) {
                    return Ok(());
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// The first `limit` items of the table of records.
    pub(super) async fn query(&self, query: &Query, limit: usize) -> Result<Vec<Item>, Trouble> {
        let mut items = Vec::new();
        let at_once = (limit < usize::MAX).then_some(limit);
        if limit == 0 {
            return Ok(items);
        }
        self.each(self.records(), query, at_once, |item| {
            items.push(item);
            items.len() < limit
        })
        .await?;
        Ok(items)
    }

    /// The first `limit` items of all parts of a list together.
    pub(super) async fn query_parts(
        &self,
        list: &str,
        span: Span,
        backwards: bool,
        limit: usize,
    ) -> Result<Vec<Item>, Trouble> {
        let parts: Vec<Query> = (0..keys::PARTS)
            .map(|part| Query {
                pk: keys::part(list, part),
                span: span.clone(),
                backwards,
            })
            .collect();
        let found = try_join_all(parts.iter().map(|part| self.query(part, limit))).await?;
        let mut items: Vec<Item> = found.into_iter().flatten().collect();
        items.sort_by(|a, b| word(a, SK).cmp(word(b, SK)));
        if backwards {
            items.reverse();
        }
        items.truncate(limit);
        Ok(items)
    }

    /// The partitions of the environments that the index names as due, earliest first. It may lag behind the table.
    pub(super) async fn due_in_index(
        &self,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, Trouble> {
        let parts = (0..keys::PARTS).map(|part| self.due_in_part(part, until, limit));
        let mut due: Vec<_> = try_join_all(parts).await?.into_iter().flatten().collect();
        due.sort();
        due.truncate(limit);
        Ok(due)
    }

    async fn due_in_part(
        &self,
        part: u32,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<(u64, String)>, Trouble> {
        let table = self.records();
        let request = self.0.client.query().table_name(table);
        let request = request
            .index_name(super::tables::DUE_INDEX)
            .select(Select::AllProjectedAttributes)
            .key_condition_expression("#part = :part AND #due <= :until")
            .expression_attribute_names("#part", super::tables::DUE_PART)
            .expression_attribute_names("#due", super::tables::DUE_AT)
            .expression_attribute_values(":part", text(keys::part(keys::DUE, part)))
            .expression_attribute_values(":until", digits(until.0))
            .set_limit(Some(page_limit(limit)));
        let asked = format!("dynamodb:Query of {table}");
        let (mut found, mut start) = (Vec::new(), None);
        while found.len() < limit {
            let page = request.clone().set_exclusive_start_key(start);
            let answer = self.ask(&asked, || page.clone().send(), |_| None).await?;
            found.extend(answer.items.unwrap_or_default().into_iter().map(|item| {
                let at = super::items::number(&item, super::tables::DUE_AT);
                (at.unwrap_or_default(), word(&item, PK).to_owned())
            }));
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// The keys of everything in a partition, to remove it.
    pub(super) async fn keys_in(&self, table: &str, pk: &str) -> Result<Vec<Item>, Trouble> {
        let mut found = Vec::new();
        self.each(table, &Query::all(pk), None, |one| {
            found.push(item(word(&one, PK), word(&one, SK)));
            true
        })
        .await?;
        Ok(found)
    }
}

/// DynamoDB takes a limit of at least 1.
fn page_limit(limit: usize) -> i32 {
    i32::try_from(limit.max(1)).unwrap_or(i32::MAX)
}
