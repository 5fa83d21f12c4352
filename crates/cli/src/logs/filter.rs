//! Which events are shown.

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};

use super::line::file_name;

const DEBUG_FROM: i32 = 2;
const TRACE_FROM: i32 = 4;
/// The gRPC and HTTP libraries report every frame; at a level below this nothing else could be read.
const LIBRARIES_FROM: i32 = 6;

/// `-v` and `-vmodule`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) verbosity: Verbosity,
    pub(super) by_file: VerbosityByFile,
}

/// The number of `-v`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Verbosity(pub(super) i32);

/// The list of `-vmodule`: patterns of file names, the first that fits decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct VerbosityByFile(Vec<(String, i32)>);

impl Filter {
    pub(super) fn shows(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && {
            let file = metadata.file().unwrap_or_default();
            needed(*metadata.level(), file)
                .is_none_or(|needed| self.verbosity.0 >= needed || self.by_file.level(file) >= needed)
        }
    }

    /// The lowest level of which anything may be shown, by which `tracing` skips the rest cheaply.
    pub(super) fn lowest(&self) -> LevelFilter {
        let by_file = self.by_file.0.iter().map(|(_, level)| *level).max().unwrap_or_default();
        match self.verbosity.0.max(by_file) {
            TRACE_FROM.. => LevelFilter::TRACE,
            DEBUG_FROM.. => LevelFilter::DEBUG,
            _ => LevelFilter::INFO,
        }
    }
}

/// The verbosity from which events of this level are shown, `None` for always.
pub(super) fn needed(level: Level, file: &str) -> Option<i32> {
    // Cargo compiles the members of a workspace by paths from its root, and everything else by absolute ones.
    let is_library = file.starts_with('/');
    match level {
        Level::DEBUG | Level::TRACE if is_library => Some(LIBRARIES_FROM),
        // What fails in a library fails for who called it, who says it in a way that can be understood, and once.
        _ if is_library => Some(DEBUG_FROM),
        Level::DEBUG => Some(DEBUG_FROM),
        Level::TRACE => Some(TRACE_FROM),
        _ => None,
    }
}

impl VerbosityByFile {
    /// Reads `pattern=level,...`; empty items are skipped, as klog does.
    pub(super) fn from_word(word: &str) -> Result<Self, String> {
        let mut list = Vec::new();
        for item in word.split(',').filter(|item| !item.is_empty()) {
            let pair = item.split_once('=').filter(|(pattern, _)| !pattern.is_empty());
            let Some((pattern, level)) =
                pair.and_then(|(pattern, level)| Some((pattern, level.parse::<i32>().ok()?)))
            else {
                return Err("syntax error: expect comma-separated list of filename=N".to_owned());
            };
            if level < 0 {
                return Err("negative value for vmodule level".to_owned());
            }
            list.push((pattern.to_owned(), level));
        }
        Ok(Self(list))
    }

    fn level(&self, file: &str) -> i32 {
        let name = file_name(file);
        let name = name.strip_suffix(".rs").unwrap_or(name);
        self.0.iter().find(|(pattern, _)| fits(pattern, name)).map_or(0, |(_, level)| *level)
    }
}

/// Whether the name is what the pattern says, where `*` stands for any text and `?` for one byte.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    // reached[i]: whether the pattern so far can end right before byte i of the name.
    let mut reached = vec![false; name.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for &symbol in pattern {
        let mut before = false;
        let mut any_before = false;
        for (i, here) in reached.iter_mut().enumerate() {
            let was = *here;
            any_before |= was;
            let byte = i.checked_sub(1).and_then(|last| name.get(last));
            *here = match symbol {
                b'*' => any_before,
                b'?' => before,
                _ => before && byte == Some(&symbol),
            };
            before = was;
        }
    }
    reached.last().copied().unwrap_or_default()
}
