//! What programs ask of the file system.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::consts::FOPEN_DIRECT_IO;
use fuser::{
    FileAttr, FileType, Filesystem, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow,
};
use host::Attributes as _;
use rustix::fs::{self as rfs, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, Result};
use simulator::Kernel;

use crate::paths::Paths;

/// How long answers may be kept: not at all.
const NEVER: Duration = Duration::ZERO;
/// No number is ever of another path.
const GENERATION: u64 = 0;
/// Attributes get no more at once (`kernfs_fop_write_iter`).
const MOST_WRITTEN: usize = 4096;

/// The file system.
#[derive(Debug)]
pub(crate) struct Files {
    kernel: Arc<Kernel>,
    /// The node's own root.
    root: OwnedFd,
    paths: Paths,
}

impl Files {
    pub(crate) fn of(kernel: Arc<Kernel>) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rfs::open(kernel.node().root(), flags, Mode::empty())?;
        Ok(Self { kernel, root, paths: Paths::from(Path::new("/sys")) })
    }

    fn path(&self, number: u64) -> Result<PathBuf> {
        self.paths.path(number).map(Path::to_owned).ok_or(Errno::STALE)
    }

    /// Links are followed by who asks.
    fn open_below(&self, path: &Path, flags: OFlags) -> Result<OwnedFd> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        host::open_below(&self.root, path, flags | OFlags::NOFOLLOW, Mode::empty(), how)
    }

    fn look(&mut self, path: &Path) -> Result<FileAttr> {
        let stat = rfs::fstat(self.open_below(path, OFlags::PATH)?)?;
        Ok(attributes(self.paths.number(path), &stat))
    }

    /// What is in a folder, by number. New ones come last, so a list that is read in parts misses nothing that stays.
    fn list(&mut self, folder: &Path) -> Result<Vec<(u64, FileType, Vec<u8>)>> {
        let mut found = Vec::new();
        for entry in rfs::Dir::new(self.open_below(folder, OFlags::RDONLY | OFlags::DIRECTORY)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let number = self.paths.number(&folder.join(OsStr::from_bytes(name)));
                found.push((number, kind(entry.file_type()), name.to_owned()));
            }
        }
        found.sort_unstable_by_key(|(number, ..)| *number);
        Ok(found)
    }

    fn read_at(&self, path: &Path, offset: u64, size: usize) -> Result<Vec<u8>> {
        // It may be a pipe by now.
        let file = self.open_below(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let mut buffer = vec![0; size];
        let mut read = 0;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&file, rest, offset + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        buffer.truncate(read);
        Ok(buffer)
    }

    /// One write is one value, wherever in the file it is meant to be (`kernfs_fop_write_iter`).
    fn write_value(&self, path: &Path, data: &[u8]) -> Result<usize> {
        let data = data.get(..MOST_WRITTEN).unwrap_or(data);
        let value = std::str::from_utf8(data).map_err(|_not_text| Errno::INVAL)?;
        // Without a number it is not the kernel's: the simulation does not work.
        let errno = |error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
        self.kernel.write(path, value).map_err(errno)?;
        Ok(data.len())
    }
}

