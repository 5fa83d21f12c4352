//! Links between tiles of GPUs: as a text, as labels, and as the metrics that XPU Manager has of them.

use device_plugin::error_chain;
use host::Host;

use crate::Spec;

/// The kernel shows no links, so a simulated node has them in this file, as [`text`] writes them.
pub const FILE: &str = "/.xelinks";

const KEY: &str = "xpumanager.intel.com/xe-links";
/// The longest value of a label.
const MAX_VALUE: usize = 63;
/// Of each link that the metrics tell of.
const LANES: u32 = 4;

/// The links as `DEVICE.TILE-DEVICE.TILE` with `_` between, or what the description has instead.
pub fn text(spec: &Spec) -> String {
    if !spec.is_fully_linked() {
        return spec.capability("connections").to_owned();
    }
    let tile = |device| (0..spec.tiles).map(move |tile| format!("{device}.{tile}"));
    let tiles: Vec<String> = (0..spec.devices).flat_map(tile).collect();
    let pairs = tiles
        .iter()
        .enumerate()
        .flat_map(|(number, from)| tiles.iter().skip(number + 1).map(move |to| format!("{to}-{from}")));
    pairs.collect::<Vec<_>>().join("_")
}

/// The links as lines of a file for node-feature-discovery. They are cut at fixed places, as in the Go implementation, and
/// not as `labels::chunks` does.
pub(crate) fn label_lines(spec: &Spec) -> Vec<u8> {
    let text = text(spec);
    let (first, rest) = text.as_bytes().split_at_checked(MAX_VALUE).unwrap_or((text.as_bytes(), b""));
    let mut lines = [KEY.as_bytes(), b"=", first, b"\n"].concat();
    // One byte goes to the Z.
    for (number, chunk) in (2..).zip(rest.chunks(MAX_VALUE - 1)) {
        lines.extend_from_slice(format!("{KEY}{number}=Z").as_bytes());
        lines.extend_from_slice(chunk);
        lines.push(b'\n');
    }
    lines
}

/// The [`metrics`] of a simulated node. One without [`FILE`] has no links; a file that is wrong gives a page without metrics,
/// which says why.
pub fn page(host: &Host) -> String {
    let page = if host.exists(FILE) {
        host.read(FILE).map_err(|error| error_chain(&error)).and_then(|text| metrics(text.trim()))
    } else {
        metrics("")
    };
    page.unwrap_or_else(|error| format!("# {FILE}: {error}\n"))
}

/// The page of XPU Manager's metrics that has these links and no more. Each link is told of from both its ends. Tiles of one
/// GPU are on one board: that is a kind of connection, too, but no link of its own.
///
/// # Errors
/// What is no link.
pub fn metrics(text: &str) -> Result<String, String> {
    let mut lines = vec![
        "# HELP xpum_topology_link Connection type of two GPU tiles".to_owned(),
        "# TYPE xpum_topology_link gauge".to_owned(),
    ];
    for link in text.split('_').filter(|link| !link.is_empty()) {
        let (one, other) =
            link.split_once('-').and_then(|(one, other)| Some((end(one)?, end(other)?))).ok_or_else(
                || format!("{link:?} is no link such as 0.0-1.0, tile 0 of GPU 0 with tile 0 of GPU 1"),
            )?;
        lines.push(metric(one, other));
        lines.push(metric(other, one));
    }
    // As XPU Manager's, the last line has no end.
    Ok(lines.join("\n"))
}

/// The numbers of a GPU and of its tile.
type End = (u32, u32);

fn end(text: &str) -> Option<End> {
    let (device, tile) = text.split_once('.')?;
    Some((device.parse().ok()?, tile.parse().ok()?))
}

fn metric(local: End, remote: End) -> String {
    let kind = if local.0 == remote.0 { 4 } else { 1 };
    format!(
        "xpum_topology_link{{local_device_id=\"{}\",local_on_subdevice=\"true\",local_subdevice_id=\"{}\",\
         remote_device_id=\"{}\",remote_subdevice_id=\"{}\",lane_count=\"{LANES}\"}} {kind}.0",
        local.0, local.1, remote.0, remote.1
    )
}
