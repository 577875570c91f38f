//! One mail and one server: whose answer is whose, and when a mail counts as sent.

use std::time::{Duration, Instant};

use billhook::{
    clock, config,
    mail::{Error, Letter, Mailer, Post, Server, SignInMail, Step, Taken},
};

use crate::{
    helpers::eventually,
    scripted::{Answer, Scripted},
};

fn letter(to: &str) -> Letter {
    Letter::SignIn(SignInMail {
        id: clock::new_id("mail"),
        to: to.to_owned(),
        link: config::Secret::new("https://billing.example.com/sign-in/link?token=x"),
        code: config::Secret::new("12345678"),
        minutes: 10,
        asked_from: String::new(),
    })
}

fn mailer(url: &str) -> Mailer {
    let from = "Northwind <billing@example.com>".parse().unwrap();
    Mailer::smtp(url, from, "Northwind").unwrap()
}

async fn send(url: &str, to: &str) -> Result<Taken, Error> {
    mailer(url).send(letter(to)).await
}

/// On the first connection this at that line, and all as usual after it.
fn once(at: &'static str, said: &'static str) -> impl Fn(usize, &str) -> Answer + Send + Sync {
    move |number, line| match number == 0 && verb(line) == at {
        true => Answer::Say(said),
        false => Answer::Usual,
    }
}

fn verb(line: &str) -> &str {
    line.split([' ', ':']).next().unwrap_or_default()
}

/// However the server answers: only a yes to the end of this mail makes it sent, and the next mail is not
/// touched by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_sent_when_its_own_end_was_answered_with_yes() {
    for (at, said, is_sent) in [
        ("", "220-two\r\n220 lines", true),
        (".", "250-two\r\n250 lines", true),
        (".", "250", true),
        // Whatever follows the yes.
        (".", "250 ok\r\n421 I go", true),
        // More answers than there were commands.
        ("", "220 a\r\n250 b", false),
        ("EHLO", "250 a\r\n250 b", false),
        ("MAIL", "250 a\r\n250 b", false),
        ("RCPT", "250 a\r\n250 b", false),
        ("RCPT", "250 a\r\n354 b\r\n250 c", false),
        ("DATA", "354 a\r\n250 before it came", false),
        ("DATA", "354 a\r\n552 too large", false),
        ("RCPT", "250 a\r\n421 I go", false),
        // Yes to something else.
        ("DATA", "250 ok", false),
        ("DATA", "334 go", false),
        (".", "354 go ahead", false),
        ("MAIL", "354 go ahead", false),
        // No.
        ("", "554 no", false),
        ("", "421 busy", false),
        ("EHLO", "421 busy", false),
        ("MAIL", "451 later", false),
        ("RCPT", "450 4.2.0 greylisted", false),
        ("DATA", "451 later", false),
        (".", "451 later", false),
        (".", "550-two\r\n550 lines", false),
        // Nonsense.
        (".", "250-a\r\n550 b", false),
        (".", "ok", false),
        (".", "250ok", false),
        ("", "HTTP/1.1 400 Bad Request", false),
    ] {
        let server = Scripted::start(once(at, said)).await;
        let first = send(&server.url(), "ada@example.com").await;
        assert_eq!(first.is_ok(), is_sent, "{at} {said}: {first:?}");
        if let Err(error) = first {
            assert!(!error.is_permanent(), "{at} {said}: {error}");
        }
        let second = send(&server.url(), "bob@example.com").await;
        assert!(second.is_ok(), "{at} {said}: {second:?}");
        let mails = server.mails();
        assert_eq!(mails.last().unwrap().0, "bob@example.com", "{at} {said}");
        let early = at == "DATA" && said.starts_with("354");
        assert!(!early || mails.len() == 1, "it was not ended: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_has_not_taken_the_mail() {
    for at in ["", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        let script = move |number, line: &str| match number == 0 && verb(line) == at {
            true => Answer::Close,
            false => Answer::Usual,
        };
        let server = Scripted::start(script).await;
        let first = send(&server.url(), "ada@example.com").await.unwrap_err();
        assert!(matches!(first, Error::Broken { .. }), "{at}: {first:?}");
        assert!(!first.is_permanent());
        send(&server.url(), "ada@example.com").await.unwrap();
    }
}

/// What was given up in the middle leaves nothing behind that the next mail could meet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_was_given_up_crosses_no_other() {
    for at in ["EHLO", "MAIL", "RCPT", "DATA", "."] {
        let script = move |number, line: &str| match number == 0 && verb(line) == at {
            true => Answer::Nothing,
            false => Answer::Usual,
        };
        let server = Scripted::start(script).await;
        // The same mailer for both.
        let mailer = mailer(&server.url());
        tokio::select! {
            result = mailer.send(letter("ada@example.com")) => panic!("{at}: {result:?}"),
            () = server.silent() => {}
        }
        let taken = mailer.send(letter("bob@example.com")).await.unwrap();
        assert!(taken.answer.contains("queued as 4XkQ1"), "{taken:?}");
        let of_first = server.heard();
        let of_first = of_first.iter().filter(|(number, _)| *number == 0);
        assert!(
            of_first.clone().all(|(_, line)| !line.contains("bob@")),
            "{at}: {:?}",
            of_first.collect::<Vec<_>>()
        );
    }
}

