//! `billhook backup`: copies the database into a file that `billhook restore` can put in its place.

use std::path::PathBuf;

use clap::Args;

use super::{Form, told, write_down};
use crate::{
    domain::App,
    say,
    store::{Store, file},
};

#[derive(Args, Debug)]
pub struct Backup {
    /// A file that is not there yet
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    form: Form,
}

impl Backup {
    pub async fn run(self, app: &App) -> Result<(), Vec<String>> {
        let to = self.to.display();
        if matches!(app.store, Store::Postgres(_)) {
            return Err(told(&"the database is Postgres: copy it with pg_dump"));
        }
        if self.to.exists() {
            let says = format!("{to} is there already; name a file that is not, nothing was done");
            return Err(told(&says));
        }
        write_down(app, "backup").await?;
        file::back_up(&app.store, &self.to)
            .await
            .map_err(|error| told(&format!("{to} could not be written: {error}")))?;
        let bytes = std::fs::metadata(&self.to).map_or(0, |file| file.len());
        say(&if self.form.json {
            serde_json::json!({ "file": self.to, "bytes": bytes }).to_string()
        } else {
            format!(
                "copied to {to}, {} MB; keep it apart from SESSION_SECRET",
                bytes.div_ceil(1 << 20)
            )
        });
        Ok(())
    }
}
