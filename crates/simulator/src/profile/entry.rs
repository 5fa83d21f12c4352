//! One line of a profile: one thing of the node.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use super::escape::{self, Blanks};

/// One thing that a line of a profile makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A folder that would otherwise not be there; the folders above each path are made by themselves.
    Folder {
        path: PathBuf,
    },
    File {
        path: PathBuf,
        content: Vec<u8>,
    },
    /// `dangling`: on purpose, the target need not be there.
    Link {
        path: PathBuf,
        target: PathBuf,
        dangling: bool,
    },
    Node {
        path: PathBuf,
        block: bool,
        major: u32,
        minor: u32,
    },
    /// What the kernel announces when the thing comes or goes; `devpath` is without `/sys`.
    Uevent {
        subsystem: String,
        devpath: String,
        variables: Vec<(String, String)>,
    },
}

impl Entry {
    /// Where the thing is; a uevent is nowhere.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Folder { path }
            | Self::File { path, .. }
            | Self::Link { path, .. }
            | Self::Node { path, .. } => Some(path),
            Self::Uevent { .. } => None,
        }
    }

    /// Reads one line that begins with `keyword`; `rest` follows it. `None`: there is no such keyword.
    pub(super) fn parse(keyword: &str, rest: &str) -> Option<Result<Self, String>> {
        Some(match keyword {
            "dir" => exactly(rest, "dir PATH", |[path]| Ok(Self::Folder { path: path_of(path)? })),
            "file" => parse_file(rest),
            "link" | "dangling" => exactly(rest, "link PATH -> TARGET", |[path, arrow, target]| {
                if arrow != "->" {
                    return Err(format!("expected `->` but found `{arrow}`"));
                }
                let path = path_of(path)?;
                let target = PathBuf::from(OsString::from_vec(escape::decode(target)?));
                let target =
                    if target.is_absolute() { relative(&path, &path_from(&target)?) } else { target };
                Ok(Self::Link { path, target, dangling: keyword == "dangling" })
            }),
            "char" | "block" => exactly(rest, "char PATH MAJOR:MINOR", |[path, number]| {
                let (major, minor) = number
                    .split_once(':')
                    .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
                    .ok_or_else(|| format!("expected MAJOR:MINOR but found `{number}`"))?;
                Ok(Self::Node { path: path_of(path)?, block: keyword == "block", major, minor })
            }),
            "uevent" => parse_uevent(rest),
            _ => return None,
        })
    }
}

/// The line that makes the thing again: what [`Entry::parse`] reads.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |path: &Path| escape::encode(path.as_os_str().as_bytes(), Blanks::All);
        match self {
            Self::Folder { path } => write!(f, "dir {}", word(path)),
            Self::File { path, content } => {
                write!(f, "file {}", word(path))?;
                match content.strip_suffix(b"\n") {
                    _ if content.is_empty() => Ok(()),
                    Some(text) if !text.is_empty() => write!(f, " {}", escape::encode(text, Blanks::Ends)),
                    _ => write!(f, " {}\\c", escape::encode(content, Blanks::Ends)),
                }
            }
            Self::Link { path, target, dangling } => {
                let keyword = if *dangling { "dangling" } else { "link" };
                write!(f, "{keyword} {} -> {}", word(path), word(target))
            }
            Self::Node { path, block, major, minor } => {
                let keyword = if *block { "block" } else { "char" };
                write!(f, "{keyword} {} {major}:{minor}", word(path))
            }
            Self::Uevent { subsystem, devpath, variables } => {
                write!(f, "uevent {subsystem} {devpath}")?;
                variables.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
            }
        }
    }
}

fn parse_file(rest: &str) -> Result<Entry, String> {
    let (path, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let path = path_of(path).map_err(|message| format!("{message}; a line is: file PATH TEXT"))?;
    let text = text.trim();
    let (text, newline) = match text.strip_suffix("\\c") {
        // Not so in `\\c`, which is a backslash and a c.
        Some(before) if before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 0 => {
            (before, false)
        }
        _ => (text, !text.is_empty()),
    };
    let mut content = escape::decode(text)?;
    if newline {
        content.push(b'\n');
    }
    Ok(Entry::File { path, content })
}

fn parse_uevent(rest: &str) -> Result<Entry, String> {
    let mut words = rest.split_whitespace();
    let (Some(subsystem), Some(devpath)) = (words.next(), words.next()) else {
        return Err("a line is: uevent SUBSYSTEM DEVPATH KEY=VALUE ..".to_owned());
    };
    if !devpath.starts_with('/') || devpath.starts_with("/sys/") {
        return Err(format!("expected a path below /sys, without the /sys, but found `{devpath}`"));
    }
    let variables = words.map(key_value).collect::<Result<_, _>>()?;
    Ok(Entry::Uevent { subsystem: subsystem.to_owned(), devpath: devpath.to_owned(), variables })
}

/// Splits `KEY=VALUE`.
pub(super) fn key_value(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("expected KEY=VALUE but found `{word}`")),
    }
}

/// Gives `parse` the words of `rest` if there are exactly `N`.
fn exactly<const N: usize>(
    rest: &str,
    form: &str,
    parse: impl FnOnce([&str; N]) -> Result<Entry, String>,
) -> Result<Entry, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let words = <[&str; N]>::try_from(words).map_err(|words| {
        format!("expected {N} words but found {}; a line is: {form}; write \\x20 for a blank", words.len())
    })?;
    parse(words)
}

fn path_of(word: &str) -> Result<PathBuf, String> {
    path_from(Path::new(&OsString::from_vec(escape::decode(word)?)))
}

/// `path` without superfluous slashes. It must be absolute and cannot leave the root.
pub(crate) fn path_from(path: &Path) -> Result<PathBuf, String> {
    let shown = path.display();
    if !path.is_absolute() {
        return Err(format!("expected a path that begins with `/` but found `{shown}`"));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("a path of the node cannot hold `..`: `{shown}`"));
    }
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(format!("a path cannot hold a zero byte: `{shown}`"));
    }
    let path: PathBuf = path.components().collect();
    if path == Path::new("/") { Err("the root itself cannot be made".to_owned()) } else { Ok(path) }
}

/// How a link at `link` names the absolute `target`, as sysfs does it (`kernfs_get_target_path` in fs/kernfs/symlink.c):
/// up to the folder that both have in common, and down again, at least by the target's own name.
pub(crate) fn relative(link: &Path, target: &Path) -> PathBuf {
    let (Some(from), Some(to)) = (link.parent(), target.parent()) else {
        return target.to_owned();
    };
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(target.components().skip(common)).collect()
}

#[cfg(test)]
mod tests;
