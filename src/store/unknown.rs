//! Customers that events name and of whom the mirror knows nothing. Each is asked for once, by one
//! worker at a time.

use super::{
    Result, Tx,
    many::{self, Table},
    on,
};

/// Notes customers to be asked for at `due_at`. One that is noted already stays as it is.
pub async fn note(tx: &mut Tx, ids: &[&str], due_at: i64) -> Result<()> {
    let table = Table {
        name: "unknown_customer",
        columns: &["id", "attempts", "due_at"],
    };
    let rows: Vec<_> = ids
        .iter()
        .map(|id| vec![(*id).into(), 0.into(), due_at.into()])
        .collect();
    many::insert(tx, table, &rows, "ON CONFLICT (id) DO NOTHING").await?;
    Ok(())
}

/// Takes up to `most` of those that are due, until `lease`: their ids, and how often each has been tried
/// with this time.
pub async fn claim(tx: &mut Tx, now: i64, lease: i64, most: i64) -> Result<Vec<(String, i64)>> {
    const SQL: &str = "UPDATE unknown_customer SET due_at = $2, attempts = attempts + 1
        WHERE due_at <= $1 AND id IN (SELECT id FROM unknown_customer
            WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3)
        RETURNING id, attempts";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(now)
        .bind(lease)
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Puts one off; with `None` for ever: it has been asked for in vain.
pub async fn postpone(tx: &mut Tx, id: &str, due_at: Option<i64>) -> Result<()> {
    const SQL: &str = "UPDATE unknown_customer SET due_at = $2 WHERE id = $1";
    on!(tx, connection => { sqlx::query(SQL).bind(id).bind(due_at).execute(connection).await?; });
    Ok(())
}

/// Forgets these: they are known, or are not to be.
pub async fn forget(tx: &mut Tx, ids: &[&str]) -> Result<()> {
    many::change(tx, ids, [], |among, []| {
        format!("DELETE FROM unknown_customer WHERE id {among}")
    })
    .await?;
    Ok(())
}
