//! Statements about many rows. Postgres takes each column as an array, so that one statement does,
//! whatever their number. SQLite takes every value by itself, in statements of the few sizes that its
//! cache of prepared ones holds: one for many rows is several times faster than one for each.

use sqlx::{AssertSqlSafe, FromRow, postgres::PgRow, sqlite::SqliteRow};

use super::{Result, Tx};

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

impl Cell {
    fn text(&self) -> Option<&str> {
        match self {
            Cell::Text(text) => text.as_deref(),
            Cell::Number(_) => None,
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Cell::Number(number) => *number,
            Cell::Text(_) => None,
        }
    }
}

/// Binds a cell as what it is.
macro_rules! bind {
    ($query:expr, $cell:expr) => {
        match $cell {
            Cell::Text(text) => $query.bind(text.as_deref()),
            Cell::Number(number) => $query.bind(*number),
        }
    };
}

/// Where rows are written.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub name: &'a str,
    pub columns: &'a [&'a str],
}

/// Inserts rows, each with its values in the order of the columns. `clash` is the statement's
/// `ON CONFLICT …`, and may end with `RETURNING` and a column of text, which is what is returned then.
pub async fn insert(
    tx: &mut Tx,
    table: Table<'_>,
    rows: &[Vec<Cell>],
    clash: &str,
) -> Result<Vec<String>> {
    let statement = |source: String| {
        let (name, columns) = (table.name, table.columns.join(", "));
        AssertSqlSafe(format!("INSERT INTO {name} ({columns}) {source} {clash}"))
    };
    let mut written = Vec::with_capacity(rows.len());
    match tx {
        Tx::Sqlite(tx) => {
            for chunk in chunks(rows) {
                let source = format!("VALUES {}", lists(chunk.len(), table.columns.len()));
                let mut query = sqlx::query_scalar(statement(source));
                for cell in chunk.iter().flatten() {
                    query = bind!(query, cell);
                }
                written.extend(query.fetch_all(&mut **tx).await?);
            }
        }
        Tx::Postgres(tx) => {
            let Some(first) = rows.first() else {
                return Ok(written);
            };
            let arrays = first.iter().zip(1..).map(|(cell, place)| match cell {
                Cell::Text(_) => format!("${place}::TEXT[]"),
                Cell::Number(_) => format!("${place}::BIGINT[]"),
            });
            let arrays = arrays.collect::<Vec<_>>().join(", ");
            let mut query =
                sqlx::query_scalar(statement(format!("SELECT * FROM UNNEST({arrays})")));
            for (place, cell) in first.iter().enumerate() {
                let column = rows.iter().map(|row| row.get(place));
                query = match cell {
                    Cell::Text(_) => {
                        let texts = column.map(|cell| cell.and_then(Cell::text));
                        query.bind(texts.collect::<Vec<_>>())
                    }
                    Cell::Number(_) => {
                        let numbers = column.map(|cell| cell.and_then(Cell::number));
                        query.bind(numbers.collect::<Vec<_>>())
                    }
                };
            }
            written = query.fetch_all(&mut **tx).await?;
        }
    }
    Ok(written)
}

/// The rows that `sql` finds: it makes the statement from its condition on the ids, to be written after
/// the name of their column.
pub async fn select<T>(tx: &mut Tx, ids: &[&str], sql: impl Fn(&str) -> String) -> Result<Vec<T>>
where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    match tx {
        Tx::Sqlite(tx) => {
            let mut rows = Vec::with_capacity(ids.len());
            for chunk in chunks(ids) {
                let mut query = sqlx::query_as(AssertSqlSafe(sql(&among(chunk.len()))));
                for id in chunk {
                    query = query.bind(*id);
                }
                rows.extend(query.fetch_all(&mut **tx).await?);
            }
            Ok(rows)
        }
        Tx::Postgres(tx) => {
            let query = sqlx::query_as(AssertSqlSafe(sql(AMONG_ARRAY))).bind(ids);
            query.fetch_all(&mut **tx).await
        }
    }
}

/// Changes rows, and returns how many: `sql` makes the statement from its condition on the ids, to be
/// written after the name of their column, and from the names of `values` in their order.
pub async fn change<const N: usize>(
    tx: &mut Tx,
    ids: &[&str],
    values: [Cell; N],
    sql: impl Fn(&str, [String; N]) -> String,
) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    // The ids come first, so that they are numbered from 1.
    let names = |after: usize| std::array::from_fn(|index| format!("${}", after + 1 + index));
    match tx {
        Tx::Sqlite(tx) => {
            let mut changed = 0;
            for chunk in chunks(ids) {
                let sql = sql(&among(chunk.len()), names(chunk.len()));
                let mut query = sqlx::query(AssertSqlSafe(sql));
                for id in chunk {
                    query = query.bind(*id);
                }
                for value in &values {
                    query = bind!(query, value);
                }
                changed += query.execute(&mut **tx).await?.rows_affected();
            }
            Ok(changed)
        }
        Tx::Postgres(tx) => {
            let mut query = sqlx::query(AssertSqlSafe(sql(AMONG_ARRAY, names(1)))).bind(ids);
            for value in &values {
                query = bind!(query, value);
            }
            Ok(query.execute(&mut **tx).await?.rows_affected())
        }
    }
}

/// Rows in a statement of SQLite's. It takes 32,766 values.
const MOST: usize = 256;

const AMONG_ARRAY: &str = "= ANY($1)";

/// `IN ($1, $2)`
fn among(count: usize) -> String {
    format!("IN {}", lists(1, count))
}

/// Splits rows into the few sizes that statements are prepared for.
fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        // The greatest power of two.
        let size = 1 << rows.len().min(MOST).checked_ilog2()?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// `($1, $2), ($3, $4)` for two rows of two columns.
fn lists(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let names = (1..=columns).map(|column| format!("${}", row * columns + column));
        format!("({})", names.collect::<Vec<_>>().join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}
