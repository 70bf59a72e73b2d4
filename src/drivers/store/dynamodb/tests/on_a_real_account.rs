//! The conformance suite on a real account (`make test-aws`): each story has two tables of its own, which go when it is told.

use super::*;
use crate::drivers::aws::tests::real_account;

/// The first letters of the names of tables: nothing else is made or removed.
const TABLES: &str = "NESTLING_TEST_TABLES";

/// Tables at DynamoDB.
struct Tables(Settings);

impl Tables {
    async fn store(&self) -> DynamoDb {
        let account = real_account().await.unwrap();
        DynamoDb::open(&account, self.0.clone())
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        let gone = at_once(async {
            let account = real_account().await.unwrap();
            let client = Client::new(account.sdk());
            let mut gone = Vec::new();
            for table in [&self.0.records, &self.0.values] {
                let asked = client.delete_table().table_name(table);
                gone.push((table.clone(), asked.send().await));
            }
            gone
        });
        for (table, outcome) in gone {
            if let Err(error) = outcome {
                eprintln!("the table {table} stays: {error:?}");
            }
        }
    }
}

fn fresh() -> Option<Fresh> {
    at_once(real_account())?;
    let first = std::env::var(TABLES).ok()?;
    let mut random = [0; 8];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let number = u64::from_be_bytes(random);
    let tables = Tables(Settings {
        one_try: Duration::from_secs(3),
        ..settings_of(&format!("{first}-{number:016x}"))
    });
    let store = fresh_in(|| tables.store());
    Some((Arc::new(store), Box::new(tables)))
}

conformance!(fresh);