/// All in all, and not for each of its parts; wherever the server falls silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_has_twenty_seconds_in_all() {
    let began = Instant::now();
    let silent = ["", "EHLO", "MAIL", "RCPT", "DATA", "."].map(|at| async move {
        let server = Scripted::start(move |_, line| match verb(line) == at {
            true => Answer::Nothing,
            false => Answer::Usual,
        })
        .await;
        let post = Post::new(Server::read(&server.url()).unwrap(), "x".to_owned());
        let rehearsed = async {
            match at {
                "DATA" | "." => Err(Error::TooLate),
                _ => post.rehearse(Some("ada@example.com")).await,
            }
        };
        let url = server.url();
        let (sent, rehearsed) = tokio::join!(send(&url, "ada@example.com"), rehearsed);
        assert!(matches!(sent, Err(Error::TooLate)), "{at}: {sent:?}");
        assert!(
            matches!(rehearsed, Err(Error::TooLate)),
            "{at}: {rehearsed:?}"
        );
    });
    futures::future::join_all(silent).await;
    let took = began.elapsed();
    assert!(
        (Duration::from_secs(19)..Duration::from_secs(23)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_no_to_the_recipient_is_final() {
    for (at, said, is_final, is_alarm) in [
        ("RCPT", "550 5.1.1 unknown", true, false),
        ("RCPT", "550 no such user", true, false),
        ("RCPT", "552 5.2.2 full", true, false),
        (
            "RCPT",
            "550 5.4.1 Recipient address rejected: Access denied",
            true,
            false,
        ),
        ("RCPT", "550 5.4.1 no route", false, true),
        ("RCPT", "550 5.1.0 sender rejected", false, true),
        ("RCPT", "451 4.7.1 greylisted", false, false),
        ("RCPT", "550 5.7.1 relaying denied", false, true),
        ("RCPT", "554 5.7.1 Relay access denied", false, true),
        ("RCPT", "530 5.7.0 sign in first", false, true),
        ("", "554 no service", false, true),
        ("", "421 busy", false, false),
        ("EHLO", "550 bad name", false, true),
        ("AUTH", "535 5.7.8 wrong", false, true),
        ("AUTH", "530 5.7.0 STARTTLS first", false, true),
        ("AUTH", "454 4.7.0 later", false, false),
        ("MAIL", "550 5.1.1 no such sender", false, true),
        ("MAIL", "553 not yours", false, true),
        ("DATA", "554 no", false, true),
        (".", "554 5.7.1 spam", false, true),
        (".", "550 policy", false, true),
    ] {
        let server = Scripted::start(once(at, said)).await;
        let url = format!("smtp://shop:right@{}", server.address);
        let error = send(&url, "ada@example.com").await.unwrap_err();
        assert_eq!(error.is_permanent(), is_final, "{at} {said}: {error}");
        assert_eq!(error.is_alarm(), is_alarm, "{at} {said}: {error}");
        let words = said.rsplit(' ').next().unwrap();
        assert!(error.to_string().contains(words), "{said}: {error}");
        if let Error::Refused(refusal) = error {
            assert_eq!(refusal.step == Step::To, at == "RCPT");
        }
        // A goodbye where nothing is open.
        eventually(|| async {
            let heard = server.heard();
            heard.iter().any(|(_, line)| line == "QUIT").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_and_passwords_are_sent_as_they_are_written() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let said = |server: &Scripted| {
        let lines = server.heard().into_iter();
        let lines =
            lines.filter_map(|(_, line)| line.strip_prefix("AUTH PLAIN ").map(str::to_owned));
        let tokens = lines.map(|token| BASE64_STANDARD.decode(token).unwrap());
        tokens
            .map(|token| String::from_utf8(token).unwrap())
            .collect::<Vec<_>>()
    };
    for (written, token) in [
        (
            "ada@example.com:p/a#s?s@w:d",
            "\0ada@example.com\0p/a#s?s@w:d",
        ),
        ("ada:p%2Fa%23s%3Fs%40w%3Ad%25", "\0ada\0p/a#s?s@w:d%"),
    ] {
        let server = Scripted::start(|_, _| Answer::Usual).await;
        let url = format!("smtp://{written}@{}", server.address);
        send(&url, "bob@example.com").await.unwrap();
        assert_eq!(said(&server), [token]);
    }
    // LOGIN, where there is nothing else.
    let server = Scripted::start(|_, line| match verb(line) {
        "EHLO" => Answer::Say("250-x\r\n250 AUTH LOGIN"),
        "AUTH" => Answer::Say("334 VXNlcm5hbWU6"),
        "YWRh" => Answer::Say("334 UGFzc3dvcmQ6"),
        "cmlnaHQ=" => Answer::Say("235 welcome"),
        _ => Answer::Usual,
    })
    .await;
    let url = format!("smtp://ada:right@{}", server.address);
    send(&url, "bob@example.com").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_told_who_we_are_and_that_a_machine_writes() {
    let server = Scripted::start_at("[::1]:0", |_, _| Answer::Usual).await;
    for (frontend_url, ehlo_name, told) in [
        ("http://127.0.0.1:3000", "", "EHLO [127.0.0.1]"),
        ("http://[::1]:3000", "", "EHLO [IPv6:::1]"),
        (
            "https://billing.example.com",
            "",
            "EHLO billing.example.com",
        ),
        (
            "https://billing.example.com",
            "none",
            "EHLO billing.example.com",
        ),
        (
            "https://billing.example.com",
            "Mail.Example.com",
            "EHLO mail.example.com",
        ),
        (
            "https://billing.example.com",
            "192.0.2.1",
            "EHLO [192.0.2.1]",
        ),
        (
            "https://billing.example.com",
            "2001:db8::1",
            "EHLO [IPv6:2001:db8::1]",
        ),
    ] {
        let mut settings: std::collections::HashMap<_, _> = [
            ("FRONTEND_URL", frontend_url),
            ("STRIPE_API_KEY", "rk_test_billhook"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_one"),
            ("SESSION_SECRET", "9e2b7c51d80f4a36b1c4e7f02d5a8893"),
            ("SMTP_URL", &format!("smtp://{}", server.address)),
            ("MAIL_FROM", "Northwind <billing@example.com>"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if !ehlo_name.is_empty() {
            settings.insert("EHLO_NAME".to_owned(), ehlo_name.to_owned());
        }
        let mailer = Mailer::of(&config::read(&settings).unwrap()).unwrap();
        mailer.send(letter("ada@example.com")).await.unwrap();
        let heard = server.heard();
        let hello = heard.iter().rfind(|(_, line)| line.starts_with("EHLO"));
        assert_eq!(hello.unwrap().1, told);
    }
    let (_, text) = server.mails().pop().unwrap();
    assert!(
        text.contains("\nAuto-Submitted: auto-generated\n"),
        "{text}"
    );
}
