//! Queue of objects that events name and the mirror does not know, or knows only in part. Each object is read from
//! Stripe once, by one worker at a time. `list` is Stripe's name for the list of such objects.

use super::{
    Result, Tx,
    bulk::{self, Table},
    on,
};

/// An object to read from Stripe, and the number of attempts so far.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub struct Unknown {
    pub list: String,
    pub id: String,
    pub attempts: i64,
}

/// Queues objects to be read at `due_at`. Idempotent: an object that is already queued stays unchanged.
pub async fn note(tx: &mut Tx, list: &str, ids: &[&str], due_at: i64) -> Result<()> {
    let table = Table {
        name: "unknown_object",
        columns: &["list", "id", "attempts", "due_at"],
    };
    let rows: Vec<_> = ids
        .iter()
        .map(|id| vec![list.into(), (*id).into(), 0.into(), due_at.into()])
        .collect();
    bulk::insert(tx, table, &rows, "ON CONFLICT (list, id) DO NOTHING").await?;
    Ok(())
}

/// Leases up to `most` due objects of these lists, until `lease`.
pub async fn claim(
    tx: &mut Tx,
    lists: &[&str],
    now: i64,
    lease: i64,
    most: i64,
) -> Result<Vec<Unknown>> {
    let due: Vec<Unknown> = bulk::select(tx, lists, |among| {
        format!(
            "SELECT list, id, attempts FROM unknown_object
             WHERE list {among} AND due_at <= {now} ORDER BY due_at, id LIMIT {most}"
        )
    })
    .await?;
    let mut claimed = Vec::with_capacity(due.len());
    for unknown in due {
        // Another worker may have leased it meanwhile.
        const SQL: &str = "UPDATE unknown_object SET due_at = $4, attempts = attempts + 1
            WHERE list = $1 AND id = $2 AND due_at <= $3 RETURNING list, id, attempts";
        let taken: Option<Unknown> = on!(tx, connection => sqlx::query_as(SQL)
            .bind(&unknown.list)
            .bind(&unknown.id)
            .bind(now)
            .bind(lease)
            .fetch_optional(connection)
            .await)?;
        claimed.extend(taken);
    }
    Ok(claimed)
}

/// Delays an object until `due_at`. `None` means for ever: Stripe cannot provide it.
pub async fn postpone(tx: &mut Tx, list: &str, id: &str, due_at: Option<i64>) -> Result<()> {
    const SQL: &str = "UPDATE unknown_object SET due_at = $3 WHERE list = $1 AND id = $2";
    on!(tx, connection => { sqlx::query(SQL)
        .bind(list)
        .bind(id)
        .bind(due_at)
        .execute(connection)
        .await?; });
    Ok(())
}

/// Removes objects from the queue: they are known now, or not needed.
pub async fn forget(tx: &mut Tx, list: &str, ids: &[&str]) -> Result<()> {
    bulk::change(tx, ids, [list.into()], |among, [list]| {
        format!("DELETE FROM unknown_object WHERE id {among} AND list = {list}")
    })
    .await?;
    Ok(())
}