/// Without answers to questions that the kernel asks of other file systems: it knows what to do then.
impl Filesystem for Files {
    fn lookup(&mut self, _: &Request<'_>, parent: u64, name: &OsStr, reply: ReplyEntry) {
        match self.path(parent).and_then(|folder| self.look(&folder.join(name))) {
            Ok(found) => reply.entry(&NEVER, &found, GENERATION),
            Err(error) => reply.error(error.raw_os_error()),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, number: u64, _: Option<u64>, reply: ReplyAttr) {
        match self.path(number).and_then(|path| self.look(&path)) {
            Ok(found) => reply.attr(&NEVER, &found),
            Err(error) => reply.error(error.raw_os_error()),
        }
    }

    /// An attribute that is opened to be truncated stays what it is.
    fn setattr(
        &mut self,
        request: &Request<'_>,
        number: u64,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<u64>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<u32>,
        reply: ReplyAttr,
    ) {
        if mode.or(uid).or(gid).is_some() {
            reply.error(Errno::PERM.raw_os_error());
        } else {
            self.getattr(request, number, handle, reply);
        }
    }

    fn readlink(&mut self, _: &Request<'_>, number: u64, reply: ReplyData) {
        let link = self.path(number).and_then(|path| self.open_below(&path, OFlags::PATH));
        match link.and_then(|link| rfs::readlinkat(link, "", Vec::new())) {
            Ok(target) => reply.data(target.as_bytes()),
            Err(error) => reply.error(error.raw_os_error()),
        }
    }

    fn readdir(&mut self, _: &Request<'_>, number: u64, _: u64, after: i64, mut reply: ReplyDirectory) {
        match self.path(number).and_then(|folder| self.list(&folder)) {
            Ok(found) => {
                let left = found.into_iter().filter_map(|(number, kind, name)| {
                    let offset = i64::try_from(number).ok().filter(|offset| *offset > after)?;
                    Some((number, offset, kind, name))
                });
                for (number, offset, kind, name) in left {
                    if reply.add(number, offset, kind, OsStr::from_bytes(&name)) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error.raw_os_error()),
        }
    }

    fn open(&mut self, _: &Request<'_>, _: u64, _: i32, reply: ReplyOpen) {
        reply.opened(0, FOPEN_DIRECT_IO);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _: u64,
        offset: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        let offset = offset.unsigned_abs();
        match self.path(number).and_then(|path| self.read_at(&path, offset, size as usize)) {
            Ok(data) => reply.data(&data),
            Err(error) => reply.error(error.raw_os_error()),
        }
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        number: u64,
        _: u64,
        _: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        match self.path(number).and_then(|path| self.write_value(&path, data)) {
            Ok(written) => reply.written(u32::try_from(written).unwrap_or_default()),
            Err(error) => reply.error(error.raw_os_error()),
        }
    }

    // sysfs has none of these.

    fn create(&mut self, _: &Request<'_>, _: u64, _: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        reply.error(Errno::ACCESS.raw_os_error());
    }

    fn mknod(&mut self, _: &Request<'_>, _: u64, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::PERM.raw_os_error());
    }

    fn mkdir(&mut self, _: &Request<'_>, _: u64, _: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::PERM.raw_os_error());
    }

    fn unlink(&mut self, _: &Request<'_>, _: u64, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::PERM.raw_os_error());
    }

    fn rmdir(&mut self, _: &Request<'_>, _: u64, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::PERM.raw_os_error());
    }

    fn rename(&mut self, _: &Request<'_>, _: u64, _: &OsStr, _: u64, _: &OsStr, _: u32, reply: ReplyEmpty) {
        reply.error(Errno::PERM.raw_os_error());
    }
}

fn attributes(number: u64, stat: &Stat) -> FileAttr {
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    FileAttr {
        ino: number,
        size: stat.st_size.unsigned_abs(),
        blocks: stat.st_blocks.unsigned_abs(),
        atime: at(stat.st_atime),
        mtime: at(stat.st_mtime),
        ctime: at(stat.st_ctime),
        crtime: UNIX_EPOCH,
        kind: kind(rfs::FileType::from_raw_mode(stat.st_mode)),
        perm: u16::try_from(stat.st_mode & 0o7777).unwrap_or_default(),
        nlink: u32::try_from(stat.st_nlink).unwrap_or(u32::MAX),
        uid: stat.st_uid,
        gid: stat.st_gid,
        // There are no device nodes.
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

fn kind(found: rfs::FileType) -> FileType {
    match found {
        rfs::FileType::Directory => FileType::Directory,
        rfs::FileType::Symlink => FileType::Symlink,
        rfs::FileType::Fifo => FileType::NamedPipe,
        rfs::FileType::CharacterDevice => FileType::CharDevice,
        rfs::FileType::BlockDevice => FileType::BlockDevice,
        rfs::FileType::Socket => FileType::Socket,
        rfs::FileType::RegularFile | rfs::FileType::Unknown => FileType::RegularFile,
    }
}
