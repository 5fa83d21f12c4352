//! What a virtual function is given of its physical one.

use std::collections::BTreeMap;
use std::str::FromStr;

use host::{Host, HostError, PciFunction};

/// A kind of resource, which is a file in `vfN_resources` of Intel's driver.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// What the Go implementation gives to its one virtual function.
    usual: u64,
    /// What a DLB 2.0 has of it, for drivers that do not tell.
    total: u64,
}

const fn kind(name: &'static str, usual: u64, total: u64) -> Kind {
    Kind { name, usual, total }
}

const KINDS: [Kind; 10] = [
    kind("num_atomic_inflights", 2048, 2048),
    kind("num_dir_credits", 2048, 2048),
    kind("num_dir_ports", 8, 64),
    kind("num_hist_list_entries", 2048, 2048),
    kind("num_ldb_credits", 8192, 8192),
    kind("num_ldb_ports", 4, 64),
    kind("num_ldb_queues", 32, 32),
    kind("num_sched_domains", 32, 32),
    kind("num_sn0_slots", 2, 16),
    kind("num_sn1_slots", 2, 16),
];

/// What each virtual function is to have, by name, where that was said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted(BTreeMap<&'static str, u64>);

/// `num_ldb_ports=16,num_dir_ports=16`
impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut wanted = BTreeMap::new();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let (name, number) =
                word.split_once('=').ok_or_else(|| format!("{word:?} is not NAME=NUMBER"))?;
            let Some(Kind { name, .. }) = KINDS.iter().find(|kind| kind.name == name) else {
                let known = KINDS.map(|kind| kind.name).join(", ");
                return Err(format!("{name:?} is no resource of a DLB, which are {known}"));
            };
            let number = number.parse().ok().ok_or_else(|| format!("{word}: {number:?} is no number"))?;
            if wanted.insert(*name, number).is_some() {
                return Err(format!("{name} is there twice"));
            }
        }
        Ok(Self(wanted))
    }
}

impl Wanted {
    /// What each of `count` virtual functions is given: what was asked for, else as much as the Go implementation gives to
    /// its one, but no more than an equal part of what the hardware has.
    pub(crate) fn shares(
        &self,
        host: &Host,
        physical: &PciFunction,
        count: u16,
    ) -> Result<Vec<(&'static str, u64)>, HostError> {
        let mut shares = Vec::new();
        for Kind { name, usual, total } in KINDS {
            let share = if let Some(wanted) = self.0.get(name) {
                *wanted
            } else {
                let total = number(host, physical, "total_resources", name)?.unwrap_or(total);
                usual.min(total.checked_div(count.into()).unwrap_or_default())
            };
            shares.push((name, share));
        }
        Ok(shares)
    }
}

/// How many scheduling domains programs have of a physical function without virtual ones, and of how many: every program
/// that uses it has one. `None` if the driver does not tell.
pub(crate) fn domains_in_use(host: &Host, physical: &PciFunction) -> Result<Option<(u64, u64)>, HostError> {
    const DOMAINS: &str = "num_sched_domains";
    let total = number(host, physical, "total_resources", DOMAINS)?;
    let free = number(host, physical, "avail_resources", DOMAINS)?;
    Ok(total.zip(free).map(|(total, free)| (total.saturating_sub(free), total)))
}

fn number(host: &Host, physical: &PciFunction, folder: &str, name: &str) -> Result<Option<u64>, HostError> {
    match host.parse(physical.folder().join(folder).join(name), "a number of resources") {
        Err(error) if error.is_not_found() => Ok(None),
        found => found.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_breaks_the_list(text in "\\PC{0,40}|([a-z_]{0,12}[=, ][0-9-]{0,22}[, ]){0,4}") {
            let _ = text.parse::<Wanted>();
        }

        #[test]
        fn every_list_survives_its_text(numbers in prop::collection::btree_map(0..KINDS.len(), any::<u64>(), 0..10)) {
            let wanted = numbers.into_iter().filter_map(|(kind, number)| Some((KINDS.get(kind)?.name, number)));
            let wanted: BTreeMap<_, _> = wanted.collect();
            let words: Vec<String> = wanted.iter().map(|(name, number)| format!("{name}={number}")).collect();
            prop_assert_eq!(words.join(", ").parse(), Ok(Wanted(wanted)));
        }
    }

    #[test]
    fn resources_are_named_as_the_driver_names_them() {
        let wanted: Wanted = "num_ldb_ports=16, num_dir_ports=0,".parse().unwrap();
        assert_eq!(wanted, Wanted([("num_ldb_ports", 16), ("num_dir_ports", 0)].into()));
        assert_eq!("".parse(), Ok(Wanted::default()));
        for (bad, because) in [
            ("num_ldb_ports", "\"num_ldb_ports\" is not NAME=NUMBER"),
            ("num_ldb_ports=", "\"\" is no number"),
            ("num_ldb_ports=-1", "\"-1\" is no number"),
            ("locked=1", "\"locked\" is no resource of a DLB, which are num_atomic_inflights, "),
            ("num_ldb_ports=1,num_ldb_ports=1", "num_ldb_ports is there twice"),
        ] {
            let error = bad.parse::<Wanted>().unwrap_err();
            assert!(error.contains(because), "{bad}: {error}");
        }
    }
}
