use super::*;
use crate::family::{DSA, IAA};

fn parse(family: &Family, args: &[&str], environment: &[(&str, &str)]) -> Options {
    let variable = |name: &str| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    Options::parse(family, "setup", args, variable).unwrap()
}

fn ids(ids: &[u16]) -> Vec<PciId> {
    ids.iter().map(|id| PciId(*id)).collect()
}

#[test]
fn flags_go_before_the_environment() {
    let options = parse(&DSA, &[], &[]);
    assert_eq!(options.driver(), Ok(Driver::Idxd));
    assert_eq!(options.pci_ids(), Ok(ids(&[0x0b25, 0x11fb, 0x1212])));
    assert_eq!((options.config_dir.as_str(), options.node_name.as_str()), ("/idxd-init/conf", ""));

    let environment = [("DSA_DRIVER", "vfio-pci"), ("DSA_PCI_IDS", "0b25\t11FB"), ("NODE_NAME", "node1")];
    let options = parse(&DSA, &[], &environment);
    assert_eq!(options.driver(), Ok(Driver::VfioPci));
    assert_eq!(options.pci_ids(), Ok(ids(&[0x0b25, 0x11fb])));
    assert_eq!(options.node_name, "node1");

    let args = ["-driver", "idxd", "-pci-ids=0x1212,0b25", "-node-name=node2", "-dry-run"];
    let options = parse(&DSA, &args, &environment);
    assert_eq!(options.driver(), Ok(Driver::Idxd));
    assert_eq!(options.pci_ids(), Ok(ids(&[0x1212, 0x0b25])));
    assert_eq!(options.node_name, "node2");
    assert!(options.dry_run);
}

#[test]
fn empty_variables_are_none() {
    let options = parse(&DSA, &[], &[("DSA_DRIVER", ""), ("DSA_PCI_IDS", ""), ("NODE_NAME", "")]);
    assert_eq!(options.driver(), Ok(Driver::Idxd));
    assert_eq!(options.pci_ids().unwrap().len(), 3);
}

#[test]
fn what_is_of_dsa_is_not_of_iaa() {
    let options = parse(&IAA, &[], &[("DSA_DRIVER", "vfio-pci"), ("DSA_PCI_IDS", "0b25")]);
    assert_eq!(options.driver(), Ok(Driver::Idxd));
    assert_eq!(options.pci_ids(), Ok(ids(&[0x0cfe, 0x1216])));
    let stop = Options::parse(&IAA, "setup", ["-driver=idxd"], |_| None).unwrap_err();
    assert_eq!(stop.exit_code(), 2);
}

#[test]
fn wrong_values_are_told() {
    let wrong = parse(&DSA, &["-driver=vfio"], &[]).driver().unwrap_err();
    assert_eq!(wrong, "argument error: -driver is \"vfio\", not idxd or vfio-pci");
    for word in ["b25", "0b25f", "dsa", "-b25"] {
        let wrong = parse(&DSA, &["-pci-ids", word], &[]).pci_ids().unwrap_err();
        assert_eq!(wrong, format!("argument error: -pci-ids has {word:?}, which is no id like 0b25"));
    }
}
