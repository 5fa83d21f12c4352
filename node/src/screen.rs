//! What tools show on standard output: lines that are drawn again in place on a terminal, and plain lines elsewhere.

use std::io::{self, Write as _};

use rustix::termios::tcgetwinsize;

/// Where the live table is drawn.
pub(crate) struct Screen {
    live: bool,
    size: Size,
    drawn: Vec<String>,
}

/// Of a terminal, in characters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Size {
    columns: usize,
    rows: usize,
}

impl Screen {
    /// `live` on a terminal.
    pub(crate) fn new(live: bool) -> Self {
        Self { live, size: Size::default(), drawn: Vec::new() }
    }

    /// Shows these lines in place of those drawn last, as far as the terminal has room for them. Does nothing when they are the
    /// same, or elsewhere than on a terminal.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        if self.live { write(&self.drawing(lines, Size::of_terminal())) } else { Ok(()) }
    }

    /// Shows these lines for good, all of them; what comes later is written below them.
    pub(crate) fn leave(&mut self, lines: &[String]) -> io::Result<()> {
        if self.live {
            write(&self.clearing(Size::of_terminal()))?;
            self.drawn.clear();
        }
        print(lines)
    }

    /// What is to be written for these lines; nothing when they are there.
    fn drawing(&mut self, lines: &[String], size: Size) -> String {
        let lines = size.fitted(lines);
        if self.size == size && self.drawn == lines {
            return String::new();
        }
        let text = self.clearing(size) + &lines.join("\n") + "\n";
        (self.size, self.drawn) = (size, lines);
        text
    }

    /// What takes the lines drawn last away: up to the first, and all below it away. Where they are in a window whose size was
    /// changed is not known.
    fn clearing(&self, size: Size) -> String {
        match self.drawn.len() {
            0 => String::new(),
            _ if self.size != size => "\x1b[H\x1b[2J".to_owned(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }
}

impl Size {
    /// Serial lines do not know it.
    fn of_terminal() -> Self {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Self { columns: size.ws_col.into(), rows: size.ws_row.into() }
            }
            _ => Self { columns: 80, rows: 24 },
        }
    }

    /// Lines that neither wrap nor scroll: what has no room is cut, and counted. The last row is the cursor's.
    fn fitted(self, lines: &[String]) -> Vec<String> {
        let room = self.rows.saturating_sub(1).max(1);
        let shown = if lines.len() > room { room - 1 } else { lines.len() };
        let mut fitted: Vec<String> = lines.iter().take(shown).map(|line| self.cut(line)).collect();
        if lines.len() > shown {
            fitted.push(self.cut(&format!("and {} more lines, for a higher window", lines.len() - shown)));
        }
        fitted
    }

    /// A line that is too long ends with `>`. What sets colours takes no room and stays.
    fn cut(self, line: &str) -> String {
        let mut is_colour = false;
        let mut column = 0;
        let mut cut = String::new();
        let mut whole = true;
        for character in line.chars() {
            is_colour |= character == '\x1b';
            if is_colour || column < self.columns.saturating_sub(1) {
                cut.push(character);
            } else if column + 1 == self.columns {
                cut.push('>');
            } else {
                whole = false;
            }
            column += usize::from(!is_colour);
            is_colour &= character != 'm';
        }
        if whole { line.to_owned() } else { cut }
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

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As much of a terminal as is written to: it wraps and scrolls.
    struct Terminal {
        size: Size,
        rows: Vec<String>,
        at: (usize, usize),
    }

    impl Terminal {
        fn new(columns: usize, rows: usize) -> Self {
            Self { size: Size { columns, rows }, rows: vec![String::new(); rows], at: (0, 0) }
        }

        fn line_feed(&mut self) {
            self.at = (self.at.0 + 1, 0);
            if self.at.0 == self.size.rows {
                self.rows.remove(0);
                self.rows.push(String::new());
                self.at.0 -= 1;
            }
        }

        fn show(&mut self, mut text: &str) {
            while let Some(character) = text.chars().next() {
                text = &text[character.len_utf8()..];
                if character == '\x1b' {
                    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    let (sequence, rest) = text.split_at(end + 1);
                    text = rest;
                    if let Some(up) = sequence.strip_suffix('A') {
                        self.at.0 = self.at.0.saturating_sub(up[1..].parse().unwrap());
                    } else if sequence == "[H" {
                        self.at = (0, 0);
                    } else if sequence.ends_with('J') {
                        self.rows[self.at.0..].fill(String::new());
                    }
                } else if character == '\n' {
                    self.line_feed();
                } else {
                    if self.at.1 == self.size.columns {
                        self.line_feed();
                    }
                    self.rows[self.at.0].push(character);
                    self.at.1 += 1;
                }
            }
        }

        fn text(&self) -> String {
            self.rows.join("\n").trim_end().to_owned()
        }
    }

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_drawn_again_leaves_nothing_of_what_was_there() {
        let mut terminal = Terminal::new(10, 6);
        let mut screen = Screen::new(true);
        terminal.show("$ top\n");
        for text in
            ["0123456789\nshort", "01234567890123456789012\nshort", "a\nb\nc\nd\ne\nf\ng\nh", "a\nb", "c"]
        {
            terminal.show(&screen.drawing(&lines(text), terminal.size));
        }
        // What was above has scrolled away, with the longest list.
        assert_eq!(terminal.text(), "c");
        let mut terminal = Terminal::new(10, 6);
        let mut screen = Screen::new(true);
        terminal.show("$ top\n");
        for text in ["0123456789\nshort", "01234567890123456789012\nshort"] {
            terminal.show(&screen.drawing(&lines(text), terminal.size));
        }
        assert_eq!(terminal.text(), "$ top\n012345678>\nshort");
        assert_eq!(screen.drawing(&lines("01234567890\nshort"), terminal.size), "");
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut terminal = Terminal::new(40, 4);
        terminal.show(&Screen::new(true).drawing(&lines("a\nb\nc\nd\ne"), terminal.size));
        assert_eq!(terminal.text(), "a\nb\nand 3 more lines, for a higher window");
        terminal.show("\x1b[H\x1b[J");
        terminal.show(&Screen::new(true).drawing(&lines("a\nb\nc"), terminal.size));
        assert_eq!(terminal.text(), "a\nb\nc");
    }

    #[test]
    fn a_window_whose_size_was_changed_is_drawn_anew() {
        let mut screen = Screen::new(true);
        screen.drawing(&lines("0123456789"), Size { columns: 10, rows: 6 });
        let mut terminal = Terminal::new(4, 6);
        // As it wraps what is there.
        terminal.show("0123456789\n");
        terminal.show(&screen.drawing(&lines("0123456789"), terminal.size));
        assert_eq!(terminal.text(), "012>");
    }

    #[test]
    fn colours_take_no_room_and_end() {
        let size = Size { columns: 4, rows: 9 };
        assert_eq!(size.cut("\x1b[1mabcdef\x1b[0m"), "\x1b[1mabc>\x1b[0m");
        assert_eq!(size.cut("\x1b[1mabcd\x1b[0m"), "\x1b[1mabcd\x1b[0m");
    }
}
