//! `billhook account`: shows an address's status, ends its sessions, or erases its data.

use clap::{Args, Subcommand};

use serde_json::json;

use super::{Form, account_status, text::plain, told, write_down};
use crate::{
    domain::{
        App, devices,
        email::{self, Email},
        erase::{self, Found},
    },
    mask::shows,
    say,
    store::erasures,
};

#[derive(Args)]
pub struct Account {
    #[command(subcommand)]
    act: Act,
}

// Debug output must not show the arguments: they contain an address.
shows!(Account:);

#[derive(Subcommand)]
enum Act {
    /// Say why an address gets mail, or none
    ///
    /// Its customers, the limits that hold, the last mails and what the mail server answered. Changes nothing and
    /// sends nothing.
    Show {
        address: String,
        #[command(flatten)]
        form: Form,
    },
    /// End every session of an address, at once
    ///
    /// Its owner can sign in again: that takes no right away.
    SignOut {
        /// The e-mail address, as its owner signs in with it
        address: String,
        #[command(flatten)]
        form: Form,
    },
    /// Erase what is kept about an address. Shows what that is; does it with --yes
    ///
    /// Its sign-ins, mails and sessions go. Of its customers and all that is theirs nothing stays but the
    /// ids, so that no event and no import brings them back; of the events about them the payloads go. The
    /// audit log keeps what it has, in which no address is whole. It cannot be taken back.
    ///
    /// Stripe's own records stay as they are: delete the customers there too, which are named. Until then what they
    /// do at Stripe is not seen here. A customer that is made there later has another id, and is one like
    /// any other. Backups keep what they have; one that is restored loses it again, by hashes that are kept beside the
    /// database.
    Erase {
        address: String,
        /// Do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        form: Form,
    },
}

impl Account {
    pub async fn run(self, app: &App) -> Result<(), Vec<String>> {
        match self.act {
            Act::Show { address, form } => account_status::show(app, &address, form).await,
            Act::SignOut { address, form } => sign_out(app, &address, form).await,
            Act::Erase { address, yes, form } => erase(app, &address, yes, form).await,
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

async fn erase(app: &App, address: &str, yes: bool, form: Form) -> Result<(), Vec<String>> {
    // Stripe accepts addresses that cannot be used to sign in.
    let address = email::normalise(address);
    if !address.contains('@') {
        return Err(told(&"that is not an e-mail address; nothing was done"));
    }
    let found = if yes {
        erase::erase(app, &address).await
    } else {
        erase::look(app, &address).await
    };
    let found = found.map_err(|error| told(&error))?;
    if form.json {
        say(&json!({
            "erased": yes,
            "customers": found.customers,
            "records": found.records,
            "payloads": found.payloads,
            "sign_ins": found.own.sign_ins,
            "mails": found.own.mails,
            "sessions": found.own.sessions,
            "payloads_waiting": found.waiting,
        })
        .to_string());
    } else {
        in_words(&found, yes, erasures::path(&app.config).is_some())
            .iter()
            .for_each(|line| say(line));
    }
    Ok(())
}

fn in_words(found: &Found, is_done: bool, is_kept: bool) -> Vec<String> {
    let Found {
        customers,
        records,
        payloads,
        waiting,
        own,
    } = found;
    let (sign_ins, mails, sessions) = (own.sign_ins, own.mails, own.sessions);
    let count = customers.len();
    let end = if is_done {
        "erased"
    } else {
        "would be erased. Do it with --yes."
    };
    let mut lines = vec![format!(
        "{count} customers with {records} records, {payloads} payloads of events, {sign_ins} sign-ins, {mails} mails and {sessions} sessions {end}"
    )];
    if *waiting > 0 {
        lines.push(format!(
            "{waiting} events about others mention the address and have not been applied: they stay. Erase again when `billhook events list` has none of them as pending, failed or dead."
        ));
    }
    if is_done && !is_kept {
        lines.push(
            "A copy of the database from before brings it back when it is restored: set ERASURES_FILE, which keeps that from happening."
                .to_owned(),
        );
    }
    if !customers.is_empty() {
        lines.push("At Stripe they stay until you delete them there:".to_owned());
        lines.extend(customers.iter().map(|id| format!("  {}", plain(id))));
    }
    lines
}
