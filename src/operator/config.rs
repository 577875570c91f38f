//! `billhook config`: prints every setting in force and its source.

use clap::Args;
use serde_json::json;

use super::{Form, text};
use crate::{
    config::{self, Around, Environment, Origin, SETTINGS, Setting},
    say,
};

#[derive(Args, Clone, Copy, Debug)]
pub struct Settings {
    /// Print what there is to set instead, as a table in Markdown
    #[arg(long)]
    table: bool,
    #[command(flatten)]
    form: Form,
}

/// The output for one setting.
struct Row {
    name: &'static str,
    /// `None` if the setting is not set or is invalid.
    value: Option<String>,
    from: String,
    is_at_fault: bool,
}

impl Settings {
    pub fn run(self) -> Result<(), Vec<String>> {
        if self.table {
            say(config::table().trim_end());
            return Ok(());
        }
        let found = config::environment().map_err(|faults| {
            faults
                .into_iter()
                .map(|fault| format!("billhook: {fault}"))
                .collect::<Vec<_>>()
        })?;
        let around = config::read_around(&found.settings);
        let rows: Vec<_> = SETTINGS
            .iter()
            .map(|setting| row(setting, &found, &around))
            .collect();
        let notes = around.faults.iter().chain(&found.notes);
        if self.form.json {
            let settings: Vec<_> = rows
                .iter()
                .map(|row| {
                    json!({ "name": row.name, "value": row.value, "from": row.from, "usable": !row.is_at_fault })
                })
                .collect();
            say(&text::json(
                &json!({ "settings": settings, "notes": notes.collect::<Vec<_>>() }),
            ));
            return Ok(());
        }
        say(&text::table(&rows.iter().map(cells).collect::<Vec<_>>()));
        let notes: Vec<_> = notes
            .map(|note| format!("  - {}", text::plain(note)))
            .collect();
        if !notes.is_empty() {
            say(&format!("\n{}", notes.join("\n")));
        }
        say("\n`billhook config --table` says what each setting is.");
        Ok(())
    }
}

fn row(setting: &'static Setting, found: &Environment, around: &Around) -> Row {
    let name = setting.name;
    let origin = found.origin(name);
    let is_at_fault = around.with(&[name]).is_none();
    let set = found.settings.get(name).map(|value| value.trim());
    let value = match (origin, is_at_fault) {
        (Origin::Default, _) => Some(setting.default).filter(|text| !text.is_empty()),
        // An invalid value may be a secret in the wrong setting, so it is not shown.
        (_, true) => None,
        (_, false) => set,
    };
    Row {
        name,
        value: value.map(|value| config::shown(setting, value)),
        from: match origin {
            Origin::Process => "environment".to_owned(),
            Origin::File(line) => format!(".env line {line}"),
            Origin::Default if setting.default.is_empty() => "missing".to_owned(),
            Origin::Default => "default".to_owned(),
        },
        is_at_fault,
    }
}

fn cells(row: &Row) -> Vec<String> {
    let value = match (&row.value, row.is_at_fault, row.from.as_str()) {
        (_, _, "missing") => "-".to_owned(),
        (_, true, _) => "(cannot be used)".to_owned(),
        (value, false, _) => text::plain(value.as_deref().unwrap_or("-")),
    };
    vec![row.name.to_owned(), row.from.clone(), value]
}
