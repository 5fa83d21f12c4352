//! Profiles: what a simulated node has, as text.

use std::collections::BTreeMap;
use std::path::Path;

use crate::SimulatorError;

mod builtin;
mod entry;
mod escape;
mod template;

pub(crate) use entry::{Entry, path_from};

/// What a simulated node has when it is made, written as text with one thing a line:
///
/// ```
/// # let text = r"
/// ## A comment is a line of its own.
/// title One GPU and some odds and ends
/// use   pci-gpu as=card0 pci=0000:4d:00.0 device=0x56c0 driver=i915 card=0 render=128
/// dir   /sys/class/accel
/// file  /sys/class/misc/note some text, and a newline at its end
/// file  /sys/class/misc/raw two\nlines, a zero byte \x00 and no newline at the end\c
/// link  /sys/class/misc/gpu -> /sys/class/drm/card0
/// dangling /dev/dri/by-path/old -> ../card7
/// char  /dev/dxg 10:127
/// block /dev/sda 8:0
/// # ";
/// # let folder = tempfile::tempdir().unwrap();
/// # let node = simulator::SimulatedNode::create(folder.path(), &simulator::Profile::parse("test", text).unwrap());
/// # assert_eq!(node.unwrap().host().read("/sys/class/misc/gpu/device/vendor").unwrap(), "0x8086");
/// ```
///
/// - Paths are absolute and cannot leave the node. The folders above a path are made by themselves.
/// - A file without text is empty. `\n`, `\t`, `\\` and `\xNN` are escapes, in paths too (`\x20` is a blank).
/// - A link's absolute target is stored as the relative one that sysfs would show; a relative one is kept. A target that
///   is not there is an error unless the line says `dangling`.
/// - `use` stands for the lines of a template. `as=NAME` makes a device of them, which can be removed as a whole. The
///   other words set the template's variables: `${name}` must be given, `${name:-text}` need not. Templates may use
///   others.
/// - In templates, `uevent SUBSYSTEM DEVPATH KEY=VALUE ..` says what the kernel announces when the device comes or goes.
///
/// The same lines, sorted and without `use`, are the [listing](crate::listing) of any tree: a recording of a real node is
/// a profile too.
#[derive(Debug, Clone)]
pub struct Profile {
    name: String,
    title: String,
    fragments: Vec<Fragment>,
}

/// Lines that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Fragment {
    /// The device that they make, by which they can be removed.
    pub(crate) device: Option<String>,
    pub(crate) lines: Vec<Line>,
}

/// A line of a profile with its templates expanded.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) entry: Entry,
    /// Where it was written, for error messages.
    pub(crate) place: String,
}

impl Profile {
    /// The built-in profile `name`.
    pub fn builtin(name: &str) -> Result<Self, SimulatorError> {
        match builtin::PROFILES.get(name) {
            Some(text) => Self::parse(name, text),
            None => Err(SimulatorError::UnknownProfile {
                name: name.to_owned(),
                known: builtin::PROFILES.names(),
            }),
        }
    }

    /// The names of the built-in profiles with their titles, sorted.
    pub fn builtin_names() -> Vec<(&'static str, &'static str)> {
        builtin::PROFILES.iter().map(|(name, text)| (*name, title_of(text))).collect()
    }

    /// The profile in the file at `path`.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SimulatorError> {
        let path = path.as_ref();
        let text =
            std::fs::read_to_string(path).map_err(|e| SimulatorError::io("read the profile", path, e))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// The profile that `text` describes. `name` is used in error messages.
    pub fn parse(name: &str, text: &str) -> Result<Self, SimulatorError> {
        let mut profile = Self { name: name.to_owned(), title: String::new(), fragments: Vec::new() };
        let mut devices = BTreeMap::new();
        let mut plain = Vec::new();
        for (number, keyword, rest) in lines_of(text) {
            let place = format!("{name}:{number}");
            match keyword {
                "title" => rest.clone_into(&mut profile.title),
                "use" => {
                    let fragment = Fragment::parse(rest, &place)?;
                    if let Some(device) = &fragment.device
                        && let Some(first) = devices.insert(device.clone(), place.clone())
                    {
                        return Err(SimulatorError::line(
                            &place,
                            format!("{first} makes a device {device} too"),
                        ));
                    }
                    profile.fragments.push(fragment);
                }
                _ => plain.push(Line { entry: parse_entry(keyword, rest, &place)?, place }),
            }
        }
        profile.fragments.push(Fragment { device: None, lines: plain });
        Ok(profile)
    }

    /// The name by which the profile was found.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line about the node; empty if the profile has none.
    pub fn title(&self) -> &str {
        &self.title
    }

    pub(crate) fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }
}

impl Fragment {
    /// What `use` followed by `words` stands for.
    pub(crate) fn parse(words: &str, place: &str) -> Result<Self, SimulatorError> {
        let (device, lines) = template::expand(words, place)?;
        Ok(Self { device, lines })
    }
}

/// The lines that say something: number, first word, and what follows it.
fn lines_of(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Some((index + 1, keyword, rest.trim_start()))
    })
}

fn title_of(text: &str) -> &str {
    lines_of(text).find(|(_, keyword, _)| *keyword == "title").map_or("", |(_, _, title)| title)
}

fn parse_entry(keyword: &str, rest: &str, place: &str) -> Result<Entry, SimulatorError> {
    match Entry::parse(keyword, rest) {
        Some(Ok(entry)) => Ok(entry),
        Some(Err(message)) => Err(SimulatorError::line(place, message)),
        None => {
            let known = "title, use, dir, file, link, dangling, char, block, uevent";
            Err(SimulatorError::line(place, format!("expected one of {known} but found `{keyword}`")))
        }
    }
}

#[cfg(test)]
mod tests;
