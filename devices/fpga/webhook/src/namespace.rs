//! What the objects of one namespace allow its pods.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use fpga_bitstream::Id;

use crate::mapping::{Kind, Mapping};

/// Of all names, so many are in a message.
const MAX_SHOWN: usize = 5;

/// What an object means, or why it cannot mean anything.
pub(crate) type Meaning = Result<Mapping, String>;

/// The objects of a namespace, by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Namespace {
    functions: BTreeMap<String, Meaning>,
    regions: BTreeMap<String, Meaning>,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Nothing,
    One(Kind, &'a Meaning),
    /// An object of each kind.
    Two,
}

impl Namespace {
    pub(crate) fn get(&self, name: &str) -> Found<'_> {
        match (self.functions.get(name), self.regions.get(name)) {
            (None, None) => Found::Nothing,
            (Some(meaning), None) => Found::One(Kind::AcceleratorFunction, meaning),
            (None, Some(meaning)) => Found::One(Kind::FpgaRegion, meaning),
            (Some(_), Some(_)) => Found::Two,
        }
    }

    /// Whether pods may ask for the function that nodes have under this name.
    pub(crate) fn offers(&self, target: &str) -> bool {
        self.mappings().any(|it| matches!(it, Mapping::Function { .. }) && it.target() == target)
    }

    /// Whether pods may do everything with regions of this interface.
    pub(crate) fn has_region(&self, interface: Id) -> bool {
        self.mappings().any(|it| *it == Mapping::Region { interface })
    }

    /// Whether pods may have some function programmed in regions of this interface.
    pub(crate) fn programs_some(&self, interface: Id) -> bool {
        self.mappings()
            .any(|it| matches!(it, Mapping::Programmed { interface: its, .. } if *its == interface))
    }

    /// Whether pods may have this function programmed in regions of this interface.
    pub(crate) fn programs(&self, interface: Id, function: &str) -> bool {
        self.mappings().any(|it| {
            matches!(it, Mapping::Programmed { interface: its, function: name } if *its == interface && name.to_string() == function)
        })
    }

    /// For a message: the names that pods may ask for, those that begin most like `wanted` first.
    pub(crate) fn names(&self, wanted: &str) -> String {
        let like = |name: &str| wanted.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        let all = self.functions.iter().chain(&self.regions);
        let mut names: Vec<&str> =
            all.filter(|(_, meaning)| meaning.is_ok()).map(|(name, _)| name.as_str()).collect();
        names.sort_unstable_by_key(|name| (Reverse(like(name)), *name));
        names.dedup();
        if names.is_empty() {
            return "no AcceleratorFunction or FpgaRegion".to_owned();
        }
        let shown: Vec<&str> = names.iter().take(MAX_SHOWN).copied().collect();
        let more = names.len() - shown.len();
        let shown = shown.join(", ");
        if more == 0 { shown } else { format!("{shown} and {more} more") }
    }

    pub(crate) fn objects(&mut self, kind: Kind) -> &mut BTreeMap<String, Meaning> {
        match kind {
            Kind::AcceleratorFunction => &mut self.functions,
            Kind::FpgaRegion => &mut self.regions,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.functions.is_empty() && self.regions.is_empty()
    }

    fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.functions.values().chain(self.regions.values()).filter_map(|meaning| meaning.as_ref().ok())
    }
}
