//! Files that say how accelerators are to be configured, as accel-config saves and loads them.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::attributes::{Attribute, Form, Name, Part, number_of};
use super::json::{self, Node, Value};
use super::layout::Layout;
use crate::family::Family;

/// The most that a `ConfigMap` can hold.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file's text.
#[derive(Debug)]
pub(crate) struct File {
    /// For messages.
    pub(crate) name: String,
    text: String,
}

/// What a file says of an accelerator.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// `None`: nothing.
    pub(crate) layout: Option<Layout>,
    /// The other accelerators that it names.
    pub(crate) others: BTreeSet<String>,
    pub(crate) warnings: Vec<String>,
}

impl File {
    /// The file for this node, or the one for all nodes, or what is built in.
    pub(crate) fn find(family: &Family, folder: &str, node: &str) -> Result<Self, String> {
        if node.contains('/') {
            return Err(format!("-node-name {node:?} is not the name of a node"));
        }
        let family_name = family.name;
        let mut names = vec![format!("{family_name}.conf")];
        if !node.is_empty() {
            names.insert(0, format!("{family_name}-{node}.conf"));
        }
        for name in names {
            let path = Path::new(folder).join(name);
            match read(&path) {
                Ok(text) => return Ok(Self { name: path.display().to_string(), text }),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
            }
        }
        let built_in = if family_name == "iaa" { include_str!("iaa.conf") } else { include_str!("dsa.conf") };
        Ok(Self { name: format!("built-in {family_name}.conf"), text: built_in.to_owned() })
    }

    /// What the file says of an accelerator, a capital X in it being the accelerator's number.
    pub(crate) fn read(&self, family: &Family, device: &Name) -> Result<Reading, String> {
        let text = self.text.replace('X', &device.index.to_string());
        let file = &self.name;
        let root = json::parse(&text).map_err(|e| format!("{file}:{}: {}", e.line, e.message))?;
        let Value::List(devices) = root.value else {
            return Err(format!("{file}:{}: expected a list of accelerators, `[{{\"dev\": ..`", root.line));
        };
        let mut reading = Reading::default();
        for Node { line, value } in devices {
            let Value::Table(entries) = value else {
                return Err(format!("{file}:{line}: expected an accelerator, `{{\"dev\": ..`"));
            };
            let name = name_of(file, line, &entries)?;
            let number = name.strip_prefix(family.device).and_then(number_of);
            if number.is_none() {
                return Err(format!("{file}:{line}: {name:?} is not a name like \"{}X\"", family.device));
            }
            if name != device.device {
                reading.others.insert(name.to_owned());
                continue;
            }
            if reading.layout.is_some() {
                return Err(format!("{file}:{line}: {name} is described twice"));
            }
            let mut reader = Reader { file, device, layout: Layout::default(), warned: BTreeSet::new() };
            reader.part(Part::Device, None, &entries, &mut reading.warnings)?;
            reading.layout = Some(reader.layout);
        }
        Ok(reading)
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::other(format!("it has more than {MOST_BYTES} bytes")));
    }
    Ok(text)
}

type Entries = [(String, Node)];

fn name_of<'a>(file: &str, line: usize, entries: &'a Entries) -> Result<&'a str, String> {
    match entries.iter().find(|(key, _)| key == "dev") {
        Some((_, Node { value: Value::Text(name), .. })) => Ok(name),
        Some((_, node)) => Err(format!("{file}:{}: \"dev\" is not a name in quotes", node.line)),
        None => Err(format!("{file}:{line}: \"dev\" is missing")),
    }
}

/// Lists of parts, whatever they are in.
const LISTS: [&str; 5] =
    ["groups", "grouped_workqueues", "grouped_engines", "ungrouped_workqueues", "ungrouped_engines"];

struct Reader<'a> {
    file: &'a str,
    device: &'a Name,
    layout: Layout,
    /// Keys that were warned of.
    warned: BTreeSet<String>,
}

