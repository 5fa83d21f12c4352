//! How a process of the cluster talks with the API server: watches that go on for ever, and failures in words.

mod follow;

use std::error::Error;

pub use follow::{Follow, Hints};

/// The message of an error and those of its causes, on one line: the client's own says little ("client error"). A cause that only
/// repeats what was said is left out.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as _)
        }
    }

    #[test]
    fn every_cause_is_said_once() {
        let refused = Layer("connection refused", None);
        let connect = Layer("cannot connect: connection refused", Some(Box::new(refused)));
        let error = Layer("client error", Some(Box::new(connect)));
        assert_eq!(causes(&error), "client error: cannot connect: connection refused");
    }
}
