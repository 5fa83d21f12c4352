//! inotify on folders that may not exist yet.
//!
//! Besides a folder itself, every folder on the way to it is watched, where links lead too, and after each event there
//! the way is walked again. So it makes no difference whether the folder, or any folder above it, is made, removed,
//! renamed or replaced.
//!
//! Two things raise no inotify events: what the kernel does in sysfs (see [`crate::uevent`]), and a mount.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr, OsString};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::inotify::{ReadFlags, WatchFlags};
use rustix::fs::{self as rfs, OFlags};
use rustix::io::Errno;

use crate::inotify::Inotify;
use crate::{Host, HostError};

/// One set for all watches, because a folder can be watched for itself and on the way to another at the same time.
/// `MASK_ADD`: without it, the kernel forgets the set of a watch that is there already before it takes the new one, and
/// drops the events in between.
const EVENTS: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVE)
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::MASK_ADD);

/// As many links on the way as the kernel follows.
const MOST_LINKS: usize = 40;

/// Folders below the root, watched from the moment it is made. Its descriptor is readable when
/// [`drain`](Self::drain) may have something to tell.
#[derive(Debug)]
pub struct FolderWatch {
    host: Host,
    inotify: Inotify,
    folders: Vec<Folder>,
}

/// What happened since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The folders in which something happened, in the order in which they were given to [`FolderWatch::new`].
    pub folders: Vec<FolderChange>,
    /// More happened than the kernel keeps: look at every folder.
    pub overflow: bool,
}

/// What happened to a folder and in it. With neither names nor another folder, its own owner or permissions changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderChange {
    /// The folder, as it was given.
    pub path: PathBuf,
    /// The folder appeared, went, or is another one now: look at all of it.
    pub replaced: bool,
    /// The entries that were made, removed, renamed (both names), or changed in owner or permissions.
    pub names: BTreeSet<String>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    place: Place,
    /// Something happened on the way: walk it again.
    astray: bool,
    change: Option<FolderChange>,
}

/// Where the way to a folder led.
#[derive(Debug, Default)]
struct Place {
    /// The watch of the folder itself, if it is there.
    folder: Option<i32>,
    /// The watches on the way to it.
    way: Vec<i32>,
}

impl FolderWatch {
    /// Watches `folders`, which need not exist. Look at them after this, and no change is missed.
    pub fn new(host: &Host, folders: &[PathBuf]) -> Result<Self, HostError> {
        let first = folders.first().map_or(Path::new("/"), PathBuf::as_path);
        let mut watch = Self { host: host.clone(), inotify: Inotify::new(first)?, folders: Vec::new() };
        for path in folders {
            let place = watch.walk(path)?;
            watch.folders.push(Folder { path: path.clone(), place, astray: false, change: None });
        }
        Ok(watch)
    }

    /// All changes since the last time, without waiting for more.
    pub fn drain(&mut self) -> Result<Changes, HostError> {
        let mut overflow = false;
        loop {
            let folders = &mut self.folders;
            let read = self.inotify.read(|watch, events, name| {
                overflow |= events.contains(ReadFlags::QUEUE_OVERFLOW);
                for folder in folders.iter_mut() {
                    folder.note(watch, events, name);
                }
            });
            let more = read.map_err(|e| HostError::new("watch", Path::new("/"), e))?;
            self.walk_again()?;
            if !more {
                break;
            }
        }
        let folders = self.folders.iter_mut().filter_map(|folder| folder.change.take()).collect();
        Ok(Changes { folders, overflow })
    }

    fn walk_again(&mut self) -> Result<(), HostError> {
        if !self.folders.iter().any(|folder| folder.astray) {
            return Ok(());
        }
        let before = self.watches();
        for index in 0..self.folders.len() {
            let Some(folder) = self.folders.get(index).filter(|folder| folder.astray) else {
                continue;
            };
            let place = self.walk(&folder.path)?;
            if let Some(folder) = self.folders.get_mut(index) {
                folder.move_to(place);
            }
        }
        for unused in before.difference(&self.watches()) {
            self.inotify.unwatch(*unused);
        }
        Ok(())
    }

    fn watches(&self) -> BTreeSet<i32> {
        let places = self.folders.iter().map(|folder| &folder.place);
        places.flat_map(|place| place.way.iter().copied().chain(place.folder)).collect()
    }

    /// Goes to a folder name by name. Each folder is watched before the next name is looked up in it, so what happens to
    /// that name after the look raises an event.
    fn walk(&self, path: &Path) -> Result<Place, HostError> {
        let mut way = Vec::new();
        let mut here = PathBuf::from("/");
        let mut left = names(path);
        let mut links = 0;
        loop {
            let opened = match self.host.open(&here, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW) {
                Ok(opened) => opened,
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Place { folder: None, way }),
                Err(e) => return Err(HostError::new("watch", &here, e)),
            };
            let watch = self.inotify.watch(&opened, &here, EVENTS);
            let Some(name) = left.pop() else {
                return Ok(Place { folder: Some(watch?), way });
            };
            let link = rfs::readlinkat(&opened, &name, Vec::new());
            match watch {
                Ok(watch) => way.push(watch),
                // What is below can be watched all the same.
                Err(error)
                    if error.source.kind() == ErrorKind::PermissionDenied && link != Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
            match link {
                Ok(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Ok(Place { folder: None, way });
                    }
                    let target = Path::new(OsStr::from_bytes(target.as_bytes()));
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    left.extend(names(target));
                }
                // No link but something else.
                Err(Errno::INVAL) => here.push(name),
                Err(Errno::NOENT) => return Ok(Place { folder: None, way }),
                Err(e) => return Err(HostError::new("watch", &here.join(name), e)),
            }
        }
    }
}

impl AsFd for FolderWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl Folder {
    fn note(&mut self, watch: i32, events: ReadFlags, name: Option<&CStr>) {
        if self.place.folder == Some(watch) {
            let names = name.map(|name| name.to_string_lossy().into_owned());
            self.change().names.extend(names);
            // The last event of a watch: its folder was removed or unmounted.
            self.astray |= events.contains(ReadFlags::IGNORED);
        }
        self.astray |= self.place.way.contains(&watch) || events.contains(ReadFlags::QUEUE_OVERFLOW);
    }

    fn move_to(&mut self, place: Place) {
        if self.place.folder != place.folder {
            self.change().replaced = true;
        }
        self.place = place;
        self.astray = false;
    }

    fn change(&mut self) -> &mut FolderChange {
        self.change.get_or_insert_with(|| FolderChange { path: self.path.clone(), ..FolderChange::default() })
    }
}

/// The names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|part| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    names.rev().collect()
}

#[cfg(test)]
mod tests;
