//! `use`: templates with variables, expanded into lines.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::key_value;
use super::{Line, builtin, lines_of, parse_entry};
use crate::SimulatorError;

type Variables = BTreeMap<String, String>;

/// The lines that `TEMPLATE [as=NAME] KEY=VALUE ..` stands for, and the name.
pub(super) fn expand(words: &str, place: &str) -> Result<(Option<String>, Vec<Line>), SimulatorError> {
    let (template, mut variables) = parse_use(words, place)?;
    let device = variables.remove("as");
    if device.as_deref() == Some("") {
        return Err(SimulatorError::line(place, "expected a name after `as=`"));
    }
    let mut lines = Vec::new();
    expand_into(&mut lines, template, &variables, place)?;
    Ok((device, lines))
}

fn expand_into(
    lines: &mut Vec<Line>,
    template: &str,
    variables: &Variables,
    place: &str,
) -> Result<(), SimulatorError> {
    let Some(text) = builtin::TEMPLATES.get(template) else {
        let known = builtin::TEMPLATES.names();
        return Err(SimulatorError::line(
            place,
            format!("no template is named `{template}`; there are: {known}"),
        ));
    };
    let known = variables_of(text);
    if let Some(unknown) = variables.keys().find(|name| !known.contains(name.as_str())) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!("template {template} has no variable `{unknown}`; it has: {known}");
        return Err(SimulatorError::line(place, message));
    }
    for (number, keyword, rest) in lines_of(text) {
        let inner = format!("{place} > {template}:{number}");
        let rest = substitute(rest, variables).map_err(|name| {
            SimulatorError::line(
                place,
                format!("template {template} needs `{name}=` (used in its line {number})"),
            )
        })?;
        if keyword == "use" {
            let (template, variables) = parse_use(&rest, &inner)?;
            expand_into(lines, template, &variables, &inner)?;
        } else {
            lines.push(Line { entry: parse_entry(keyword, &rest, &inner)?, place: inner });
        }
    }
    Ok(())
}

fn parse_use<'a>(words: &'a str, place: &str) -> Result<(&'a str, Variables), SimulatorError> {
    let mut words = words.split_whitespace();
    let template = words.next().unwrap_or_default();
    let mut variables = Variables::new();
    for word in words {
        let (key, value) = key_value(word).map_err(|message| SimulatorError::line(place, message))?;
        if variables.insert(key, value).is_some() {
            return Err(SimulatorError::line(place, format!("`{word}` is given twice")));
        }
    }
    Ok((template, variables))
}

/// `text` with `${name}` and `${name:-default}` replaced, or the name that has no value.
fn substitute(text: &str, variables: &Variables) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Plain(text) => result.push_str(text),
            Piece::Variable { name, default } => {
                let value = variables.get(name).map(String::as_str).or(default);
                result.push_str(value.ok_or_else(|| name.to_owned())?);
            }
        }
    }
    Ok(result)
}

/// The names of the variables in the lines of `text`.
fn variables_of(text: &str) -> BTreeSet<&str> {
    let names = |rest| pieces(rest).into_iter().filter_map(Piece::name);
    lines_of(text).flat_map(|(_, _, rest)| names(rest)).collect()
}

enum Piece<'a> {
    Plain(&'a str),
    Variable { name: &'a str, default: Option<&'a str> },
}

impl<'a> Piece<'a> {
    fn name(self) -> Option<&'a str> {
        match self {
            Self::Plain(_) => None,
            Self::Variable { name, .. } => Some(name),
        }
    }
}

fn pieces(mut text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some((plain, rest)) = text.split_once("${")
        && let Some((inside, rest)) = rest.split_once('}')
    {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        pieces.push(Piece::Plain(plain));
        pieces.push(Piece::Variable { name, default });
        text = rest;
    }
    pieces.push(Piece::Plain(text));
    pieces
}
