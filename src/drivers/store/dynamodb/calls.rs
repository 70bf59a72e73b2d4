//! The operations of DynamoDB that the store uses, each tried until its outcome is known or its time is over.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        transact_write_items::TransactWriteItemsError,
        update_item::builders::UpdateItemFluentBuilder,
    },
    types::{DeleteRequest, KeysAndAttributes, PutRequest, ReturnValue, WriteRequest},
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    DynamoDb,
    items::{Item, PK, SK, item, word},
    keys,
    transaction::{Condition, Transaction},
    trouble::{Trouble, Verdict, judge},
};
use crate::drivers::chance;

/// Tries of one request, the first one included.
const TRIES: u32 = 12;
/// The wait before the second try is this at most; before each further one twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(20);
/// No wait between two tries is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Items of one `BatchGetItem`, as DynamoDB limits it.
const READ_BATCH: usize = 100;
/// Items of one `BatchWriteItem`, as DynamoDB limits it.
const WRITE_BATCH: usize = 25;

/// A wait by chance, so that those who failed together do not come back together.
pub(super) fn wait(tried: u32) -> Duration {
    let longest = FIRST_WAIT
        .saturating_mul(1 << tried.min(10))
        .min(LONGEST_WAIT);
    longest.mul_f64(f64::from(chance::byte()) / 255.0)
}

impl DynamoDb {
    /// Asks until the outcome is known. Whatever is asked here may be done twice: it reads, or writes what it says whatever is
    /// there, or carries a token, or is known again by whoever asks.
    pub(super) async fn ask<T, E, F>(
        &self,
        asked: &str,
        send: impl Fn() -> F,
        explain: impl Fn(&SdkError<E, HttpResponse>) -> Option<Verdict>,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.ask_while(asked, || Ok(()), send, explain).await
    }

