//! `billhook mail`: tests whether mail can be sent.

use clap::{Args, Subcommand};

use super::{Form, doctor, text::plain, told, write_down};
use crate::{
    clock,
    domain::{App, delivery, email::Email},
    mail::{Letter, TestMail},
    mask::shows,
    say,
};

#[derive(Args)]
pub struct Mail {
    #[command(subcommand)]
    act: Act,
}

// Debug output must not show the arguments: they contain an address.
shows!(Mail:);

#[derive(Subcommand)]
enum Act {
    /// Send a test mail, and say what the mail server answered
    ///
    /// The mail takes the same way as sign-in mails, but is sent at once, without a retry, and to any address. Exits with 1
    /// when the server does not accept it.
    Test {
        address: String,
        #[command(flatten)]
        form: Form,
    },
}

impl Mail {
    pub async fn run(self, app: &App) -> Result<(), Vec<String>> {
        let Act::Test { address, form } = self.act;
        let email = Email::parse(&address)
            .ok_or_else(|| told(&"that is not an e-mail address; nothing was sent"))?;
        write_down(app, &format!("test mail to {}", email.masked())).await?;
        let id = clock::new_id("mail");
        let letter = Letter::Test(TestMail {
            id: id.clone(),
            to: email.as_str().to_owned(),
            start: app.config.url("/"),
        });
        match app.mailer.send(letter).await {
            Ok(taken) => {
                delivery::works(app).await.map_err(|error| told(&error))?;
                let answer = plain(&taken.answer);
                say(&if form.json {
                    serde_json::json!({ "sent": true, "id": id, "answer": taken.answer })
                        .to_string()
                } else {
                    format!(
                        "The mail server took it: {answer}\nIf it does not arrive, look into the spam folder, and for {id} in that server's log."
                    )
                });
                Ok(())
            }
            Err(error) => {
                let finding = doctor::of_mail(&error);
                let advice = finding.advice.unwrap_or_default();
                if form.json {
                    let object = serde_json::json!({ "sent": false, "id": id, "says": finding.says, "do": advice });
                    say(&object.to_string());
                    return Err(Vec::new());
                }
                Err(vec![
                    format!("billhook: {}", finding.says),
                    format!("  {advice}"),
                ])
            }
        }
    }
}
