//! What tools show on standard output: lines that are drawn again in place on a terminal, and plain lines elsewhere.

use std::io::{self, Write as _};

/// Where the live table is drawn.
pub(crate) struct Screen {
    live: bool,
    drawn: Vec<String>,
}

impl Screen {
    /// `live` on a terminal.
    pub(crate) fn new(live: bool) -> Self {
        Self { live, drawn: Vec::new() }
    }

    /// Shows these lines in place of those drawn last. Does nothing when they are the same, or elsewhere than on a
    /// terminal.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        if !self.live || self.drawn == lines {
            return Ok(());
        }
        let mut text = String::new();
        if !self.drawn.is_empty() {
            // Up to the first line, and all below it away.
            text += &format!("\x1b[{}A\x1b[J", self.drawn.len());
        }
        for line in lines {
            text += line;
            text.push('\n');
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        self.drawn = lines.to_vec();
        out.flush()
    }

    /// Shows these lines for good; what comes later is written below them.
    pub(crate) fn leave(&mut self, lines: &[String]) -> io::Result<()> {
        if self.live {
            self.draw(lines)?;
            self.drawn.clear();
            return Ok(());
        }
        print(lines)
    }
}

/// Writes lines to standard output.
pub(crate) fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    out.flush()
}
