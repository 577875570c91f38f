//! Bulk statements: batches of many rows in one statement. Postgres takes each column as an array, so one statement
//! handles any number of rows. SQLite takes each value as its own parameter, in batches of a few fixed sizes, so
//! that its cache of prepared statements holds all of them. A batch is several times faster than one statement per
//! row.

use sqlx::{AssertSqlSafe, FromRow, postgres::PgRow, sqlite::SqliteRow};

use super::{Result, Tx};

/// One value of a row. The schema has no types other than these two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
}

impl std::fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The text may be a person's name, so it is not printed.
        match self {
            Cell::Text(text) => write!(f, "Text({:?})", text.map(|_| "…")),
            Cell::Number(number) => write!(f, "Number({number:?})"),
        }
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Cell<'a> {
        Cell::Text(Some(text))
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Cell<'a> {
        Cell::Text(Some(text))
    }
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(text: &'a Option<String>) -> Cell<'a> {
        Cell::Text(text.as_deref())
    }
}

impl From<&i64> for Cell<'_> {
    fn from(number: &i64) -> Self {
        Cell::Number(Some(*number))
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Cell::Number(Some(number))
    }
}

impl From<Option<i64>> for Cell<'_> {
    fn from(number: Option<i64>) -> Self {
        Cell::Number(number)
    }
}

impl From<&Option<i64>> for Cell<'_> {
    fn from(number: &Option<i64>) -> Self {
        Cell::Number(*number)
    }
}

impl<'a> Cell<'a> {
    fn text(self) -> Option<&'a str> {
        match self {
            Cell::Text(text) => text,
            Cell::Number(_) => None,
        }
    }

    fn number(self) -> Option<i64> {
        match self {
            Cell::Number(number) => number,
            Cell::Text(_) => None,
        }
    }
}

/// Binds a cell with its own type.
macro_rules! bind {
    ($query:expr, $cell:expr) => {
        match $cell {
            Cell::Text(text) => $query.bind(text),
            Cell::Number(number) => $query.bind(number),
        }
    };
}

/// The table and columns to insert into.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    pub name: &'a str,
    pub columns: &'a [&'a str],
}

/// Inserts a batch of rows, each with its values in the order of the columns. `clash` is the statement's `ON
/// CONFLICT …` clause. It may end with `RETURNING` and one text column; `insert` returns the values of that column.
pub async fn insert(
    tx: &mut Tx,
    table: Table<'_>,
    rows: &[Vec<Cell<'_>>],
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
                for &cell in chunk.iter().flatten() {
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
                        let texts = column.map(|cell| cell.copied().and_then(Cell::text));
                        query.bind(texts.collect::<Vec<_>>())
                    }
                    Cell::Number(_) => {
                        let numbers = column.map(|cell| cell.copied().and_then(Cell::number));
                        query.bind(numbers.collect::<Vec<_>>())
                    }
                };
            }
            written = query.fetch_all(&mut **tx).await?;
        }
    }
    Ok(written)
}

/// Selects rows in batches of ids. `sql` builds the statement from the condition on the ids; it must use that
/// condition exactly once, directly after the name of the id column.
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

/// Updates rows in batches of ids, and returns the number of rows changed. `sql` builds the statement from the
/// condition on the ids, which it must use exactly once, directly after the name of the id column, and from the
/// placeholders of `values`, in their order.
pub async fn change<const N: usize>(
    tx: &mut Tx,
    ids: &[&str],
    values: [Cell<'_>; N],
    sql: impl Fn(&str, [String; N]) -> String,
) -> Result<u64> {
    if ids.is_empty() {
        return Ok(0);
    }
    // The ids are bound first, because SQLite numbers their placeholders itself.
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
                for value in values {
                    query = bind!(query, value);
                }
                changed += query.execute(&mut **tx).await?.rows_affected();
            }
            Ok(changed)
        }
        Tx::Postgres(tx) => {
            let mut query = sqlx::query(AssertSqlSafe(sql(AMONG_ARRAY, names(1)))).bind(ids);
            for value in values {
                query = bind!(query, value);
            }
            Ok(query.execute(&mut **tx).await?.rows_affected())
        }
    }
}

/// Maximum batch size in rows on SQLite, which takes at most 32,766 parameters per statement.
const MOST: usize = 256;

const AMONG_ARRAY: &str = "= ANY($1)";

/// `IN (?, ?)`
fn among(count: usize) -> String {
    format!("IN {}", lists(1, count))
}

/// Splits rows into batches of the few sizes that statements are prepared for.
fn chunks<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        // The greatest power of two that fits.
        let size = 1 << rows.len().min(MOST).checked_ilog2()?;
        let (chunk, rest) = rows.split_at(size);
        rows = rest;
        Some(chunk)
    })
}

/// `(?, ?), (?, ?)` for two rows of two columns. The placeholders have no numbers: SQLite walks through all
/// numbered ones each time it binds one.
fn lists(rows: usize, columns: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    vec![row.as_str(); rows].join(", ")
}
