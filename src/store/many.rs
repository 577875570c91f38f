//! Statements about many ids: as few as there can be, in the few sizes that the cache of prepared
//! statements holds.

use sqlx::{AssertSqlSafe, FromRow, postgres::PgRow, sqlite::SqliteRow};

use super::{Result, Tx, chunks, on, placeholders};

/// One value. There are no other types than these two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Text(Option<String>),
    Number(Option<i64>),
}

impl From<&String> for Cell {
    fn from(text: &String) -> Cell {
        Cell::Text(Some(text.clone()))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(Some(text.to_owned()))
    }
}

impl From<&Option<String>> for Cell {
    fn from(text: &Option<String>) -> Cell {
        Cell::Text(text.clone())
    }
}

impl From<&i64> for Cell {
    fn from(number: &i64) -> Cell {
        Cell::Number(Some(*number))
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Cell {
        Cell::Number(Some(number))
    }
}

impl From<Option<i64>> for Cell {
    fn from(number: Option<i64>) -> Cell {
        Cell::Number(number)
    }
}

impl From<&Option<i64>> for Cell {
    fn from(number: &Option<i64>) -> Cell {
        Cell::Number(*number)
    }
}

/// The rows that `sql` finds: it makes the statement from its list of ids, to be written after `IN`.
pub async fn select<T>(tx: &mut Tx, ids: &[&str], sql: impl Fn(&str) -> String) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let mut rows = Vec::with_capacity(ids.len());
    for chunk in chunks(ids) {
        let sql = sql(&placeholders(1, chunk.len()));
        rows.extend(on!(tx, connection => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql));
            for id in chunk {
                query = query.bind(*id);
            }
            query.fetch_all(connection).await?
        }));
    }
    Ok(rows)
}

/// Changes rows, and returns how many: `sql` makes the statement from its list of ids, to be written
/// after `IN`, and from the names of `values` in their order.
pub async fn change<const N: usize>(
    tx: &mut Tx,
    ids: &[&str],
    values: [Cell; N],
    sql: impl Fn(&str, [String; N]) -> String,
) -> Result<u64> {
    let mut changed = 0;
    for chunk in chunks(ids) {
        // The ids come first, so that they are numbered from 1.
        let names = std::array::from_fn(|index| format!("${}", chunk.len() + 1 + index));
        let sql = sql(&placeholders(1, chunk.len()), names);
        changed += on!(tx, connection => {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for id in chunk {
                query = query.bind(*id);
            }
            for value in values.clone() {
                query = match value {
                    Cell::Text(text) => query.bind(text),
                    Cell::Number(number) => query.bind(number),
                };
            }
            query.execute(connection).await?.rows_affected()
        });
    }
    Ok(changed)
}
