//! Where a command reads and writes, so that a host or a test can put itself there.

use std::io::{self, BufWriter, IsTerminal, Read, Write};

use anstream::ColorChoice;

/// Bytes of output collected before a write.
const BUFFER_BYTES: usize = 64 * 1024;

/// The three standard streams of one command, and what they are connected to.
pub struct Streams<'a> {
    /// Where a value of `-` comes from.
    pub stdin: Box<dyn Read + 'a>,
    /// Where the answer goes. Flushed before [`crate::run`] returns.
    pub stdout: Box<dyn Write + 'a>,
    /// Where errors, remarks and progress go.
    pub stderr: Box<dyn Write + 'a>,
    /// A person looks at the output.
    pub stdout_terminal: bool,
    /// A person looks at the errors: progress bars may be drawn there.
    pub stderr_terminal: bool,
    /// The output may be coloured.
    pub stdout_colour: bool,
    /// The errors may be coloured.
    pub stderr_colour: bool,
    /// A command that runs until it is interrupted may catch SIGINT and SIGTERM meanwhile, to end well.
    pub signals: bool,
}

impl Streams<'_> {
    /// The streams of the process, coloured where a terminal shows them and `NO_COLOR` isn't set.
    pub fn of_process() -> Streams<'static> {
        let coloured = |choice: ColorChoice| choice != ColorChoice::Never;
        Streams {
            stdin: Box::new(io::stdin()),
            stdout: Box::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout())),
            stderr: Box::new(io::stderr()),
            stdout_terminal: io::stdout().is_terminal(),
            stderr_terminal: io::stderr().is_terminal(),
            stdout_colour: coloured(anstream::AutoStream::choice(&io::stdout())),
            stderr_colour: coloured(anstream::AutoStream::choice(&io::stderr())),
            signals: true,
        }
    }

    /// Streams that are connected to no terminal.
    pub fn plain<'a>(stdin: impl Read + 'a, stdout: impl Write + 'a, stderr: impl Write + 'a) -> Streams<'a> {
        Streams {
            stdin: Box::new(stdin),
            stdout: Box::new(stdout),
            stderr: Box::new(stderr),
            stdout_terminal: false,
            stderr_terminal: false,
            stdout_colour: false,
            stderr_colour: false,
            signals: false,
        }
    }
}
