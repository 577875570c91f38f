//! Checkpoint of the nouns that an import has completed, so that an interrupted import does not read them again.

use std::collections::BTreeMap;

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::name;
use crate::{
    domain::{App, mirror::Kind, refetch},
    store,
};

/// The name under which the database keeps the checkpoint.
pub const NAME: &str = "import done";

/// The checkpoint, which is kept between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The nouns of the import. An import of other nouns ignores this checkpoint and reads everything again.
    nouns: Vec<String>,
    /// The number of objects read, for each completed noun.
    read: BTreeMap<String, u64>,
}

impl Done {
    /// Loads the checkpoint of an earlier import of the same nouns, or creates an empty one.
    pub async fn of_earlier_run(app: &App, nouns: &[Kind]) -> store::Result<Done> {
        let new = Done {
            nouns: nouns.iter().copied().map(list_of).collect(),
            read: BTreeMap::new(),
        };
        let kept = super::progress(app, NAME.to_owned()).await?;
        let kept = kept.and_then(|text| serde_json::from_str::<Done>(&text).ok());
        Ok(kept.filter(|kept| kept.nouns == new.nouns).unwrap_or(new))
    }

    /// The number of objects read of the noun, if it is completed.
    pub fn read(&self, kind: Kind) -> Option<u64> {
        self.read.get(refetch::list_of(kind)).copied()
    }

    /// Marks the noun as completed, and deletes its own checkpoint.
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

    /// Deletes the checkpoint when all nouns are completed: the next import starts from the beginning.
    pub async fn forget(app: &App) -> store::Result<()> {
        app.store
            .write(|tx| async move { store::progress::forget(tx, NAME).await }.boxed())
            .await
    }
}

fn list_of(kind: Kind) -> String {
    refetch::list_of(kind).to_owned()
}
