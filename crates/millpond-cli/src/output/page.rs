//! Text for people: headings, fields, tables, remarks; coloured only where that helps.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Table, printable};

/// A stream of text for people.
pub(crate) struct Page<'a> {
    to: &'a mut dyn Write,
    colour: bool,
}

const HEADING: Style = Style::new().bold();
const NAME: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default();

impl<'a> Page<'a> {
    pub(crate) fn new(to: &'a mut dyn Write, colour: bool) -> Self {
        Self { to, colour }
    }

    /// One line of plain text.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.to, "{}", printable(text))
    }

    /// The name of what follows.
    pub(crate) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.styled(HEADING, text)?;
        writeln!(self.to)
    }

    /// Something is as it should be.
    pub(crate) fn good(&mut self, text: &str) -> io::Result<()> {
        self.styled(GOOD, "ok")?;
        writeln!(self.to, "  {}", printable(text))
    }

    /// Something is not as it should be.
    pub(crate) fn bad(&mut self, text: &str) -> io::Result<()> {
        self.styled(BAD, "bad")?;
        writeln!(self.to, " {}", printable(text))
    }

    /// Why the command failed.
    pub(crate) fn error(&mut self, text: &str) -> io::Result<()> {
        self.styled(BAD, "error:")?;
        writeln!(self.to, " {}", printable(text))
    }

    /// What the reader may want to know beside the answer.
    pub(crate) fn remark(&mut self, text: &str) -> io::Result<()> {
        self.styled(WARNING, "note:")?;
        writeln!(self.to, " {}", printable(text))
    }

    /// Names and values, one a line, aligned under a heading.
    pub(crate) fn fields<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        fields: impl IntoIterator<Item = (N, V)>,
    ) -> io::Result<()> {
        let mut table = Table::without_header();
        for (name, value) in fields {
            table.row([&format!("  {}", name.as_ref()), value.as_ref()]);
        }
        let colour = self.colour;
        table.write(self.to, |column| if colour && column == 0 { NAME } else { Style::new() })
    }

    /// Rows under a header.
    pub(crate) fn table(&mut self, table: &Table) -> io::Result<()> {
        let colour = self.colour;
        table.write_header(self.to, if colour { HEADING } else { Style::new() })?;
        table.write(self.to, |_| Style::new())
    }

    fn styled(&mut self, style: Style, text: &str) -> io::Result<()> {
        if self.colour {
            write!(self.to, "{style}{}{style:#}", printable(text))
        } else {
            write!(self.to, "{}", printable(text))
        }
    }
}
