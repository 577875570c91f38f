//! Shows on a terminal which checks are still running. A large database or a mail server that does not answer takes
//! seconds, and the operator should see why.

use std::{cell::RefCell, io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::operator::Form;

/// Prints nothing without a progress line on a terminal.
#[derive(Debug, Default)]
pub struct Waiting {
    line: Option<ProgressBar>,
    /// The checks that are still running.
    names: RefCell<Vec<&'static str>>,
}

impl Waiting {
    pub fn shown(form: Form) -> Waiting {
        let has_line = !form.json && std::io::stderr().is_terminal();
        let line = has_line.then(|| {
            let line = ProgressBar::new_spinner();
            if let Ok(style) =
                ProgressStyle::with_template("  {spinner} looking at {msg} ({elapsed})")
            {
                line.set_style(style);
            }
            line.enable_steady_tick(Duration::from_millis(100));
            line
        });
        Waiting {
            line,
            ..Waiting::default()
        }
    }

    /// Runs a check and shows its name until it is done. After the last check the line is removed.
    pub async fn during<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        self.names.borrow_mut().push(name);
        self.tell();
        let done = work.await;
        self.names.borrow_mut().retain(|other| *other != name);
        self.tell();
        done
    }

    fn tell(&self) {
        let Some(line) = &self.line else {
            return;
        };
        let names = self.names.borrow();
        if names.is_empty() {
            line.finish_and_clear();
        } else {
            line.set_message(names.join(", "));
        }
    }
}
