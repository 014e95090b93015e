//! What the program says: to people, or as JSON to programs.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::{Colour, Globals};
use crate::exit::{Code, Failure};

/// How the program speaks.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    colour: bool,
    colour_errors: bool,
}

impl Output {
    pub(crate) fn new(globals: &Globals) -> Self {
        // https://no-color.org: any value that is not empty.
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let wanted = |is_terminal: bool| match globals.colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => !no_colour && is_terminal,
        };
        Self {
            json: globals.json,
            quiet: globals.quiet,
            colour: wanted(io::stdout().is_terminal()),
            colour_errors: wanted(io::stderr().is_terminal()),
        }
    }

    /// Whether what goes to standard error, such as the log of the server, may have colours.
    pub(crate) fn colours_errors(&self) -> bool {
        self.colour_errors
    }

    /// Says the result: one line of JSON, or what `human` makes of it.
    pub(crate) fn show(
        &self,
        value: &Value,
        human: impl FnOnce(&Self) -> String,
    ) -> anyhow::Result<()> {
        let mut text = if self.json {
            value.to_string()
        } else {
            human(self)
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.write(text.as_bytes())
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        match written {
            // Whoever reads has enough: that is no failure of ours.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            written => Ok(written?),
        }
    }

    /// Says something on the way, to people only.
    pub(crate) fn note(&self, text: &str) {
        if !self.json && !self.quiet {
            // Nobody is left to tell if this cannot be written.
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// A bar for long work, with the time that is left; silent where nobody looks.
    pub(crate) fn bar(&self, what: &'static str) -> ProgressBar {
        let bar = ProgressBar::no_length();
        if self.json || self.quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{prefix} {msg} {wide_bar} {percent}% {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what);
        bar
    }

    /// A sign of life for work of unknown length; silent where nobody looks.
    pub(crate) fn waiting(&self, what: &'static str) -> ProgressBar {
        let wait = ProgressBar::new_spinner();
        if self.json || self.quiet {
            wait.set_draw_target(ProgressDrawTarget::hidden());
        }
        wait.set_message(what);
        wait.enable_steady_tick(Duration::from_millis(100));
        wait
    }

    /// Says what went wrong, why, and what to do next.
    pub(crate) fn fail(&self, error: &anyhow::Error) -> Code {
        let failure = error.downcast_ref::<Failure>();
        let code = failure.map_or(Code::Failed, |failure| failure.code);
        let hint = failure.and_then(|failure| failure.hint.as_deref());
        let mut stderr = io::stderr().lock();
        let written = if self.json {
            let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
            let exit = code as u8;
            let error =
                json!({"error": error.to_string(), "causes": causes, "hint": hint, "exit": exit});
            writeln!(stderr, "{error}")
        } else {
            let label = self.paint(Paint::Bad, "error");
            let causes: String = error
                .chain()
                .skip(1)
                .map(|cause| format!("\n  because: {cause}"))
                .collect();
            let hint = hint
                .map(|hint| format!("\n  next:    {hint}"))
                .unwrap_or_default();
            writeln!(stderr, "{label}: {error}{causes}{hint}")
        };
        let _ = written; // nobody is left to tell
        code
    }

    /// Text in a colour, where colours are wanted.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Good => "32",
            Paint::Bad => "1;31",
            Paint::Strong => "1",
            Paint::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// What a colour is to say.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Good,
    Bad,
    Strong,
    Faint,
}
