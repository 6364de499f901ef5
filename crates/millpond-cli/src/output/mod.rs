//! How an answer looks: lines and tables for people, one JSON document for programs.
//!
//! Under `--json`, standard output holds exactly one document,
//! `{"response": …, "error": null | {"kind": …, "message": …}, "status": …}`, whatever happens:
//! also when a command fails after a part of a long response has been written. `status` is the
//! exit code.

mod entry;
mod format;
mod page;
mod progress;
mod table;

use std::io::{self, Write};

use millpond::Error;
use serde::Serialize;
use serde_json::json;

pub(crate) use entry::{Entry, bytes_entry};
pub(crate) use format::{hex, moment, parse_hex, plural, printable, printable_bytes};
pub(crate) use page::Page;
pub(crate) use progress::{Bar, Progress};
pub(crate) use table::Table;

use crate::{
    Streams,
    exit::{self, kind_name},
    failure::{Failure, Outcome},
};

/// The output of one command.
pub(crate) struct Output<'a, 's> {
    streams: &'a mut Streams<'s>,
    json: bool,
    /// What ends the response that has been begun, if one has.
    pending: Option<&'static str>,
}

impl<'a, 's> Output<'a, 's> {
    pub(crate) fn new(streams: &'a mut Streams<'s>, json: bool) -> Self {
        Self { streams, json, pending: None }
    }

    /// Whether a program reads the answer.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at standard output.
    pub(crate) fn is_terminal(&self) -> bool {
        self.streams.stdout_terminal
    }

    /// Whether signals may be caught.
    pub(crate) fn may_catch_signals(&self) -> bool {
        self.streams.signals
    }

    /// The whole answer: `response` for programs, what `human` writes for people.
    pub(crate) fn respond(
        &mut self,
        response: &impl Serialize,
        human: impl FnOnce(&mut Page<'_>) -> io::Result<()>,
    ) -> Outcome {
        if self.json {
            self.begin("", "")?;
            self.raw(|to| serde_json::to_writer(to, response).map_err(io::Error::from))?;
            return self.finish();
        }
        let colour = self.streams.stdout_colour;
        self.raw(|to| human(&mut Page::new(to, colour)))
    }

    /// The whole answer of a command that did its work and found something wrong: as
    /// [`Output::respond`], and then `error`.
    pub(crate) fn respond_failed(
        &mut self,
        response: &impl Serialize,
        error: &Error,
        human: impl FnOnce(&mut Page<'_>) -> io::Result<()>,
    ) -> Outcome {
        if self.json {
            self.begin("", "")?;
            self.raw(|to| serde_json::to_writer(to, response).map_err(io::Error::from))?;
        } else {
            let colour = self.streams.stdout_colour;
            self.raw(|to| human(&mut Page::new(to, colour)))?;
        }
        Err(Failure::Told(self.fail(error)))
    }

    /// Begins a JSON response that is written piece by piece; `closing` ends it, also when the
    /// command fails in between.
    pub(crate) fn begin(&mut self, opening: &str, closing: &'static str) -> Outcome {
        self.raw(|to| write!(to, "{{\"response\":{opening}"))?;
        self.pending = Some(closing);
        Ok(())
    }

    /// Ends what [`Output::begin`] began, with success.
    pub(crate) fn finish(&mut self) -> Outcome {
        let closing = self.pending.take().unwrap_or_default();
        self.raw(|to| writeln!(to, "{closing},\"error\":null,\"status\":{}}}", exit::OK))
    }

    /// As [`Output::finish`], where the response has been closed already.
    pub(crate) fn close(&mut self) -> Outcome {
        self.pending = Some("");
        self.finish()
    }

    /// Writes to standard output.
    pub(crate) fn raw(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Outcome {
        write(&mut *self.streams.stdout).map_err(Failure::Output)
    }

    /// Standard input.
    pub(crate) fn input(&mut self) -> &mut dyn io::Read {
        &mut *self.streams.stdin
    }

    /// A remark for people, beside the answer.
    pub(crate) fn remark(&mut self, text: &str) {
        if !self.json {
            let colour = self.streams.stderr_colour;
            // Nobody reads it: the answer is on the other stream.
            let _unread = Page::new(&mut *self.streams.stderr, colour).remark(text);
        }
    }

    /// A progress bar towards `total`, or a spinner; drawn on terminals only.
    pub(crate) fn progress(&self, what: &'static str, total: Option<u64>) -> Progress {
        Progress::new(what, total, self.streams.stderr_terminal && !self.json)
    }

    /// Tells of `error`, in the form that the reader expects, and answers its exit code.
    pub(crate) fn fail(&mut self, error: &Error) -> u8 {
        self.fail_as(kind_name(error.kind()), exit::code(error.kind()), &error.to_string())
    }

    /// [`Output::fail`] for an error that has no [`Error`].
    pub(crate) fn fail_as(&mut self, kind: &str, code: u8, message: &str) -> u8 {
        let told = if self.json {
            let error = json!({ "kind": kind, "message": message });
            match self.pending.take() {
                Some(closing) => {
                    writeln!(self.streams.stdout, "{closing},\"error\":{error},\"status\":{code}}}")
                }
                None => {
                    writeln!(self.streams.stdout, "{{\"response\":null,\"error\":{error},\"status\":{code}}}")
                }
            }
        } else {
            // What was written before the error comes before it on a terminal, too.
            let _unread = self.streams.stdout.flush();
            let colour = self.streams.stderr_colour;
            Page::new(&mut *self.streams.stderr, colour).error(message)
        };
        // With nobody left to tell, the exit code still says it.
        let _untold = told;
        code
    }

    /// Tells of `error` on standard error whatever the form of the answer, because standard output
    /// is what failed; answers the exit code.
    pub(crate) fn fail_beside(&mut self, error: &Error) -> u8 {
        let colour = self.streams.stderr_colour;
        // With nobody left to tell, the exit code still says it.
        let _untold = Page::new(&mut *self.streams.stderr, colour).error(&error.to_string());
        exit::code(error.kind())
    }

    /// Hands everything to the operating system.
    pub(crate) fn flush(&mut self) -> Outcome {
        self.streams.stdout.flush().map_err(Failure::Output)
    }
}
