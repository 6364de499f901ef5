//! Rows of text in aligned columns.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::printable;

/// Spaces between columns.
const GAP: usize = 2;

/// Rows of text; cells never contain control characters, whatever they were made of.
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub(crate) fn new<const COLUMNS: usize>(header: [&'static str; COLUMNS]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// An empty table whose columns speak for themselves.
    pub(crate) fn without_header() -> Self {
        Self { header: Vec::new(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const COLUMNS: usize>(&mut self, cells: [impl AsRef<str>; COLUMNS]) {
        self.rows.push(cells.iter().map(|cell| printable(cell.as_ref()).into_owned()).collect());
    }

    /// Writes the header.
    pub(super) fn write_header(&self, to: &mut dyn Write, style: Style) -> io::Result<()> {
        let widths = self.widths();
        write_row(to, &self.header, &widths, |_| style)
    }

    /// Writes the rows; `style` says how each column looks.
    pub(super) fn write(&self, to: &mut dyn Write, style: impl Fn(usize) -> Style) -> io::Result<()> {
        let widths = self.widths();
        for row in &self.rows {
            write_row(to, row, &widths, &style)?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0).max(self.header.len());
        let mut widths = vec![0; columns];
        for (width, title) in widths.iter_mut().zip(&self.header) {
            *width = title.width();
        }
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        widths
    }
}

fn write_row(
    to: &mut dyn Write,
    cells: &[impl AsRef<str>],
    widths: &[usize],
    style: impl Fn(usize) -> Style,
) -> io::Result<()> {
    for (column, cell) in cells.iter().enumerate() {
        let (cell, style) = (cell.as_ref(), style(column));
        write!(to, "{style}{cell}{style:#}")?;
        if column + 1 < cells.len() {
            let width = widths.get(column).copied().unwrap_or(0);
            write!(to, "{:1$}", "", width.saturating_sub(cell.width()) + GAP)?;
        }
    }
    writeln!(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_the_terminal_shows() {
        let mut table = Table::new(["NAME", "N"]);
        table.row(["水", "1"]);
        table.row(["evil\u{1b}[2J", "22"]);
        let mut text = Vec::new();
        table.write_header(&mut text, Style::new()).unwrap();
        table.write(&mut text, |_| Style::new()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "NAME         N\n水           1\nevil\\x1b[2J  22\n");
    }
}
