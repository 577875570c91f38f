//! Reads and writes mirrored rows in batches. [`rows!`] generates the struct of each table; its fields are the
//! table's columns, so a column is named only there and in the migrations.

use std::collections::BTreeSet;

use sqlx::{FromRow, postgres::PgRow, sqlite::SqliteRow};

use super::{
    Result, Tx,
    bulk::{self, Cell, Table},
};

/// The mirrored state of one id: a row of a table, with all rows that are replaced together with it. Each table has
/// four columns besides its own.
pub trait Row: Clone + std::fmt::Debug + PartialEq + Send + Sync + Sized + 'static {
    const TABLE: &'static str;

    /// The row without the rows that belong to it.
    type Plain: PlainRow;

    fn id(&self) -> &str;
    /// The Stripe second that last wrote this row.
    fn stripe_at(&self) -> i64;
    /// Set on a tombstone.
    fn deleted_at(&self) -> Option<i64>;
    /// A tombstone: every field except the id is empty.
    fn tombstone(id: &str, livemode: i64, at: i64) -> Self;
    /// The same row with `deleted_at` set: `Some` turns it into a tombstone that keeps its fields.
    fn with_deleted_at(self, at: Option<i64>) -> Self;
    /// The same row with this mode and Stripe second.
    fn stamped(self, livemode: i64, at: i64) -> Self;
    /// The rows of these ids, tombstones included, for all owners, in no particular order.
    fn load(tx: &mut Tx, ids: &[&str]) -> impl Future<Output = Result<Vec<Self>>> + Send;
    /// Writes the rows as given (upsert). Each id may occur only once.
    fn save(tx: &mut Tx, all: &[&Self]) -> impl Future<Output = Result<()>> + Send;
}

/// A row without rows that belong to it.
pub trait PlainRow:
    Row + for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Default + Unpin
{
    const COLUMNS: &'static [&'static str];

    /// In the order of the columns.
    fn cells(&self) -> Vec<Cell<'_>>;
}

/// Generates the struct of a mirrored table and its [`PlainRow`] implementation.
macro_rules! rows {
    ($(
        $(#[$about:meta])*
        $name:ident in $table:literal {
            $($(#[$field_about:meta])* $field:ident: $type:ty,)*
        }
    )+) => { $(
        $(#[$about])*
        #[derive(Clone, Default, PartialEq, Eq, sqlx::FromRow, serde::Deserialize)]
        pub struct $name {
            pub id: String,
            $($(#[$field_about])* pub $field: $type,)*
            pub livemode: i64,
            /// The Stripe second that last wrote this row.
            pub stripe_at: i64,
            /// Set on a tombstone.
            pub deleted_at: Option<i64>,
        }

        $crate::mask::shows!($name: id, livemode, stripe_at, deleted_at);

        impl $crate::store::row::Row for $name {
            const TABLE: &'static str = $table;

            type Plain = Self;

            fn id(&self) -> &str {
                &self.id
            }

            fn stripe_at(&self) -> i64 {
                self.stripe_at
            }

            fn deleted_at(&self) -> Option<i64> {
                self.deleted_at
            }

            fn tombstone(id: &str, livemode: i64, at: i64) -> Self {
                Self {
                    id: id.to_owned(),
                    livemode,
                    stripe_at: at,
                    deleted_at: Some(at),
                    ..Self::default()
                }
            }

            fn with_deleted_at(self, deleted_at: Option<i64>) -> Self {
                Self { deleted_at, ..self }
            }

            fn stamped(self, livemode: i64, at: i64) -> Self {
                Self { livemode, stripe_at: at, ..self }
            }

            async fn load(
                tx: &mut $crate::store::Tx,
                ids: &[&str],
            ) -> $crate::store::Result<Vec<Self>> {
                $crate::store::row::select(tx, ids).await
            }

            async fn save(
                tx: &mut $crate::store::Tx,
                all: &[&Self],
            ) -> $crate::store::Result<()> {
                $crate::store::row::upsert(tx, all).await
            }
        }

        impl $crate::store::row::PlainRow for $name {
            const COLUMNS: &'static [&'static str] = &[
                "id",
                $($crate::store::row::column(stringify!($field)),)*
                "livemode",
                "stripe_at",
                "deleted_at",
            ];

            fn cells(&self) -> Vec<$crate::store::bulk::Cell<'_>> {
                vec![
                    (&self.id).into(),
                    $((&self.$field).into(),)*
                    (&self.livemode).into(),
                    (&self.stripe_at).into(),
                    (&self.deleted_at).into(),
                ]
            }
        }
    )+ };
}
pub(crate) use rows;

/// `r#type` is the column `type`.
pub const fn column(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// The rows of these ids, tombstones included, for all owners, in no particular order.
pub async fn find_all<R: Row>(tx: &mut Tx, ids: &[&str]) -> Result<Vec<R>> {
    R::load(tx, ids).await
}

/// [`Row::load`] of a plain row.
pub(crate) async fn select<R: PlainRow>(tx: &mut Tx, ids: &[&str]) -> Result<Vec<R>> {
    let columns = R::COLUMNS.join(", ");
    bulk::select(tx, ids, |among| {
        format!("SELECT {columns} FROM {} WHERE id {among}", R::TABLE)
    })
    .await
}

/// The row of `id`, tombstones included, for all owners.
pub async fn find<R: Row>(tx: &mut Tx, id: &str) -> Result<Option<R>> {
    find_all(tx, &[id])
        .await
        .map(|rows| rows.into_iter().next())
}

/// The ids that have no row.
pub async fn missing<R: Row>(tx: &mut Tx, ids: BTreeSet<String>) -> Result<BTreeSet<String>> {
    without::<R>(tx, ids, "").await
}

/// The ids that are known only from inside other objects: they have no row, or a row with a `seen_at`, or a row
/// that does not meet the condition `settled`, which begins with `AND` or is empty.
pub async fn unsettled<R: Row>(
    tx: &mut Tx,
    ids: BTreeSet<String>,
    settled: &str,
) -> Result<BTreeSet<String>> {
    without::<R>(tx, ids, &format!("AND seen_at IS NULL {settled}")).await
}

/// The ids that have no row that meets the condition.
async fn without<R: Row>(
    tx: &mut Tx,
    mut ids: BTreeSet<String>,
    condition: &str,
) -> Result<BTreeSet<String>> {
    let wanted: Vec<_> = ids.iter().map(String::as_str).collect();
    let found: Vec<(String,)> = bulk::select(tx, &wanted, |among| {
        format!("SELECT id FROM {} WHERE id {among} {condition}", R::TABLE)
    })
    .await?;
    for (id,) in found {
        ids.remove(&id);
    }
    Ok(ids)
}

/// Writes the rows as given (upsert). Each id may occur only once.
pub async fn put_all<R: Row>(tx: &mut Tx, rows: &[&R]) -> Result<()> {
    R::save(tx, rows).await
}

/// [`Row::save`] of a plain row.
pub(crate) async fn upsert<R: PlainRow>(tx: &mut Tx, rows: &[&R]) -> Result<()> {
    let set = R::COLUMNS
        .iter()
        .skip(1)
        .map(|column| format!("{column} = excluded.{column}"));
    let set = set.collect::<Vec<_>>().join(", ");
    let table = Table {
        name: R::TABLE,
        columns: R::COLUMNS,
    };
    let cells: Vec<_> = rows.iter().map(|row| row.cells()).collect();
    let clash = format!("ON CONFLICT (id) DO UPDATE SET {set}");
    bulk::insert(tx, table, &cells, &clash).await?;
    Ok(())
}
