//! Which nouns an import has come to the end of: one that was stopped among the last of them does
//! not begin again with the first.

use std::collections::BTreeMap;

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::name;
use crate::{
    domain::{App, mirror::Kind, refetch},
    store,
};

/// Under which it is kept.
pub const NAME: &str = "import done";

/// What is kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The nouns that are wanted. Who wants others wants them read anew.
    nouns: Vec<String>,
    /// Objects read of each noun that is done.
    read: BTreeMap<String, u64>,
}

impl Done {
    /// What an earlier import of these nouns came to, or nothing.
    pub async fn of_earlier_run(app: &App, nouns: &[Kind]) -> store::Result<Done> {
        let new = Done {
            nouns: nouns.iter().copied().map(list_of).collect(),
            read: BTreeMap::new(),
        };
        let kept = super::progress(app, NAME.to_owned()).await?;
        let kept = kept.and_then(|text| serde_json::from_str::<Done>(&text).ok());
        Ok(kept.filter(|kept| kept.nouns == new.nouns).unwrap_or(new))
    }

    /// How many objects of the noun were read, if that is done.
    pub fn read(&self, kind: Kind) -> Option<u64> {
        self.read.get(refetch::list_of(kind)).copied()
    }

    /// The noun is read to its end, and what was kept on the way is forgotten.
    pub async fn add(&mut self, app: &App, kind: Kind, read: u64) -> store::Result<()> {
        self.read.insert(list_of(kind), read);
        let (name, now) = (name(kind), app.clock.now());
        let kept = serde_json::to_string(self).unwrap_or_default();
        app.store
            .write(move |tx| {
                async move {
                    store::progress::forget(tx, &name).await?;
                    store::progress::set(tx, NAME, &kept, now).await
                }
                .boxed()
            })
            .await
    }

    /// All of them are: the next import begins anew.
    pub async fn forget(app: &App) -> store::Result<()> {
        app.store
            .write(|tx| async move { store::progress::forget(tx, NAME).await }.boxed())
            .await
    }
}

fn list_of(kind: Kind) -> String {
    refetch::list_of(kind).to_owned()
}
