//! What to make: the JSON files of the Go implementation's `gpu_fakedev` (v0.32 to v0.36).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Links between hundreds of tiles fit. Each device has a file with all capabilities.
const MAX_BYTES: u64 = 256 << 10;
const MAX_DEVICES: i64 = 128;
/// The Go implementation has no limit.
const MAX_TILES: i64 = 64;
/// As many tiles have half a million links.
const MAX_LINKED_TILES: usize = 1024;
const MEBIBYTE: i64 = 1 << 20;
/// Letters at both ends of a long message.
const MAX_SHOWN: usize = 120;
/// The value of `connection-topology` that links all tiles with all.
const FULL: &str = "FULL";

/// Simulated GPUs, all alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// A text for people.
    pub info: String,
    /// 1 to 128.
    pub devices: usize,
    /// Of each device; 0 where it does not show them.
    pub tiles: usize,
    /// Of each device, in bytes: whole mebibytes.
    pub memory: i64,
    /// So many devices, one after the other, are on one NUMA node; with 0 all are on node 0.
    pub devices_per_node: usize,
    /// Each physical function is followed by so many virtual ones, which are devices, too; 0: there are none.
    pub functions: usize,
    /// What the driver tells in debugfs, and how the tiles are linked.
    pub capabilities: BTreeMap<String, String>,
}

/// A description that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// There is none.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no JSON, or a value is of another type.
    #[error("it is no description of GPUs: {0}")]
    Json(String),
    /// A value that cannot be, or two that do not fit.
    #[error("{0}")]
    Value(String),
}

impl Spec {
    /// Reads the file at `path`; also returns its text.
    pub fn load(path: &Path) -> Result<(Self, String), SpecError> {
        let fail = |source| SpecError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        let file = File::open(path).map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(fail(io::Error::other("it is no plain file")));
        }
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(fail)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(fail(io::Error::other(format!("it is longer than {MAX_BYTES} bytes"))));
        }
        Ok((Self::parse(&text)?, text))
    }

    /// Reads a JSON object as Go does: keys in any case, `null` as if the key was not there, unknown keys ignored.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let fields: Fields = serde_json::from_str(text).map_err(|error| SpecError::Json(shown(&error)))?;
        let memory = fields.memory;
        if memory < 0 || memory % MEBIBYTE != 0 {
            return Err(refused(format!(
                "DevMemSize is {memory}: it must be a multiple of {MEBIBYTE} bytes, 1 MiB"
            )));
        }
        let spec = Self {
            info: fields.info,
            devices: number("DevCount", fields.devices, 1, MAX_DEVICES)?,
            tiles: number("TilesPerDev", fields.tiles, 0, MAX_TILES)?,
            memory,
            devices_per_node: number("DevsPerNode", fields.devices_per_node, 0, fields.devices)?,
            functions: number("VfsPerPf", fields.functions, 0, MAX_DEVICES)?,
            capabilities: fields.capabilities,
        };
        spec.check()?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), SpecError> {
        let Self { devices, tiles, functions, .. } = *self;
        if functions > 0 && (tiles > 0 || self.devices_per_node > 0) {
            return Err(refused(format!(
                "VfsPerPf is {functions}: TilesPerDev and DevsPerNode must be 0 then, or not there"
            )));
        }
        if functions > 0 && devices % (functions + 1) != 0 {
            return Err(refused(format!(
                "DevCount is {devices}: with VfsPerPf {functions} it must be a multiple of {}, so that each physical \
                 function has its virtual ones",
                functions + 1
            )));
        }
        if self.is_fully_linked() && devices * tiles > MAX_LINKED_TILES {
            return Err(refused(format!(
                "connection-topology is {FULL}: {devices} times {tiles} tiles are more than {MAX_LINKED_TILES}"
            )));
        }
        Ok(())
    }

    /// The capability, or nothing.
    pub(crate) fn capability(&self, key: &str) -> &str {
        self.capabilities.get(key).map_or("", String::as_str)
    }

    /// Whether each tile is linked with all others.
    pub(crate) fn is_fully_linked(&self) -> bool {
        self.capability("connection-topology") == FULL
    }
}

fn refused(message: String) -> SpecError {
    SpecError::Value(message)
}

fn number(key: &str, value: i64, min: i64, max: i64) -> Result<usize, SpecError> {
    let fits = usize::try_from(value).ok().filter(|_| (min..=max).contains(&value));
    fits.ok_or_else(|| refused(format!("{key} is {value}: it must be {min} to {}", max.max(min))))
}

/// What is wrong and where, without the middle of a long value that the message repeats.
fn shown(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let start: String = letters.by_ref().take(MAX_SHOWN).collect();
    let skipped = letters.clone().count().saturating_sub(MAX_SHOWN);
    let end: String = letters.skip(skipped).collect();
    format!("{start}{}{end}", if skipped > 0 { "…" } else { "" })
}

/// What is in the file.
#[derive(Default)]
struct Fields {
    info: String,
    devices: i64,
    tiles: i64,
    memory: i64,
    devices_per_node: i64,
    functions: i64,
    capabilities: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with DevCount")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.to_lowercase().as_str() {
                "info" => set(&mut fields.info, &key, &mut map)?,
                "devcount" => set(&mut fields.devices, &key, &mut map)?,
                "tilesperdev" => set(&mut fields.tiles, &key, &mut map)?,
                "devmemsize" => set(&mut fields.memory, &key, &mut map)?,
                "devspernode" => set(&mut fields.devices_per_node, &key, &mut map)?,
                "vfsperpf" => set(&mut fields.functions, &key, &mut map)?,
                "capabilities" => {
                    let mut more: BTreeMap<String, Option<String>> = BTreeMap::new();
                    set(&mut more, &key, &mut map)?;
                    let more = more.into_iter().map(|(key, value)| (key, value.unwrap_or_default()));
                    fields.capabilities.extend(more);
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(fields)
    }
}

fn set<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    field: &mut T,
    key: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    let value: Option<T> =
        map.next_value().map_err(|error| de::Error::custom(format_args!("{key}: {error}")))?;
    if let Some(value) = value {
        *field = value;
    }
    Ok(())
}
