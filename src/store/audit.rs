//! The audit log, append-only: rows are inserted and read. The database refuses updates and deletes.

use sqlx::AssertSqlSafe;

use super::{Result, Tx, on};
use crate::{domain::audit::What, log_throttle::LogThrottle, mask::shows};

/// A row of `audit`. [`crate::domain::audit`] builds them.
#[derive(Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Entry {
    /// Unix seconds.
    pub at: i64,
    pub what: String,
    /// HMAC of the e-mail address.
    pub who: Option<String>,
    /// The masked address.
    pub shown: Option<String>,
    /// The client address that the request came from.
    pub client: Option<String>,
    pub session: Option<String>,
    pub detail: Option<String>,
    /// Deduplication key: of several entries with the same value, only the first is written.
    pub once: Option<String>,
}

shows!(Entry: at, what, session, detail, once);

/// Kinds that strangers can repeat without limit, with new addresses and clients if necessary. At most
/// [`MOST_AN_HOUR`] entries of each kind are written per hour (a rate limit), because the log never shrinks.
const REPEATABLE: [What; 5] = [
    What::Asked,
    What::CodeFailed,
    What::LinkFailed,
    What::PortalRefused,
    What::KeyRefused,
];
pub const MOST_AN_HOUR: i64 = 1_000;

pub async fn insert(tx: &mut Tx, entry: &Entry) -> Result<()> {
    let is_repeatable = REPEATABLE.iter().any(|what| what.name() == entry.what);
    if is_repeatable && count_of_hour(tx, entry).await? >= MOST_AN_HOUR {
        static DROPPED: LogThrottle = LogThrottle::new(60 * 60);
        if let Some(count) = DROPPED.count(entry.at) {
            tracing::warn!(
                count,
                what = entry.what,
                "entries of the audit log were left out: there are {MOST_AN_HOUR} of this kind in the last hour"
            );
        }
        return Ok(());
    }
    const SQL: &str = "INSERT INTO audit (at, what, who, shown, client, session, detail, once)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    on!(tx, connection => sqlx::query(SQL)
        .bind(entry.at)
        .bind(&entry.what)
        .bind(&entry.who)
        .bind(&entry.shown)
        .bind(&entry.client)
        .bind(&entry.session)
        .bind(&entry.detail)
        .bind(&entry.once)
        .execute(connection)
        .await
        .map(drop))
}

/// Counts the entries of the same kind in the hour before this one, up to [`MOST_AN_HOUR`].
async fn count_of_hour(tx: &mut Tx, entry: &Entry) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM (
            SELECT 1 FROM audit WHERE at > $1 AND what = $2 LIMIT $3
        ) AS lately";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(entry.at - 60 * 60)
        .bind(&entry.what)
        .bind(MOST_AN_HOUR)
        .fetch_one(connection)
        .await)
}

/// Which entries are listed. A field that is `None` does not filter.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub what: Option<String>,
    pub who: Option<String>,
    /// At this unix second or later.
    pub since: Option<i64>,
}

shows!(Filter: what, since);

/// The newest entries that match the filter, at most `most`.
pub async fn list(tx: &mut Tx, filter: &Filter, most: i64) -> Result<Vec<Entry>> {
    const SQL: &str = "SELECT at, what, who, shown, client, session, detail, once FROM audit
        WHERE ($1 IS NULL OR what = $1) AND ($2 IS NULL OR who = $2) AND ($3 IS NULL OR at >= $3)
        ORDER BY at DESC, number DESC LIMIT $4";
    // Postgres needs a type for parameters that may be NULL.
    let sql = match tx {
        Tx::Sqlite(_) => SQL.to_owned(),
        Tx::Postgres(_) => SQL
            .replace("$1", "CAST($1 AS TEXT)")
            .replace("$2", "CAST($2 AS TEXT)")
            .replace("$3", "CAST($3 AS BIGINT)"),
    };
    on!(tx, connection => sqlx::query_as(AssertSqlSafe(sql))
        .bind(&filter.what)
        .bind(&filter.who)
        .bind(filter.since)
        .bind(most)
        .fetch_all(connection)
        .await)
}
