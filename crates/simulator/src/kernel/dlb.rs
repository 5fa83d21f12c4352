//! DLB (`drivers/misc/dlb2/dlb2_{main,pf_ops,sriov}.c` and `base/dlb2_resource.c` of the out-of-tree driver).

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::machine::{Done, Machine, ensure, refuse};
use super::number;
use super::pci::Function;

const DRIVER: &str = "dlb2";

/// What a DLB 2.0 has for all its virtual functions together (`dlb2_hw_types.h`).
const TOTALS: [(&str, u64); 10] = [
    ("num_atomic_inflights", 2048),
    ("num_dir_credits", 2048),
    ("num_dir_ports", 64),
    ("num_hist_list_entries", 2048),
    ("num_ldb_credits", 8192),
    ("num_ldb_ports", 64),
    ("num_ldb_queues", 32),
    ("num_sched_domains", 32),
    ("num_sn0_slots", 16),
    ("num_sn1_slots", 16),
];

impl Machine<'_> {
    /// The driver makes a node. A virtual function's resources are its own from now on.
    pub(super) fn start_dlb(&mut self, function: &Function) -> Done {
        let id = number::first_free("dlb", &self.names(Path::new("/sys/class/dlb2")));
        let parent = format!("/devices/{}/{}", function.at(), function.address);
        let words =
            format!("class-device parent={parent} class=dlb2 name=dlb{id} major=509 minor={id} node=dlb{id}");
        self.graft(&function.folder, &words)?;
        self.set_locked(function, true)
    }

    pub(super) fn stop_dlb(&mut self, function: &Function) -> Done {
        self.set_locked(function, false)
    }

    fn set_locked(&mut self, function: &Function, locked: bool) -> Done {
        let Some(physical) = self.link_name(&function.attribute("physfn")) else { return Ok(()) };
        let Some(physical) = self.function(&physical) else { return Ok(()) };
        let is_it = |number: &&str| {
            let link = physical.attribute(&format!("virtfn{number}"));
            self.link_name(&link) == Some(function.address.to_string())
        };
        let names = self.names(&physical.folder);
        let Some(number) = names.iter().filter_map(|name| name.strip_prefix("virtfn")).find(is_it) else {
            return Ok(());
        };
        let path = physical.attribute(&format!("vf{number}_resources/locked"));
        self.show(&path, if locked { "1" } else { "0" })
    }

    pub(super) fn add_resources(&mut self, physical: &Function, number: usize) -> Done {
        let words = format!("dlb-resources at={} pf={} vf={number}", physical.at(), physical.address);
        self.graft(&physical.folder, &words)
    }

    pub(super) fn remove_resources(&mut self, physical: &Function) -> Done {
        self.resources(physical).iter().try_for_each(|folder| self.uproot(folder))
    }

    fn resources(&self, physical: &Function) -> Vec<PathBuf> {
        let names = self.names(&physical.folder).into_iter();
        let is_one = |name: &String| name.starts_with("vf") && name.ends_with("_resources");
        names.filter(is_one).map(|name| physical.folder.join(name)).collect()
    }

    /// `dlb2_sysfs_vf_write`, whose answer to what is no number is -1, which is `EPERM`.
    pub(super) fn write_to_resource(
        &mut self,
        physical: &Function,
        folder: &str,
        name: &str,
        value: &str,
    ) -> Done {
        ensure(name != "locked", Errno::ACCESS)?;
        let Some(number) = number::unsigned(value, 0) else { return refuse(Errno::PERM) };
        let path = physical.attribute(folder).join(name);
        if name == "func_bar_en" {
            return Ok(());
        }
        let Some((_, total)) = TOTALS.iter().find(|(known, _)| *known == name) else {
            return refuse(Errno::PERM);
        };
        let function = folder.trim_start_matches("vf").trim_end_matches("_resources");
        let driver = physical.attribute(&format!("virtfn{function}")).join("driver");
        ensure(self.link_name(&driver).as_deref() != Some(DRIVER), Errno::PERM)?;
        let others = self.resources(physical).into_iter().map(|other| other.join(name));
        let given: u64 =
            others.filter(|other| *other != path).filter_map(|other| self.parse::<u64>(&other)).sum();
        ensure(given.saturating_add(number) <= *total, Errno::INVAL)?;
        self.hold(&path, &number.to_string())
    }
}
