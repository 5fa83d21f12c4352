//! JSON as accel-config reads it: with commas before closing brackets, and with comments. Each value knows its line.

use std::iter::Peekable;
use std::str::CharIndices;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// What JSON can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; no key is there twice.
    Table(Vec<(String, Node)>),
}

/// Why a text is not JSON, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: String,
}

/// Files are at most five brackets deep.
const DEEPEST: usize = 16;

/// The value that `text` is.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut reader = Reader { text, chars: text.char_indices().peekable(), line: 1, depth: 0 };
    let node = reader.node()?;
    match reader.next_visible()? {
        None => Ok(node),
        Some(found) => Err(reader.error(format!("expected the end of the file but found `{found}`"))),
    }
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    line: usize,
    depth: usize,
}

impl Reader<'_> {
    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { line: self.line, message: message.into() }
    }

    fn next(&mut self) -> Option<char> {
        let (_, found) = self.chars.next()?;
        if found == '\n' {
            self.line += 1;
        }
        Some(found)
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, found)| *found)
    }

    /// The next character that is neither white space nor in a comment; it is not taken.
    fn next_visible(&mut self) -> Result<Option<char>, SyntaxError> {
        while let Some(found) = self.peek() {
            match found {
                ' ' | '\t' | '\r' | '\n' => _ = self.next(),
                '/' => {
                    self.next();
                    self.comment()?;
                }
                _ => return Ok(Some(found)),
            }
        }
        Ok(None)
    }

    fn comment(&mut self) -> Result<(), SyntaxError> {
        let start = self.line;
        match self.next() {
            Some('/') => {
                while self.peek().is_some_and(|found| found != '\n') {
                    self.next();
                }
                Ok(())
            }
            Some('*') => {
                let mut last = ' ';
                while let Some(found) = self.next() {
                    if (last, found) == ('*', '/') {
                        return Ok(());
                    }
                    last = found;
                }
                Err(SyntaxError { line: start, message: "this comment has no end".to_owned() })
            }
            _ => Err(self.error("`/` begins nothing here")),
        }
    }

    fn node(&mut self) -> Result<Node, SyntaxError> {
        let found = self.next_visible()?;
        let line = self.line;
        let value = match found {
            Some('{') => self.nested(Self::table)?,
            Some('[') => self.nested(Self::list)?,
            Some('"') => Value::Text(self.text()?),
            Some('-' | '0'..='9') => self.number()?,
            Some('a'..='z') => self.word()?,
            Some(found) => return Err(self.error(format!("expected a value but found `{found}`"))),
            None => return Err(self.error("expected a value but the file ends")),
        };
        Ok(Node { line, value })
    }

    fn nested(&mut self, inside: fn(&mut Self) -> Result<Value, SyntaxError>) -> Result<Value, SyntaxError> {
        self.next();
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(format!("more than {DEEPEST} brackets are open")));
        }
        let value = inside(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, SyntaxError> {
        let mut nodes = Vec::new();
        while !self.ends(']')? {
            nodes.push(self.node()?);
            self.separator(']')?;
        }
        Ok(Value::List(nodes))
    }

    fn table(&mut self) -> Result<Value, SyntaxError> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        while !self.ends('}')? {
            if self.peek() != Some('"') {
                let found = self.peek().map_or("the end of the file".to_owned(), |c| format!("`{c}`"));
                return Err(self.error(format!("expected a key in quotes or `}}` but found {found}")));
            }
            let key = self.text()?;
            if entries.iter().any(|(known, _)| *known == key) {
                return Err(self.error(format!("the key {key:?} is given twice")));
            }
            if self.next_visible()? != Some(':') {
                return Err(self.error(format!("expected `:` after the key {key:?}")));
            }
            self.next();
            entries.push((key, self.node()?));
            self.separator('}')?;
        }
        Ok(Value::Table(entries))
    }

    /// Takes the closing bracket if it is next.
    fn ends(&mut self, close: char) -> Result<bool, SyntaxError> {
        let ends = self.next_visible()? == Some(close);
        if ends {
            self.next();
        }
        Ok(ends)
    }

    /// Takes the comma after a value; none is needed before the closing bracket.
    fn separator(&mut self, close: char) -> Result<(), SyntaxError> {
        match self.next_visible()? {
            Some(',') => {
                self.next();
                Ok(())
            }
            Some(found) if found == close => Ok(()),
            Some(found) => Err(self.error(format!("expected `,` or `{close}` but found `{found}`"))),
            None => Err(self.error(format!("expected `,` or `{close}` but the file ends"))),
        }
    }

    fn text(&mut self) -> Result<String, SyntaxError> {
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(found) if found >= ' ' => text.push(found),
                _ => return Err(self.error("a text has no closing quote in its line")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, SyntaxError> {
        Ok(match self.next() {
            Some(found @ ('"' | '\\' | '/')) => found,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let mut code = 0;
                for _ in 0..4 {
                    let digit = self.next().and_then(|digit| digit.to_digit(16));
                    code = code * 16 + digit.ok_or_else(|| self.error("`\\u` needs four digits"))?;
                }
                // Halves of characters beyond 16 bits are no use in names that the kernel shows.
                char::from_u32(code).ok_or_else(|| self.error(format!("`\\u{code:04x}` is no character")))?
            }
            _ => return Err(self.error("`\\` begins nothing that JSON knows")),
        })
    }

    fn number(&mut self) -> Result<Value, SyntaxError> {
        let number = self.run(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        // Only whole numbers are settings; what is none is told when it is used as one.
        let good = number.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        if good { Ok(Value::Number(number)) } else { Err(self.error(format!("`{number}` is no number"))) }
    }

    fn word(&mut self) -> Result<Value, SyntaxError> {
        match self.run(|c| c.is_ascii_alphanumeric()).as_str() {
            "null" => Ok(Value::Null),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            other => Err(self.error(format!("`{other}` needs quotes"))),
        }
    }

    /// The characters from here on that are all `good`.
    fn run(&mut self, good: impl Fn(char) -> bool) -> String {
        let start = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        while self.peek().is_some_and(&good) {
            self.next();
        }
        let end = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        self.text.get(start..end).unwrap_or_default().to_owned()
    }
}

#[cfg(test)]
mod tests;
