//! A bitstream file that was opened and found good.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::aocx::{Aocx, unpack};
use crate::error::{Error, Fault};
use crate::gbs::Header;
use crate::id::{Id, Name};
use crate::metadata::Metadata;
use crate::part::{Extent, Part};

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A function by itself.
    Gbs,
    /// A program of Intel's `OpenCL` compiler.
    Aocx,
}

/// An open bitstream file, every field of which was checked. The payload is still on disk.
#[derive(Debug)]
pub struct Bitstream {
    file: File,
    /// Of the whole file, in bytes.
    len: u64,
    path: PathBuf,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Gbs { metadata: Metadata, payload: Extent },
    Aocx(Aocx),
}

impl Kind {
    /// In the order in which the store is searched.
    pub const ALL: [Self; 2] = [Self::Gbs, Self::Aocx];

    /// How names of such files end, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gbs => "gbs",
            Self::Aocx => "aocx",
        }
    }

    /// What the extension of `path` says; case matters.
    pub fn of(path: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| path.extension() == Some(OsStr::new(kind.extension())))
    }
}

impl Bitstream {
    /// Opens the file at `path` of this process (not of a simulated node) and checks it. Links are followed; anything but a
    /// plain file is an error.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let path = path.into();
        if Kind::of(&path).is_none() {
            return Err(Error::Extension(path));
        }
        // NONBLOCK: a pipe in the file's place must not hang us.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::open(&path, flags, Mode::empty()).map_err(|e| Error::io("open", &path, e))?;
        Self::read(file.into(), path)
    }

    /// Checks a file that was opened before. Its kind is that of the name in `path`.
    pub fn read(file: File, path: PathBuf) -> Result<Self, Error> {
        let Some(kind) = Kind::of(&path) else { return Err(Error::Extension(path)) };
        let about = file.metadata().map_err(|error| Error::io("look at", &path, error))?;
        if !about.is_file() {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "not a plain file");
            return Err(Error::io("read", &path, error));
        }
        let len = about.len();
        let part = Part::new(&file, Extent { start: 0, len });
        let content = match kind {
            Kind::Gbs => gbs(part),
            Kind::Aocx => Aocx::read(part).map(Content::Aocx),
        };
        match content {
            Ok(content) => Ok(Self { file, len, path, content }),
            Err(fault) => Err(fault.of(&path)),
        }
    }

    /// Where the file was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format.
    pub fn kind(&self) -> Kind {
        match self.content {
            Content::Gbs { .. } => Kind::Gbs,
            Content::Aocx(_) => Kind::Aocx,
        }
    }

    /// All of the file, as long as it was when it was checked.
    pub(crate) fn whole(&self) -> Part<'_> {
        Part::new(&self.file, Extent { start: 0, len: self.len })
    }

    /// What the bitstream says of itself.
    pub fn metadata(&self) -> &Metadata {
        match &self.content {
            Content::Gbs { metadata, .. } => metadata,
            Content::Aocx(aocx) => &aocx.metadata,
        }
    }

    /// The interface of the cards that it can be programmed into (`InterfaceUUID`).
    pub fn interface_id(&self) -> Id {
        self.metadata().afu_image.interface_uuid
    }

    /// What a port reports as its function once this is programmed (`AcceleratorTypeUUID`).
    pub fn afu_id(&self) -> Id {
        let [accelerator] = &self.metadata().afu_image.accelerator_clusters;
        accelerator.accelerator_type_uuid
    }

    /// What it is called in the store (`UniqueUUID`): the function's id, or the hash of an AOCX, which may have none.
    pub fn name(&self) -> Option<Name> {
        match &self.content {
            Content::Gbs { .. } => Some(self.afu_id().into()),
            Content::Aocx(aocx) => aocx.hash.clone(),
        }
    }

    /// Facts for people beside the ids, as key and value, in the order of keys: `Size` (of the payload, in bytes), and of an
    /// AOCX `Board`, `Hash`, `Target`, `Version`, each empty if the file does not say.
    pub fn extra(&self) -> Vec<(&'static str, String)> {
        let size = ("Size", self.payload_size().to_string());
        let Content::Aocx(aocx) = &self.content else { return vec![size] };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let hash = aocx.hash.as_ref().map(Name::to_string).unwrap_or_default();
        vec![
            ("Board", text(&aocx.board)),
            ("Hash", hash),
            size,
            ("Target", text(&aocx.target)),
            ("Version", text(&aocx.version)),
        ]
    }

    /// How long the payload is, in bytes: 1 to [`MAX_PAYLOAD`](crate::MAX_PAYLOAD).
    pub fn payload_size(&self) -> u64 {
        match &self.content {
            Content::Gbs { payload, .. } => payload.len,
            Content::Aocx(aocx) => aocx.size,
        }
    }

    /// The payload, in one buffer of exactly its size, which is what the kernel takes. The file is read anew each time.
    pub fn payload(&self) -> Result<Vec<u8>, Error> {
        let result = match &self.content {
            Content::Gbs { payload, .. } => fill(&mut Part::new(&self.file, *payload), payload.len),
            Content::Aocx(aocx) => {
                let mut unpacked = unpack(Part::new(&self.file, aocx.packed));
                io::copy(&mut unpacked.by_ref().take(aocx.payload), &mut io::sink())
                    .and_then(|_| fill(&mut unpacked, aocx.size))
                    // The checksum is behind the last byte.
                    .and_then(|bytes| if unpacked.read(&mut [0])? == 0 { Ok(bytes) } else { Err(changed()) })
            }
        };
        result.map_err(|error| Error::io("read the bitstream of", &self.path, error))
    }
}

fn gbs(mut file: Part<'_>) -> Result<Content, Fault> {
    let header = Header::read(&mut file)?;
    // What is read is there, so the rest is not negative.
    let len = file.extent.len.saturating_sub(header.payload);
    header.check_payload(len)?;
    let payload = Extent { start: header.payload, len };
    Ok(Content::Gbs { metadata: header.metadata, payload })
}

fn fill(from: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    from.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => changed(),
        _ => error,
    })?;
    Ok(bytes)
}

pub(crate) fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file was changed after it was checked")
}
