//! Which free units a container should get.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use device_plugin::policy::{Choice, natural};

/// Where a unit is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The piece of hardware of which a container needs no second unit: the queue.
    pub(crate) piece: String,
    /// What the piece is a part of.
    pub(crate) device: String,
    /// The NUMA node near the device.
    pub(crate) node: Option<u32>,
}

/// The units of one piece of hardware.
#[derive(Debug)]
struct Piece<'a> {
    device: String,
    node: Option<u32>,
    /// Free ones, the first to be taken last.
    free: Vec<&'a str>,
    taken: usize,
}

/// Different queues before a second share of one; among them those near one NUMA node, which is one that the container
/// must be near to already, or has queues enough; among them those of different devices. Where that leaves a choice: the
/// one with most free units, so that all are equally used.
pub(crate) fn prefer(choice: &Choice<'_>, mut place: impl FnMut(&str) -> Place) -> Vec<String> {
    let mut chosen: Vec<&str> = Vec::new();
    let mut pieces: BTreeMap<String, Piece<'_>> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (id, is_due) in
        choice.must_include.iter().map(|id| (*id, true)).chain(choice.available.iter().map(|id| (*id, false)))
    {
        if !known.insert(id) {
            continue;
        }
        let Place { piece, device, node } = place(id);
        let piece = pieces.entry(piece).or_insert(Piece { device, node, free: Vec::new(), taken: 0 });
        if is_due && chosen.len() < choice.size {
            chosen.push(id);
            piece.taken += 1;
        } else if !is_due {
            piece.free.push(id);
        }
    }
    let mut pieces: Vec<(String, Piece<'_>)> = pieces.into_iter().collect();
    // The order on which ties fall back.
    pieces.sort_by(|(a, _), (b, _)| natural(a, b));
    let mut pieces: Vec<Piece<'_>> = pieces.into_iter().map(|(_, piece)| piece).collect();
    for piece in &mut pieces {
        piece.free.sort_by(|a, b| natural(b, a));
    }
    let ranks = ranks(&pieces, choice.size.saturating_sub(chosen.len()));
    let mut devices: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for piece in &pieces {
        let (taken, free) = devices.entry(piece.device.clone()).or_default();
        *taken += piece.taken;
        *free += piece.free.len();
    }
    while chosen.len() < choice.size {
        let free = pieces.iter_mut().filter(|piece| !piece.free.is_empty());
        let best = free.min_by_key(|piece| {
            let (taken, free) = devices.get(&piece.device).copied().unwrap_or_default();
            let rank = ranks.get(&piece.node).copied();
            (piece.taken, rank, taken, Reverse(free), Reverse(piece.free.len()))
        });
        let Some(piece) = best else { break };
        chosen.extend(piece.free.pop());
        piece.taken += 1;
        if let Some((taken, free)) = devices.get_mut(&piece.device) {
            *taken += 1;
            *free = free.saturating_sub(1);
        }
    }
    chosen.into_iter().map(str::to_owned).collect()
}

/// The order in which NUMA nodes are drawn from when `missing` units are.
fn ranks(pieces: &[Piece<'_>], missing: usize) -> BTreeMap<Option<u32>, usize> {
    #[derive(Default)]
    struct Node {
        is_begun: bool,
        fresh: usize,
        free: usize,
    }
    let mut nodes: BTreeMap<Option<u32>, Node> = BTreeMap::new();
    for piece in pieces {
        let node = nodes.entry(piece.node).or_default();
        node.is_begun |= piece.taken > 0;
        node.fresh += usize::from(piece.taken == 0 && !piece.free.is_empty());
        node.free += piece.free.len();
    }
    let mut nodes: Vec<(Option<u32>, Node)> = nodes.into_iter().collect();
    nodes.sort_by_key(|(number, node)| {
        // Enough is enough; short of that, the more the better.
        (number.is_none(), !node.is_begun, Reverse(node.fresh.min(missing)), Reverse(node.free), *number)
    });
    nodes.into_iter().enumerate().map(|(rank, (number, _))| (number, rank)).collect()
}

#[cfg(test)]
mod tests;
