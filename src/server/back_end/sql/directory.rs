//! A database as attribute source.

use super::connection::{Connections, Unavailable, Use};
use crate::config::sql::SqlSource;
use crate::server::back_end::directory::join;
use crate::server::back_end::{Directory, DirectoryError, UserRecord, is_sane};
use futures_util::future::{BoxFuture, FutureExt as _};
use serde_json::Value;

/// Looks users up by a query: columns are attributes, rows are values.
#[derive(Debug)]
pub struct SqlDirectory {
    name: String,
    connections: Connections,
    query: String,
}

impl SqlDirectory {
    /// Connects when the first user is looked up.
    pub fn new(source: &SqlSource) -> Result<Self, String> {
        Ok(Self {
            name: source.database.name.clone(),
            connections: Connections::new(&source.database, Use::ReadOnly)?,
            // The server turns values of every type into text as JSON has it.
            query: format!(
                "SELECT to_json(vestibule)::text FROM ({}) AS vestibule",
                source.query
            ),
        })
    }

    async fn rows(&self, username: &str) -> Result<Vec<String>, Unavailable> {
        let client = self.connections.take().await?;
        let asked = async {
            let statement = client.prepare_cached(&self.query).await?;
            client.query(&statement, &[&username]).await
        };
        let rows = self.connections.limited(asked).await?;
        let texts = rows
            .iter()
            .map(|row| row.try_get(0).map_err(Unavailable::from));
        texts.collect()
    }
}

impl Directory for SqlDirectory {
    fn record<'a>(
        &'a self,
        username: &'a str,
    ) -> BoxFuture<'a, Result<UserRecord, DirectoryError>> {
        async move {
            if !is_sane(username) {
                return Ok(UserRecord::new());
            }
            let failed = |reason| DirectoryError(format!("SQL source {}: {reason}", self.name));
            let rows = self
                .rows(username)
                .await
                .map_err(|error| failed(error.to_string()))?;
            record(&rows).ok_or_else(|| failed("a row that is no row".to_owned()))
        }
        .boxed()
    }
}

/// The values of each column over all rows. NULL and empty text are no values, an array is several.
fn record(rows: &[String]) -> Option<UserRecord> {
    let mut record = UserRecord::new();
    for row in rows {
        let Value::Object(columns) = serde_json::from_str(row).ok()? else {
            return None;
        };
        let columns = columns.into_iter().map(|(column, value)| {
            let mut values = Vec::new();
            collect(value, &mut values);
            (column, values)
        });
        join(
            &mut record,
            columns.filter(|(_, values)| !values.is_empty()).collect(),
        );
    }
    Some(record)
}

fn collect(value: Value, values: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) => values.extend((!text.is_empty()).then_some(text)),
        Value::Array(items) => items.into_iter().for_each(|item| collect(item, values)),
        other => values.push(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_values_and_null_and_empty_text_are_none() {
        let rows = [
            r#"{"mail":"a@x","groups":["staff","vpn"],"age":41,"active":true,"phone":null}"#,
            r#"{"mail":"b@x","groups":["vpn"],"age":41,"active":true,"phone":""}"#,
        ];
        let record = record(&rows.map(str::to_owned)).unwrap();
        assert_eq!(record["mail"], ["a@x", "b@x"]);
        assert_eq!(record["groups"], ["staff", "vpn"]);
        assert_eq!(record["age"], ["41"]);
        assert_eq!(record["active"], ["true"]);
        assert!(!record.contains_key("phone"));
    }

    #[test]
    fn no_row_is_an_empty_record() {
        assert_eq!(record(&[]), Some(UserRecord::new()));
    }
}
