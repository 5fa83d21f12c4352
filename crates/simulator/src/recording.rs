//! A real node as a profile.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use host::{Host, HostError, PciId, Reads, name_matches};

use crate::profile::Entry;

/// A driver that has not answered by then never does: the others wait for it no longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A node with hundreds of functions has a tenth of it.
const MOST_THINGS: usize = 100_000;
/// Of a recording, and of a file before what is to be kept of it: `/proc/cpuinfo` has 2 KiB for each of thousands of processors.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// More links one after another lead in a circle (`MAXSYMLINKS` of the kernel).
const MOST_LINKS: usize = 40;

/// How the line of something begins that could not be read.
pub const UNREADABLE: &str = "# unreadable: ";

/// There is more to record than a recording may have.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("there is too much to record: more than {MOST_THINGS} things, or more than {MOST_BYTES} bytes")]
pub struct TooMuch;

/// What `reads` say of a node, in the format of a [profile](crate::Profile) and sorted: a node that has not changed gives
/// the same text again.
///
/// Links on the way are taken as they are. With a device node go the links to it by its number, in `/dev/char` and
/// `/sys/dev/char`. A file that may only be written to is taken as an empty one. What cannot be read is a comment that says
/// why; what is not there is not mentioned.
pub fn record(host: &Host, reads: impl IntoIterator<Item = Reads>) -> Result<String, TooMuch> {
    let mut recorder = Recorder::new(host);
    for read in reads {
        for folder in recorder.find(Path::new("/"), &parts(read.folder())) {
            if read.is_of_some() && !is_meant(host, &folder, &read) {
                continue;
            }
            recorder.take_folder(&folder);
            for name in read.names() {
                for path in recorder.find(&folder, &parts(name)) {
                    recorder.take(&path, &read);
                }
            }
        }
        recorder.check()?;
    }
    Ok(recorder.text())
}

fn parts(pattern: &'static str) -> Vec<&'static str> {
    pattern.split('/').filter(|part| !part.is_empty()).collect()
}

fn is_meant(host: &Host, folder: &Path, read: &Reads) -> bool {
    let id = |name: &str| host.parse::<PciId>(folder.join(name), "a PCI id").ok();
    id("vendor").zip(id("device")).is_some_and(|(vendor, device)| read.is_of(vendor, device))
}

/// What was found at a path.
enum Thing {
    Entry(Entry),
    Link { target: PathBuf, leads_to: Option<PathBuf> },
    Unreadable(String),
}

struct Recorder<'a> {
    host: &'a Host,
    reader: Reader,
    things: BTreeMap<PathBuf, Thing>,
    bytes: usize,
}

impl<'a> Recorder<'a> {
    fn new(host: &'a Host) -> Self {
        let of = host.clone();
        let reader = Reader::new(Arc::new(move |path| of.read_up_to(path, MOST_BYTES as u64)), PATIENCE);
        Self { host, reader, things: BTreeMap::new(), bytes: 0 }
    }

    fn check(&self) -> Result<(), TooMuch> {
        if self.things.len() > MOST_THINGS || self.bytes > MOST_BYTES { Err(TooMuch) } else { Ok(()) }
    }

    /// The paths, without links, that the pattern leads to from the folder `at`. Links on the way are taken.
    fn find(&mut self, at: &Path, parts: &[&str]) -> Vec<PathBuf> {
        let Some((part, rest)) = parts.split_first() else { return vec![at.to_owned()] };
        let next: Vec<PathBuf> = match *part {
            ".." => at.parent().map(Path::to_owned).into_iter().collect(),
            "..." => at.ancestors().map(Path::to_owned).collect(),
            name if name.contains(['*', '#']) => {
                let names = self.names(at);
                let names = names.iter().filter(|found| name_matches(name, found));
                names.filter_map(|name| self.enter(at.join(name), 0)).collect()
            }
            name => self.enter(at.join(name), 0).into_iter().collect(),
        };
        next.iter().flat_map(|path| self.find(path, rest)).collect()
    }

    /// The names in a folder that is listed: it matters then even if it is empty.
    fn names(&mut self, folder: &Path) -> Vec<String> {
        match self.host.names(folder) {
            Ok(names) => {
                self.add(folder, Thing::Entry(Entry::Folder { path: folder.to_owned() }));
                names
            }
            Err(error) => {
                self.fail(folder, &error);
                Vec::new()
            }
        }
    }

    /// Where `path` really is, whose folder is without links. The links that lead there are taken. `None` if nothing is there.
    fn enter(&mut self, path: PathBuf, links: usize) -> Option<PathBuf> {
        match self.host.link_target(&path) {
            Ok(target) if links < MOST_LINKS => {
                let leads_to = self.follow(&path, &target, links + 1);
                self.add(&path, Thing::Link { target, leads_to: leads_to.clone() });
                leads_to
            }
            Ok(_) => None,
            Err(error) if error.is_not_found() => None,
            // No link.
            Err(error) if error.source.kind() == std::io::ErrorKind::InvalidData => Some(path),
            Err(error) => {
                self.fail(&path, &error);
                None
            }
        }
    }

    /// What a link leads to. That it is there is taken too.
    fn follow(&mut self, link: &Path, target: &Path, links: usize) -> Option<PathBuf> {
        let mut at = link.parent()?.to_owned();
        for part in target.components() {
            match part {
                Component::RootDir => at = PathBuf::from("/"),
                Component::ParentDir => _ = at.pop(),
                Component::Normal(name) => at = self.enter(at.join(name), links)?,
                Component::CurDir | Component::Prefix(_) => {}
            }
        }
        if !self.host.exists(&at) {
            return None;
        }
        self.take_node(&at);
        self.take_folder(&at);
        Some(at)
    }

