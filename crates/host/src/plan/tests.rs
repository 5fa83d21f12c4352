use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::Attributes;
use crate::tree::Tree;

/// Writes down what is written, and refuses what holds a word.
#[derive(Debug, Default)]
struct Kernel {
    refuses: Vec<&'static str>,
    written: Mutex<Vec<String>>,
}

impl Attributes for Kernel {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let line = format!("{}={value}", path.display());
        let refused = self.refuses.iter().any(|word| line.contains(word));
        self.written.lock().unwrap().push(line);
        if refused { Err(io::ErrorKind::ResourceBusy.into()) } else { Ok(()) }
    }
}

const DEVICE: &str = "/sys/devices/pci0000:6b/0000:6b:00.1";

/// A function on the driver `old`, and a driver `new`.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.file(&format!("{DEVICE}/driver_override"), "(null)\n")
        .link(&format!("{DEVICE}/driver"), "../../../bus/pci/drivers/old")
        .link("/sys/bus/pci/devices/0000:6b:00.1", "../../../devices/pci0000:6b/0000:6b:00.1");
    for file in ["old/bind", "old/unbind", "new/bind", "new/unbind"] {
        tree.file(&format!("/sys/bus/pci/drivers/{file}"), "");
    }
    tree.file("/sys/count", "3\n");
    tree
}

fn plan(host: &Host) -> Plan {
    let mut plan = Plan::default();
    assert!(plan.set(host, "/sys/count", "4").unwrap());
    let function = PciFunction::at(host, "0000:6b:00.1".parse().unwrap()).unwrap();
    assert!(plan.bind(&function, "new").unwrap());
    plan
}

fn apply(refuses: &[&'static str]) -> (Result<(), PlanError>, Vec<String>) {
    let tree = tree();
    let kernel = Arc::new(Kernel { refuses: refuses.to_vec(), ..Kernel::default() });
    let host = tree.host().with_attributes(Arc::<Kernel>::clone(&kernel));
    let outcome = plan(&host).apply(&host, |_| ());
    let written = kernel.written.lock().unwrap().clone();
    (outcome, written)
}

const FORWARD: [&str; 4] = [
    "/sys/count=4",
    "/sys/bus/pci/drivers/old/unbind=0000:6b:00.1",
    "/sys/devices/pci0000:6b/0000:6b:00.1/driver_override=new",
    "/sys/bus/pci/drivers/new/bind=0000:6b:00.1",
];

#[test]
fn a_plan_is_shown_before_it_is_made() {
    let expected = "/sys/count = 4 (now 3)\n\
                    /sys/bus/pci/drivers/old/unbind = 0000:6b:00.1\n\
                    /sys/bus/pci/devices/0000:6b:00.1/driver_override = new\n\
                    /sys/bus/pci/drivers/new/bind = 0000:6b:00.1\n";
    let tree = tree();
    assert_eq!(plan(&tree.host()).to_string(), expected);
}

#[test]
fn what_is_right_already_is_no_step() {
    let tree = tree();
    let host = tree.host();
    let mut plan = Plan::default();
    assert!(!plan.set(&host, "/sys/count", "3").unwrap());
    let function = PciFunction::at(&host, "0000:6b:00.1".parse().unwrap()).unwrap();
    assert!(!plan.bind(&function, "old").unwrap());
    assert!(plan.is_empty());
    assert!(plan.set(&host, "/sys/none", "3").unwrap_err().is_not_found());
}

#[test]
fn steps_are_made_in_order() {
    let (outcome, written) = apply(&[]);
    outcome.unwrap();
    assert_eq!(written, FORWARD);
}

#[test]
fn a_failed_step_undoes_those_before_it() {
    let (outcome, written) = apply(&["new/bind"]);
    let error = outcome.unwrap_err();
    assert_eq!(
        error.to_string(),
        "step 4 of 4 failed, the steps before it were undone: cannot write \"0000:6b:00.1\" to \
         /sys/bus/pci/drivers/new/bind"
    );
    let backward = [
        "/sys/devices/pci0000:6b/0000:6b:00.1/driver_override=\n",
        "/sys/bus/pci/drivers/old/bind=0000:6b:00.1",
        "/sys/count=3",
    ];
    assert_eq!(written, [&FORWARD[..], &backward[..]].concat());
}

#[test]
fn the_first_step_leaves_nothing_to_undo() {
    let (outcome, written) = apply(&["count"]);
    let error = outcome.unwrap_err();
    assert!(error.to_string().starts_with("step 1 of 4 failed, nothing was changed: "), "{error}");
    assert_eq!(written, ["/sys/count=4"]);
}

#[test]
fn what_cannot_be_undone_is_said() {
    let (outcome, written) = apply(&["new/bind", "old/bind"]);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("not all undone (cannot write to /sys/bus/pci/drivers/old/bind: "), "{error}");
    assert_eq!(written.last().unwrap(), "/sys/count=3", "the others are undone all the same");
}

#[test]
fn what_takes_more_to_undo_is_undone_in_order() {
    let tree = tree();
    let kernel = Arc::new(Kernel { refuses: vec!["new/bind"], ..Kernel::default() });
    let host = tree.host().with_attributes(Arc::<Kernel>::clone(&kernel));
    let mut more = Plan::default();
    more.write("/sys/bus/pci/drivers/old/bind", "0000:6b:00.1", None);
    let mut plan = Plan::default();
    plan.set(&host, "/sys/count", "0").unwrap();
    plan.undo_also(more);
    plan.write("/sys/bus/pci/drivers/new/bind", "0000:6b:00.1", None);
    assert_eq!(plan.apply(&host, |_| ()).unwrap_err().outcome.to_string(), "the steps before it were undone");
    let expected = [
        "/sys/count=0",
        "/sys/bus/pci/drivers/new/bind=0000:6b:00.1",
        "/sys/count=3",
        "/sys/bus/pci/drivers/old/bind=0000:6b:00.1",
    ];
    assert_eq!(*kernel.written.lock().unwrap(), expected);
}

#[test]
fn of_many_writes_that_cannot_be_undone_the_first_are_named() {
    let left = |count: usize| Outcome::Left((1..=count).map(|number| format!("step {number}")).collect());
    assert_eq!(left(2).to_string(), "the steps before it were not all undone (step 1; step 2)");
    assert_eq!(
        left(35).to_string(),
        "the steps before it were not all undone (step 1; step 2; step 3; and 32 more)"
    );
}
