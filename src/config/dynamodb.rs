//! `[store.dynamodb]`

use serde::Deserialize;

/// `[store.dynamodb]`
#[derive(Debug, Clone, Deserialize)]
pub struct DynamoDb {
    /// The table of all records but values.
    pub records_table: String,
    /// The table of secrets and variables.
    pub values_table: String,
}

impl DynamoDb {
    /// What is missing or cannot be used, by its key and with what to do.
    pub(super) fn unusable(&self) -> Option<String> {
        let tables = [
            ("records_table", &self.records_table),
            ("values_table", &self.values_table),
        ];
        let odd = tables.into_iter().find(|(_, name)| !is_table(name));
        if let Some((key, name)) = odd {
            return Some(format!(
                "store.dynamodb.{key} is {name:?}, which is no name of a table: 3 to 255 letters, digits, dots, dashes and underscores"
            ));
        }
        (self.records_table == self.values_table).then(|| {
            format!(
                "store.dynamodb.records_table and values_table are both {:?}: secrets have a table of their own",
                self.records_table
            )
        })
    }
}

fn is_table(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (3..=255).contains(&name.len()) && name.bytes().all(is_letter)
}
