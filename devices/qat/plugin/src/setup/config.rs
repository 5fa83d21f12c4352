//! What the administrator wants: `qat.conf`, and `qat-NODE.conf` for one node, which has precedence key by key.
//!
//! A line is `KEY=VALUE`; a key without a value takes back what the general file says. Other lines are passed over, as the Go
//! implementation does.

use std::io::ErrorKind;
use std::path::Path;

use super::services::Services;

/// What is wanted of all physical functions of the node; what is not said stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) services: Option<Given<Services>>,
    /// Whether a physical function that fails is reset by the kernel.
    pub(crate) auto_reset: Option<Given<bool>>,
}

/// A value, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given<T> {
    pub(crate) value: T,
    /// `/qat-init/conf/qat.conf, line 3`.
    pub(crate) place: String,
}

/// What one file says.
#[derive(Debug, Default, PartialEq, Eq)]
struct File {
    services: Setting<Services>,
    auto_reset: Setting<bool>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Setting<T> {
    /// The file has no such key.
    #[default]
    Absent,
    /// The key has no value.
    Empty,
    Is(Given<T>),
}

impl<T> Setting<T> {
    /// Changes what another file said.
    fn override_in(self, target: &mut Option<Given<T>>) {
        match self {
            Self::Absent => {}
            Self::Empty => *target = None,
            Self::Is(given) => *target = Some(given),
        }
    }
}

impl Config {
    /// What the files in `folder` say for a node. None of them need be there.
    pub(crate) fn read(folder: &Path, node_name: &str) -> Result<Self, String> {
        let mut config = Self::default();
        let mut names = vec!["qat.conf".to_owned()];
        if node_name.contains('/') {
            return Err(format!("-node-name is {node_name:?}, which is no name of a node"));
        }
        if !node_name.is_empty() {
            names.push(format!("qat-{node_name}.conf"));
        }
        for name in names {
            let path = folder.join(name);
            let shown = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Ok(text) => config.take(File::parse(&shown, &text)?),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {shown}: {error}")),
            }
        }
        Ok(config)
    }

    fn take(&mut self, file: File) {
        file.services.override_in(&mut self.services);
        file.auto_reset.override_in(&mut self.auto_reset);
    }
}

impl File {
    /// Reads the text of the file `name`. The error names the file and the line.
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut file = Self::default();
        for (index, line) in text.lines().enumerate() {
            let place = format!("{name}, line {}", index + 1);
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            let (key, value) = (key.trim(), value.trim());
            match key {
                "ServicesEnabled" => set(&mut file.services, key, value, place, str::parse)?,
                "AutoresetEnabled" => set(&mut file.auto_reset, key, value, place, on_or_off)?,
                "" => {}
                comment if comment.starts_with(['#', ';']) => {}
                other => tracing::warn!(
                    "{place}: {other:?} is neither ServicesEnabled nor AutoresetEnabled; passed over"
                ),
            }
        }
        Ok(file)
    }
}

fn set<T>(
    target: &mut Setting<T>,
    key: &str,
    text: &str,
    place: String,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<(), String> {
    if !matches!(target, Setting::Absent) {
        return Err(format!("{place}: {key} is there twice"));
    }
    *target = match parse(text) {
        _ if text.is_empty() => Setting::Empty,
        Ok(value) => Setting::Is(Given { value, place }),
        Err(error) => return Err(format!("{place}: {key}={text}: {error}")),
    };
    Ok(())
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("neither on nor off".to_owned()),
    }
}

#[cfg(test)]
mod tests;
