//! `billhook import`: a progress bar for people, lines for logs, and a correct exit status.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use super::{Form, text::plain, told, write_down};
use crate::{
    domain::{
        App,
        import::{
            self, Progress, Report,
            lock::{LOST, Lock},
        },
        mirror::Kind,
        refetch,
    },
    say,
};

/// Errors that are listed; the rest is counted.
const SHOWN: usize = 20;
/// Seconds between progress lines without a terminal.
const LINE_EVERY: u64 = 10;
/// Steps of the progress bar.
const FINE: u64 = 1000;

#[derive(Args, Debug)]
pub struct Import {
    #[arg(long, value_name = "NOUNS", value_delimiter = ',', value_parser = noun, help = only())]
    only: Vec<Kind>,
    /// Requests a second at most, besides those of the server. Stripe allows 100 in live mode and 25 in a
    /// sandbox, for all your programs together
    #[arg(long, value_name = "NUMBER", default_value = "20")]
    rate: NonZeroU32,
    #[command(flatten)]
    form: Form,
}

fn only() -> String {
    format!("Only these, separated by commas: {}", names())
}

fn names() -> String {
    let names: Vec<_> = import::nouns().into_iter().map(name_of).collect();
    names.join(", ")
}

fn noun(name: &str) -> Result<Kind, String> {
    import::nouns()
        .into_iter()
        .find(|kind| name_of(*kind) == name)
        .ok_or_else(|| format!("one of {} is wanted", names()))
}

fn name_of(kind: Kind) -> String {
    match refetch::list_of(kind) {
        "entitlements/active_entitlements" => "entitlements".to_owned(),
        list => list.replace('/', "_"),
    }
}

impl Import {
    pub async fn run(self, app: &App, stop: CancellationToken) -> Result<(), Vec<String>> {
        let nouns = if self.only.is_empty() {
            import::nouns()
        } else {
            import::nouns()
                .into_iter()
                .filter(|kind| self.only.contains(kind))
                .collect()
        };
        let stop = stop.child_token();
        let names: Vec<_> = nouns.iter().copied().map(name_of).collect();
        write_down(app, &format!("import of {}", names.join(", "))).await?;
        let lock = Lock::take(app, &stop).await.map_err(|error| told(&error))?;
        let Some(lock) = lock else {
            return Err(vec![format!(
                "billhook: another import runs on this database, and one is enough. If it was killed, try again in {LOST} seconds"
            )]);
        };
        let client = app.stripe.at_rate(self.rate);
        let mut show = Show::new(self.form);
        let result = import::run(app, &client, &nouns, &stop, |progress| show.tell(progress)).await;
        let is_ours = lock.release(app).await;
        let report = result.map_err(|error| told(&error))?;
        show.end(report.is_stopped);
        let concluded = self.conclude(&report);
        match is_ours {
            Ok(false) => Err(vec![
                "billhook: another import has taken over, as this one gave no sign of life for a minute".to_owned(),
            ]),
            _ => concluded,
        }
    }

    fn conclude(&self, report: &Report) -> Result<(), Vec<String>> {
        let read: BTreeMap<_, _> = report
            .read
            .iter()
            .map(|(kind, count)| (name_of(*kind), *count))
            .collect();
        if self.form.json {
            let json = serde_json::json!({
                "read": read, "errors": report.errors, "stopped": report.is_stopped,
            });
            say(&json.to_string());
        } else if !read.is_empty() {
            let counts = read.iter().map(|(name, count)| format!("{count} {name}"));
            say(&format!("read {}", counts.collect::<Vec<_>>().join(", ")));
        }
        let mut lines: Vec<_> = report
            .errors
            .iter()
            .take(SHOWN)
            .map(|error| format!("  - {}", plain(error)))
            .collect();
        if !lines.is_empty() {
            lines.insert(0, format!("billhook: {} errors:", report.errors.len()));
        }
        if report.errors.len() > SHOWN {
            lines.push(format!("  … and {} more", report.errors.len() - SHOWN));
        }
        if report.is_stopped {
            lines.push(format!(
                "billhook: stopped; `{}` goes on from here, for a week",
                self.again()
            ));
        }
        if lines.is_empty() { Ok(()) } else { Err(lines) }
    }

    /// The command that resumes this import.
    fn again(&self) -> String {
        let names: Vec<_> = self.only.iter().copied().map(name_of).collect();
        let mut command = "billhook import".to_owned();
        if !names.is_empty() {
            command.push_str(&format!(" --only {}", names.join(",")));
        }
        command
    }
}

/// Progress output: a bar on a terminal, a line now and then elsewhere, nothing with JSON.
struct Show {
    bar: Option<ProgressBar>,
    is_silent: bool,
    /// The object type being read: its start time and its progress then.
    noun: Option<(Instant, Progress)>,
    last_line: Option<Instant>,
}

impl Show {
    fn new(form: Form) -> Show {
        let has_bar = !form.json && std::io::stderr().is_terminal();
        Show {
            bar: has_bar.then(|| ProgressBar::new(FINE)),
            is_silent: form.json,
            noun: None,
            last_line: None,
        }
    }

    fn tell(&mut self, progress: Progress) {
        let known = self.noun.filter(|(_, first)| first.kind == progress.kind);
        let (began, first) = known.unwrap_or_else(|| {
            self.end(false);
            (Instant::now(), progress)
        });
        self.noun = Some((began, first));
        let seconds = began.elapsed().as_secs_f64();
        let rate = (progress.read - first.read) as f64 / seconds.max(0.001);
        let name = name_of(progress.kind);
        let left = left(seconds, progress.part - first.part, 1.0 - progress.part);
        if let Some(bar) = &self.bar {
            // The bar's own estimate would count the objects of an earlier run as read in no time.
            let template = "{msg:20} {bar:30} {percent:>3} %  {prefix}";
            bar.set_prefix(format!("{} read, {rate:.0}/s{left}", progress.read));
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(name);
            bar.set_position((progress.part * FINE as f64) as u64);
        } else if !self.is_silent
            && self
                .last_line
                .is_none_or(|last| last.elapsed().as_secs() >= LINE_EVERY)
        {
            self.last_line = Some(Instant::now());
            say(&format!(
                "{name}: {} read, {:.0} %, {rate:.0}/s{left}",
                progress.read,
                progress.part * 100.0,
            ));
        }
    }

    /// Leaves the finished bar of an object type on the screen.
    fn end(&mut self, is_stopped: bool) {
        if let (Some(bar), Some(_)) = (&self.bar, self.noun.take()) {
            if !is_stopped {
                bar.set_position(FINE);
            }
            bar.abandon();
            self.bar = Some(ProgressBar::new(FINE));
        }
        self.last_line = None;
    }
}

/// `, 3 minutes left`, estimated from the time taken so far. Empty while that is not known.
fn left(seconds: f64, done: f64, still: f64) -> String {
    if done <= 0.0 {
        return String::new();
    }
    Duration::try_from_secs_f64(seconds / done * still)
        .map(|left| format!(", {} left", HumanDuration(left)))
        .unwrap_or_default()
}
