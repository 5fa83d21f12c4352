//! What a bitstream says of itself, in JSON.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::Fault;
use crate::id::Id;

/// The metadata of a bitstream.
///
/// Keys that are not listed here are passed over: clocks, the interface's module. A key that is here has the type that it
/// has here, or is `null` or missing if that is an `Option`. Keys are compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metadata {
    /// The version of the metadata.
    pub version: Option<i64>,
    /// The kind of card.
    pub platform_name: Option<String>,
    /// What the payload is.
    pub afu_image: Image,
}

/// What the payload is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// The interface of the cards that it can be programmed into.
    pub interface_uuid: Id,
    /// Always 488605312; nobody compares it.
    pub magic_no: Option<i64>,
    /// What it draws, in watts.
    pub power: Option<i64>,
    /// What a port with it reports; exactly one.
    #[serde(deserialize_with = "exactly_one")]
    pub accelerator_clusters: [Accelerator; 1],
}

/// An accelerated function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accelerator {
    /// The id that a port reports once this is programmed.
    pub accelerator_type_uuid: Id,
    /// A name for people.
    pub name: Option<String>,
    /// How many can use it at the same time.
    pub total_contexts: Option<i64>,
}

impl Metadata {
    /// Reads the first JSON value of `window`, which begins at `start`.
    pub(crate) fn parse(window: &[u8], start: u64) -> Result<Self, Fault> {
        // Only up to the end of the value: what follows may be padding.
        let mut json = serde_json::Deserializer::from_slice(window);
        Self::deserialize(&mut json).map_err(|error| {
            let before: usize =
                window.split_inclusive(|&b| b == b'\n').take(error.line().max(1) - 1).map(<[u8]>::len).sum();
            let offset = start + (before + error.column().max(1) - 1) as u64;
            let place = format!(" at line {} column {}", error.line(), error.column());
            Fault::malformed(offset, "the metadata of a bitstream", error.to_string().replace(&place, ""))
        })
    }
}

fn exactly_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[Accelerator; 1], D::Error> {
    let all = Vec::deserialize(deserializer)?;
    <[Accelerator; 1]>::try_from(all)
        .map_err(|all| D::Error::custom(format!("{} accelerator-clusters, expected exactly one", all.len())))
}
