//! Which files of a node are opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// All folders of a node, watched.
pub(crate) struct Opened {
    events: OwnedFd,
    root: PathBuf,
    folders: BTreeMap<i32, PathBuf>,
}

impl Opened {
    pub(crate) fn watch(root: &Path) -> Self {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).unwrap();
        let mut watched = Self { events, root: root.to_owned(), folders: BTreeMap::new() };
        watched.add(root);
        watched
    }

    fn add(&mut self, folder: &Path) {
        let flags = WatchFlags::OPEN | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
        let watch = inotify::add_watch(&self.events, folder, flags).unwrap();
        self.folders.insert(watch, folder.to_owned());
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                self.add(&entry.path());
            }
        }
    }

    /// The paths on the node of the files that were opened, but for the simulator's own, whose names begin with a dot.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut reader = Reader::new(&self.events, &mut buffer);
        let mut files = BTreeSet::new();
        while let Ok(event) = reader.next() {
            assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW), "too many to say which");
            let Some(name) = event.file_name().filter(|_| !event.events().contains(ReadFlags::ISDIR)) else {
                continue;
            };
            let path = self.folders.get(&event.wd()).unwrap().join(name.to_str().unwrap());
            if !name.to_bytes().starts_with(b".") {
                files.insert(format!("/{}", path.strip_prefix(&self.root).unwrap().display()));
            }
        }
        files
    }
}
