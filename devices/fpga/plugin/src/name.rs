//! The names of resources, which are made of the ids of cards and functions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fpga_bitstream::Id;

/// `af-<I>.<F>.<BASE64>`: the first three digits of the interface's and of the function's id, for people, then both ids
/// in full, in base64 so that the name is short enough.
pub fn function(interface: Id, function: Id) -> String {
    let short = |id: Id| id.to_string().chars().take(3).collect::<String>();
    let bytes = [interface.to_bytes(), function.to_bytes()].concat();
    format!("af-{}.{}.{}", short(interface), short(function), URL_SAFE_NO_PAD.encode(bytes))
}

/// `region-<INTERFACE>`.
pub fn region(interface: Id) -> String {
    format!("region-{interface}")
}

#[cfg(test)]
mod tests;