    /// Asks for a write as [`DynamoDb::ask`] does, and no try begins when this server may not write.
    async fn ask_to_write<T, E, F>(&self, asked: &str, send: impl Fn() -> F) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.ask_while(asked, || self.0.permit.check(), send, |_| None)
            .await
    }

    async fn ask_while<T, E, F>(
        &self,
        asked: &str,
        may: impl Fn() -> Result<(), Trouble>,
        send: impl Fn() -> F,
        explain: impl Fn(&SdkError<E, HttpResponse>) -> Option<Verdict>,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let until = Instant::now() + self.0.settings.all_tries;
        let (mut last, mut unclear) = (String::new(), None);
        for tried in 0..TRIES {
            may()?;
            let Ok(outcome) = timeout_at(until, Box::pin(send())).await else {
                unclear = Some("no answer came in time".to_owned());
                break;
            };
            let error = match outcome {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match explain(&error).unwrap_or_else(|| judge(asked, &self.0.region, &error)) {
                Verdict::Final(trouble) => return Err(trouble),
                Verdict::Busy(why) => last = why,
                Verdict::Unclear(why) => unclear = Some(why),
            }
            let wait = wait(tried);
            if Instant::now() + wait >= until {
                break;
            }
            sleep(wait).await;
        }
        Err(Trouble::Unknown(unclear.unwrap_or(last)))
    }

    /// One item, strongly consistent.
    pub(super) async fn get(
        &self,
        table: &str,
        pk: &str,
        sk: &str,
    ) -> Result<Option<Item>, Trouble> {
        let request = self.0.client.get_item().table_name(table);
        let request = request.set_key(Some(item(pk, sk))).consistent_read(true);
        let asked = format!("dynamodb:GetItem of {table}");
        let answer = self
            .ask(&asked, || request.clone().send(), |_| None)
            .await?;
        Ok(answer.item)
    }

    /// The items of these keys that are there, strongly consistent, in the order of the keys.
    pub(super) async fn get_all(
        &self,
        table: &str,
        keys: &[(String, String)],
    ) -> Result<Vec<Item>, Trouble> {
        let mut found: HashMap<(String, String), Item> = HashMap::new();
        for keys in keys.chunks(READ_BATCH) {
            let mut left: Vec<Item> = keys.iter().map(|(pk, sk)| item(pk, sk)).collect();
            let mut tried = 0;
            while !left.is_empty() {
                let (items, unread) = self.get_batch(table, left).await?;
                let keyed = items.into_iter().map(|item| {
                    let key = (word(&item, PK).to_owned(), word(&item, SK).to_owned());
                    (key, item)
                });
                found.extend(keyed);
                left = unread;
                if !left.is_empty() {
                    tried = again(table, tried).await?;
                }
            }
        }
        Ok(keys.iter().filter_map(|key| found.remove(key)).collect())
    }

    /// What of these was read, and the keys of what was not.
    async fn get_batch(
        &self,
        table: &str,
        keys: Vec<Item>,
    ) -> Result<(Vec<Item>, Vec<Item>), Trouble> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys));
        let wanted = wanted.consistent_read(true).build().map_err(unbuilt)?;
        let request = self.0.client.batch_get_item().request_items(table, wanted);
        let asked = format!("dynamodb:BatchGetItem of {table}");
        let answer = self
            .ask(&asked, || request.clone().send(), |_| None)
            .await?;
        let items = answer.responses.unwrap_or_default().remove(table);
        let unread = answer.unprocessed_keys.unwrap_or_default().remove(table);
        let unread = unread.map(|unread| unread.keys).unwrap_or_default();
        Ok((items.unwrap_or_default(), unread))
    }

    /// Puts an item, whatever is there.
    pub(super) async fn put(&self, table: &str, item: Item) -> Result<(), Trouble> {
        let request = self.0.client.put_item().table_name(table);
        let request = request.set_item(Some(item));
        let asked = format!("dynamodb:PutItem of {table}");
        self.ask_to_write(&asked, || request.clone().send()).await?;
        Ok(())
    }

    /// Puts an item under a condition, and says how often that was asked for. A condition that the first try does not meet is somebody
    /// else's doing; one that a later try does not meet may be an earlier one's, whose answer was lost.
    pub(super) async fn put_if(
        &self,
        table: &str,
        item: Item,
        condition: &Condition,
    ) -> (Result<(), Trouble>, usize) {
        let request = self.0.client.put_item().table_name(table);
        let request = request
            .set_item(Some(item))
            .set_condition_expression(condition.expression())
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values());
        let asked = format!("dynamodb:PutItem of {table}");
        let tries = AtomicUsize::new(0);
        let send = || {
            tries.fetch_add(1, Ordering::Relaxed);
            request.clone().send()
        };
        let outcome = self.ask_to_write(&asked, send).await;
        (outcome.map(|_| ()), tries.load(Ordering::Relaxed))
    }

    /// Removes an item, if it is there.
    pub(super) async fn delete(&self, table: &str, key: Item) -> Result<(), Trouble> {
        let request = self.0.client.delete_item().table_name(table);
        let request = request.set_key(Some(key));
        let asked = format!("dynamodb:DeleteItem of {table}");
        self.ask_to_write(&asked, || request.clone().send()).await?;
        Ok(())
    }

    /// Changes an item as the expression says, and answers what it is then. It may happen twice.
    pub(super) async fn update(
        &self,
        key: Item,
        expression: &str,
        condition: Condition,
    ) -> Result<Item, Trouble> {
        let request = self.change(key, expression, condition);
        let asked = format!("dynamodb:UpdateItem of {}", self.records());
        let answer = self.ask_to_write(&asked, || request.clone().send()).await?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Changes the record of which server acts, which is how one comes to be allowed to write.
    pub(super) async fn beat(
        &self,
        expression: &str,
        condition: Condition,
    ) -> Result<Item, Trouble> {
        let request = self.change(item(keys::OWNER, keys::OWNER), expression, condition);
        let asked = format!("dynamodb:UpdateItem of {}", self.records());
        let answer = self
            .ask(&asked, || request.clone().send(), |_| None)
            .await?;
        Ok(answer.attributes.unwrap_or_default())
    }

    fn change(&self, key: Item, expression: &str, condition: Condition) -> UpdateItemFluentBuilder {
        let request = self.0.client.update_item().table_name(self.records());
        request
            .set_key(Some(key))
            .update_expression(expression)
            .set_condition_expression(condition.expression())
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .return_values(ReturnValue::AllNew)
    }

    /// Puts these items, whatever is there, in no order and not all at once.
    pub(super) async fn put_each(&self, table: &str, items: Vec<Item>) -> Result<(), Trouble> {
        let put = |item| {
            let put = PutRequest::builder().set_item(Some(item)).build();
            Ok(WriteRequest::builder()
                .put_request(put.map_err(unbuilt)?)
                .build())
        };
        let writes: Result<Vec<_>, Trouble> = items.into_iter().map(put).collect();
        self.write_each(table, writes?).await
    }

    /// Removes the items of these keys that are there, in no order and not all at once.
    pub(super) async fn delete_each(&self, table: &str, keys: Vec<Item>) -> Result<(), Trouble> {
        let delete = |key| {
            let delete = DeleteRequest::builder().set_key(Some(key)).build();
            Ok(WriteRequest::builder()
                .delete_request(delete.map_err(unbuilt)?)
                .build())
        };
        let writes: Result<Vec<_>, Trouble> = keys.into_iter().map(delete).collect();
        self.write_each(table, writes?).await
    }

    async fn write_each(&self, table: &str, writes: Vec<WriteRequest>) -> Result<(), Trouble> {
        let asked = format!("dynamodb:BatchWriteItem of {table}");
        for batch in writes.chunks(WRITE_BATCH) {
            let (mut left, mut tried) = (batch.to_vec(), 0);
            while !left.is_empty() {
                let request = self.0.client.batch_write_item();
                let request = request.request_items(table, left);
                let answer = self.ask_to_write(&asked, || request.clone().send()).await?;
                let mut unwritten = answer.unprocessed_items.unwrap_or_default();
                left = unwritten.remove(table).unwrap_or_default();
                if !left.is_empty() {
                    tried = again(table, tried).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes all of it or nothing, and once, however often it is asked.
    pub(super) async fn write(&self, transaction: Transaction) -> Result<(), Trouble> {
        self.transact(transaction, || self.0.permit.check()).await
    }

    /// Writes although this server may not act yet.
    pub(super) async fn write_as_owner(&self, transaction: Transaction) -> Result<(), Trouble> {
        self.transact(transaction, || Ok(())).await
    }

    async fn transact(
        &self,
        transaction: Transaction,
        may: impl Fn() -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let actions = transaction.actions()?;
        let request = self.0.client.transact_write_items();
        let request = request
            .set_transact_items(Some(actions))
            .client_request_token(token()?);
        let asked = format!("dynamodb:TransactWriteItems of {}", self.records());
        self.ask_while(&asked, may, || request.clone().send(), cancelled)
            .await?;
        Ok(())
    }
}

/// What it means that a transaction was cancelled.
fn cancelled(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Option<Verdict> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return None;
    };
    let codes = cancelled.cancellation_reasons().iter();
    let codes: Vec<&str> = codes
        .map(|reason| reason.code().unwrap_or("None"))
        .collect();
    if let Some(place) = codes
        .iter()
        .position(|code| *code == "ConditionalCheckFailed")
    {
        return Some(Verdict::Final(Trouble::Unmet(place)));
    }
    let first = codes.into_iter().find(|code| *code != "None");
    let first = first.unwrap_or("without a reason");
    let why = format!("DynamoDB cancelled a transaction ({first})");
    Some(match first {
        "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => {
            Verdict::Busy(why)
        }
        _ => Verdict::Final(Trouble::Rejected(why)),
    })
}

/// Waits before what was left over is asked for again; refuses after too many times.
async fn again(table: &str, tried: u32) -> Result<u32, Trouble> {
    if tried >= TRIES {
        return Err(Trouble::Unknown(format!(
            "DynamoDB leaves over some of what is asked of {table}, again and again"
        )));
    }
    sleep(wait(tried)).await;
    Ok(tried + 1)
}

/// What tells one transaction, or one writer, from another.
pub(super) fn token() -> Result<String, Trouble> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| Trouble::Rejected("the system has no chance to give".to_owned()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A request that lacks something is a mistake of ours.
pub(super) fn unbuilt(error: aws_sdk_dynamodb::error::BuildError) -> Trouble {
    Trouble::Rejected(format!("a request to DynamoDB was not whole: {error}"))
}