    /// Takes it that a folder is there. False: there is none.
    fn take_folder(&mut self, path: &Path) -> bool {
        let is_folder = self.host.names(path).is_ok();
        if is_folder {
            self.add(path, Thing::Entry(Entry::Folder { path: path.to_owned() }));
        }
        is_folder
    }

    /// Takes what is at `path`, which is no link.
    fn take(&mut self, path: &Path, read: &Reads) {
        if self.things.contains_key(path) || self.take_node(path) || self.take_folder(path) {
            return;
        }
        let path = path.to_owned();
        let thing = if self.host.is_write_only(&path) {
            Thing::Entry(Entry::File { path: path.clone(), content: Vec::new() })
        } else {
            match self.reader.read(&path) {
                Ok(text) => {
                    let mut content = read.kept(&text).into_bytes();
                    if !content.is_empty() {
                        content.push(b'\n');
                    }
                    Thing::Entry(Entry::File { path: path.clone(), content })
                }
                Err(None) => return,
                Err(Some(why)) => Thing::Unreadable(why),
            }
        };
        self.add(&path, thing);
    }

    /// Takes a device node, with the links to it by its number. False: it is none.
    fn take_node(&mut self, path: &Path) -> bool {
        if !path.starts_with("/dev") {
            return false;
        }
        let Ok(number) = self.host.device_number(path) else { return false };
        let host::DeviceNumber { block, major, minor } = number;
        let thing = Thing::Entry(Entry::Node { path: path.to_owned(), block, major, minor });
        if self.add(path, thing) {
            let kind = if block { "block" } else { "char" };
            for folder in ["/dev", "/sys/dev"] {
                self.enter(PathBuf::from(format!("{folder}/{kind}/{major}:{minor}")), 0);
            }
        }
        true
    }

    fn fail(&mut self, path: &Path, error: &HostError) {
        if !error.is_not_found() {
            self.add(path, Thing::Unreadable(error.source.to_string()));
        }
    }

    /// False: there was something already.
    fn add(&mut self, path: &Path, thing: Thing) -> bool {
        match self.things.entry(path.to_owned()) {
            Slot::Occupied(_) => false,
            Slot::Vacant(slot) => {
                self.bytes += path.as_os_str().len();
                if let Thing::Entry(Entry::File { content, .. }) = &thing {
                    self.bytes += content.len();
                }
                slot.insert(thing);
                true
            }
        }
    }

    /// What the lines make at `path` and below it.
    fn made(&self, path: &Path) -> impl Iterator<Item = &Path> {
        let things =
            self.things.range(path.to_owned()..).take_while(move |(other, _)| other.starts_with(path));
        things.filter(|(_, thing)| !matches!(thing, Thing::Unreadable(_))).map(|(path, _)| path.as_path())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (path, thing) in &self.things {
            let line = match thing {
                // It is made with what is in it.
                Thing::Entry(Entry::Folder { .. })
                    if path == Path::new("/") || self.made(path).nth(1).is_some() =>
                {
                    continue;
                }
                Thing::Entry(entry) => entry.to_string(),
                Thing::Link { target, leads_to } => {
                    let dangling = leads_to.as_ref().is_none_or(|path| self.made(path).next().is_none());
                    Entry::Link { path: path.clone(), target: target.clone(), dangling }.to_string()
                }
                Thing::Unreadable(why) => format!("{UNREADABLE}{}: {why}", path.display()),
            };
            text += &line;
            text.push('\n');
        }
        text
    }
}

type Read = dyn Fn(&Path) -> Result<String, HostError> + Send + Sync;

/// Reads files on a thread of its own, which is left behind with a file that never answers.
struct Reader {
    read: Arc<Read>,
    patience: Duration,
    ask: Sender<PathBuf>,
    answers: Receiver<Result<String, HostError>>,
}

impl Reader {
    fn new(read: Arc<Read>, patience: Duration) -> Self {
        let (ask, asked) = channel::<PathBuf>();
        let (answer, answers) = channel();
        let reads = Arc::clone(&read);
        std::thread::spawn(move || {
            while let Ok(path) = asked.recv()
                && answer.send(reads(&path)).is_ok()
            {}
        });
        Self { read, patience, ask, answers }
    }

    /// The text of a file. The error is why it cannot be read, or nothing if it is not there.
    fn read(&mut self, path: &Path) -> Result<String, Option<String>> {
        // The thread lives as long as this does.
        let _ = self.ask.send(path.to_owned());
        match self.answers.recv_timeout(self.patience) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) if error.is_not_found() => Err(None),
            Ok(Err(error)) => Err(Some(error.source.to_string())),
            Err(_) => {
                *self = Self::new(Arc::clone(&self.read), self.patience);
                Err(Some(format!("no answer within {:?}", self.patience)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_never_answers_holds_up_no_other() {
        let (_never, asked) = channel::<()>();
        let asked = std::sync::Mutex::new(asked);
        let read = move |path: &Path| {
            if path == Path::new("/stuck") {
                let _ = asked.lock().unwrap().recv();
            }
            Ok("text".to_owned())
        };
        let mut reader = Reader::new(Arc::new(read), Duration::from_millis(20));
        let error = reader.read(Path::new("/stuck")).unwrap_err();
        assert_eq!(error.as_deref(), Some("no answer within 20ms"));
        reader.patience = PATIENCE;
        assert_eq!(reader.read(Path::new("/other")).unwrap(), "text");
    }
}
