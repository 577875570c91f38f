//! `billhook account`: what an operator does for one address.

use clap::{Args, Subcommand};

use super::{Form, told, write_down};
use crate::{
    domain::{App, devices, email::Email},
    mask::shows,
    say,
};

#[derive(Args)]
pub struct Account {
    #[command(subcommand)]
    act: Act,
}

// What was typed holds an address.
shows!(Account:);

#[derive(Subcommand)]
enum Act {
    /// End every session of an address, at once
    ///
    /// Its owner can sign in again: that takes no right away.
    SignOut {
        /// The e-mail address, as its owner signs in with it
        address: String,
        #[command(flatten)]
        form: Form,
    },
}

impl Account {
    pub async fn run(self, app: &App) -> Result<(), Vec<String>> {
        match self.act {
            Act::SignOut { address, form } => sign_out(app, &address, form).await,
        }
    }
}

async fn sign_out(app: &App, address: &str, form: Form) -> Result<(), Vec<String>> {
    let email = Email::parse(address)
        .ok_or_else(|| told(&"that is not an e-mail address; nothing was done"))?;
    write_down(app, &format!("sign-out of {}", email.masked())).await?;
    let count = devices::end_of_address(app, &email)
        .await
        .map_err(|error| told(&error))?;
    say(&if form.json {
        serde_json::json!({ "sessions_ended": count }).to_string()
    } else {
        format!("{count} sessions ended")
    });
    Ok(())
}