impl Reader<'_> {
    /// Takes over what is said of a part, in the group `group` if not said otherwise, and of those in it.
    fn part(
        &mut self,
        part: Part,
        group: Option<u32>,
        entries: &Entries,
        warnings: &mut Vec<String>,
    ) -> Result<(), String> {
        let file = self.file;
        self.layout.describe(part);
        let name = self.device.part(part);
        for (key, node) in entries {
            let place = format!("{file}:{}: {name}: {key:?}", node.line);
            if let Some(attribute) = part.attribute(key) {
                if let Some(value) = value(attribute, node).map_err(|wrong| format!("{place} is {wrong}"))? {
                    self.layout.set(part, attribute.name, &value, &place);
                }
            } else if LISTS.contains(&key.as_str()) {
                let inside = if let Part::Group(number) = part { Some(number) } else { group };
                self.list(&place, inside, node, warnings)?;
            } else if key != "dev" && self.warned.insert(key.clone()) {
                let known = part.attributes().iter().map(|attribute| attribute.name).chain(LISTS);
                let hint = cli::nearest(key, known).map(|near| format!("; did you mean {near:?}?"));
                warnings.push(format!(
                    "{place} is ignored: it cannot be set{}",
                    hint.as_deref().unwrap_or_default()
                ));
            }
        }
        if let (Some(group), Part::Queue(_) | Part::Engine(_)) = (group, part)
            && self.layout.get(part, "group_id").is_none()
        {
            let place = format!("{file}: {name}: \"group_id\"");
            self.layout.set(part, "group_id", &group.to_string(), &place);
        }
        Ok(())
    }

    fn list(
        &mut self,
        place: &str,
        group: Option<u32>,
        node: &Node,
        warnings: &mut Vec<String>,
    ) -> Result<(), String> {
        let Value::List(nodes) = &node.value else {
            return Err(format!("{place} is not a list"));
        };
        for Node { line, value } in nodes {
            let file = self.file;
            let Value::Table(entries) = value else {
                return Err(format!("{file}:{line}: expected `{{\"dev\": ..`"));
            };
            let name = name_of(file, *line, entries)?;
            let Some(part) = Part::named(name, self.device.index) else {
                let device = self.device;
                return Err(format!("{file}:{line}: {name:?} is not a group, engine or queue of {device}"));
            };
            if self.layout.part(part).is_some() {
                return Err(format!("{file}:{line}: {name} is described twice"));
            }
            self.part(part, group, entries, warnings)?;
        }
        Ok(())
    }
}

/// The value as the kernel is to get it; `None` if the file does not say any. The error is what is wrong.
fn value(attribute: &Attribute, node: &Node) -> Result<Option<String>, String> {
    let text = match &node.value {
        // accel-config saves a negative number, often an error's, for what the kernel does not show.
        Value::Null => return Ok(None),
        Value::Bool(yes) => u8::from(*yes).to_string(),
        Value::Number(text) | Value::Text(text) => text.clone(),
        Value::List(_) => return Err("a list, not one value".to_owned()),
        Value::Table(_) => return Err("a table, not one value".to_owned()),
    };
    let number = |least: i64, most: i64| match text.parse::<i64>() {
        Ok(number) if number < 0 => Ok(None),
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number.to_string())),
        _ if most == i64::MAX => Err(format!("{text:?}, not a number from {least}")),
        _ => Err(format!("{text:?}, not a number from {least} to {most}")),
    };
    match attribute.form {
        Form::Number(least, most) => number(least, most),
        Form::UpTo(_) | Form::Group => number(0, i64::MAX),
        Form::PowerUpTo(_) => number(1, i64::MAX),
        Form::Word(words) if !words.contains(&text.as_str()) => {
            Err(format!("{text:?}, not {}", words.join(" or ")))
        }
        Form::Text(most) if text.is_empty() || text.len() > most => {
            Err(format!("a text of {} bytes, not 1 to {most}", text.len()))
        }
        Form::Text(_) if text.trim() != text || text.contains(char::is_control) => {
            Err(format!("{text:?}, which has white space at an end or control characters"))
        }
        Form::Bits if !is_bits(&text) => {
            Err(format!("{text:?}, not up to eight hexadecimal numbers of 32 bits with commas between"))
        }
        Form::Word(_) | Form::Text(_) | Form::Bits => Ok(Some(text)),
    }
}

fn is_bits(text: &str) -> bool {
    let is_word =
        |word: &str| (1..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split(',').count() <= 8 && text.split(',').all(is_word)
}
