use std::io::ErrorKind;
use std::sync::Arc;

use simulator::{Kernel, Profile, SimulatedNode};

use super::*;

/// A node with these functions, and its kernel.
fn kernel(lines: &str) -> (tempfile::TempDir, Arc<Kernel>) {
    let folder = tempfile::tempdir().unwrap();
    let profile = format!("use pci-driver driver=dlb2\nuse pci-driver driver=vfio-pci\n{lines}");
    let profile = Profile::parse("test", &profile).unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
    (folder, Kernel::run(node))
}

const FRESH: &str = "use dlb-pf as=dlb0 id=0 at=pci0000:6d pci=0000:6d:00.0 group=1\n";
const MADE: &str = "use dlb-pf as=dlb0 id=0 at=pci0000:6d pci=0000:6d:00.0 group=1 vfs=1\n\
                    use dlb-vf as=dlb1 id=1 at=pci0000:6d pci=0000:6d:00.1 pf=0000:6d:00.0 vf=0 group=2\n";

fn planned(kernel: &Arc<Kernel>, count: u16) -> (Result<Plan, String>, Vec<String>) {
    let host = kernel.host();
    let functions = physical_functions(&host).unwrap();
    let mut notes = Vec::new();
    let plan = plan(&host, &functions[0], count, &mut |note| notes.push(note));
    (plan, notes)
}

fn options(num_vfs: u64, prefix: &Path) -> Options {
    Options {
        dry_run: false,
        prefix: prefix.to_string_lossy().into_owned(),
        num_pfs: 1,
        num_vfs,
        logs: LogOptions::default(),
    }
}

#[test]
fn a_fresh_function_gets_a_virtual_one_with_all_it_can_give() {
    let (_folder, kernel) = kernel(FRESH);
    let (plan, notes) = planned(&kernel, 1);
    let device = "/sys/bus/pci/devices/0000:6d:00.0";
    let mut expected = format!(
        "{device}/sriov_drivers_autoprobe = 0 (now 1)\n{device}/sriov_numvfs = 1\n{device}/sriov_drivers_autoprobe = 1\n"
    );
    for (name, value) in RESOURCES {
        expected += &format!("{device}/vf0_resources/{name} = {value}\n");
    }
    expected += "/sys/bus/pci/drivers/dlb2/bind = 0000:6d:00.1\n";
    assert_eq!(plan.unwrap().to_string(), expected);
    assert_eq!(notes, [""; 0]);
}

#[test]
fn several_virtual_functions_share() {
    let (_folder, kernel) = kernel(FRESH);
    let plan = planned(&kernel, 2).0.unwrap().to_string();
    for line in [
        "sriov_numvfs = 2\n",
        "vf0_resources/num_ldb_queues = 16\n",
        "vf1_resources/num_ldb_queues = 16\n",
        "vf1_resources/num_sn0_slots = 1\n",
        "dlb2/bind = 0000:6d:00.2\n",
    ] {
        assert!(plan.contains(line), "{line} is not in {plan}");
    }
    assert_eq!(planned(&kernel, 17).0.unwrap_err(), "it can have 16 virtual functions, not 17");
}

#[test]
fn what_is_as_it_should_be_is_not_touched() {
    let (_folder, kernel) = kernel(MADE);
    let (plan, notes) = planned(&kernel, 1);
    assert!(plan.unwrap().is_empty());
    assert_eq!(notes, [""; 0]);
    let (plan, notes) = planned(&kernel, 4);
    assert!(plan.unwrap().is_empty());
    assert_eq!(notes, ["it keeps its 1 virtual functions: they may be in use"]);
    assert_eq!(kernel.written(), []);
}

#[test]
fn a_virtual_function_without_resources_or_driver_is_completed() {
    let (_folder, kernel) = kernel(MADE);
    kernel.node().delete("/sys/bus/pci/devices/0000:6d:00.1/driver").unwrap();
    assert_eq!(planned(&kernel, 1).0.unwrap().to_string(), "/sys/bus/pci/drivers/dlb2/bind = 0000:6d:00.1\n");
    for (name, _) in RESOURCES {
        let path = format!("/sys/bus/pci/devices/0000:6d:00.0/vf0_resources/{name}");
        kernel.node().set_attribute(path, "0\n").unwrap();
    }
    let plan = planned(&kernel, 1).0.unwrap();
    assert_eq!(plan.steps().len(), RESOURCES.len() + 1);
    assert!(plan.to_string().contains("vf0_resources/num_ldb_credits = 8192\n"));
}

#[test]
fn one_with_another_driver_is_left_alone() {
    let (_folder, kernel) = kernel(MADE);
    let link = "/sys/bus/pci/devices/0000:6d:00.1/driver";
    kernel.node().delete(link).unwrap();
    let folder = kernel.node().root().join("sys/devices/pci0000:6d/0000:6d:00.1/driver");
    std::os::unix::fs::symlink("../../../bus/pci/drivers/vfio-pci", folder).unwrap();
    let (plan, notes) = planned(&kernel, 1);
    assert!(plan.unwrap().is_empty());
    assert_eq!(notes, ["0000:6d:00.1 is left alone: it is bound to vfio-pci"]);
}

#[test]
fn a_write_that_fails_undoes_what_was_done() {
    let (_folder, kernel) = kernel(FRESH);
    let host = kernel.host();
    kernel.refuse("vf0_resources/num_atomic_inflights", ErrorKind::InvalidInput);
    let plan = planned(&kernel, 1).0.unwrap();
    // The folder comes with the virtual function, which only a real kernel makes.
    let folder = kernel.node().root().join("sys/devices/pci0000:6d/0000:6d:00.0/vf0_resources");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("num_atomic_inflights"), "0\n").unwrap();
    let error = plan.apply(&host, |_| ()).unwrap_err();
    assert!(error.to_string().contains("the steps before it were undone"), "{error}");
    assert_eq!(host.read("/sys/bus/pci/devices/0000:6d:00.0/sriov_numvfs").unwrap(), "0");
    assert_eq!(host.read("/sys/bus/pci/devices/0000:6d:00.0/sriov_drivers_autoprobe").unwrap(), "1");
}

#[test]
fn a_node_without_load_balancers_is_fine() {
    let (_folder, kernel) = kernel("");
    assert!(physical_functions(&kernel.host()).unwrap().is_empty());
    let root = kernel.node().root().to_owned();
    assert_eq!(run(&options(1, &root)), Ok(()));
    for bad in [0, 17] {
        assert_eq!(run(&options(bad, &root)), Err(format!("-num-vfs is {bad}, not 1 to 16")));
    }
}
