use proptest::prelude::*;

use super::*;
use crate::tree::Tree;

const ROOT: &str = "/sys/devices/pci0000:00";
const BUS: &str = "/sys/bus/pci/devices";

fn address(text: &str) -> PciAddress {
    text.parse().unwrap()
}

/// A function right below the first host bridge.
fn add_function(tree: &Tree, name: &str) -> String {
    let folder = format!("{ROOT}/{name}");
    tree.folder(&folder).link(&format!("{BUS}/{name}"), &format!("../../../devices/pci0000:00/{name}"));
    folder
}

#[test]
fn addresses_are_read_and_written_as_the_kernel_does() {
    let gpu = PciAddress { domain: 0, bus: 0x3a, device: 0x1f, function: 7 };
    assert_eq!(address("0000:3a:1f.7"), gpu);
    assert_eq!(gpu.to_string(), "0000:3a:1f.7");
    assert_eq!(address("0000:3A:1F.7"), gpu);
    let behind_vmd = PciAddress { domain: 0x10000, bus: 0xe1, device: 0, function: 0 };
    assert_eq!(address("10000:e1:00.0"), behind_vmd);
    assert_eq!(behind_vmd.to_string(), "10000:e1:00.0");
}

#[test]
fn what_is_no_address_is_named() {
    let bad = [
        "",
        "0000",
        "00:02.0",
        "000:00:02.0",
        "0000:0:02.0",
        "0000:00:2.0",
        "0000:00:02",
        "0000:00:02.",
        "0000:00:02.8",
        "0000:00:20.0",
        "0000:00:02.00",
        "0000:000:02.0",
        "123456789:00:02.0",
        "0000:00:02.0 ",
        "0000:00:02.0\n",
        "+000:00:02.0",
        "0000:+0:02.0",
        "0000:00:02.+",
        "pci-0000:00:02.0",
        "0000:00:02:0",
        "ｅ000:00:02.0",
    ];
    for text in bad {
        let error = text.parse::<PciAddress>().unwrap_err();
        assert_eq!(error.to_string(), format!("{text:?} is not a PCI address like 0000:03:00.0"));
    }
}

#[test]
fn ids_are_read_and_written_as_the_kernel_does() {
    assert_eq!("0x8086".parse(), Ok(PciId(0x8086)));
    assert_eq!("0x56C0".parse(), Ok(PciId(0x56c0)));
    assert_eq!(PciId(0x37).to_string(), "0x0037");
    for text in ["", "0x", "8086", "0x808", "0x08086", "0x+086", "0x80 6", "0X8086", "-0x8086"] {
        assert_eq!(
            text.parse::<PciId>().unwrap_err().to_string(),
            format!("{text:?} is not a PCI id like 0x8086")
        );
    }
}

#[test]
fn functions_are_listed_in_the_order_of_their_addresses() {
    let tree = Tree::new();
    for name in ["10000:e1:00.0", "0000:ff:00.0", "0000:03:00.1", "ffff:00:00.0", "no address"] {
        tree.folder(&format!("{BUS}/{name}"));
    }
    let found: Vec<String> = addresses(&tree.host()).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(found, ["0000:03:00.1", "0000:ff:00.0", "ffff:00:00.0", "10000:e1:00.0"]);
    assert!(addresses(&Tree::new().host()).unwrap_err().is_not_found());
}

#[test]
fn a_function_tells_what_it_is() {
    let tree = Tree::new();
    let folder = add_function(&tree, "0000:00:02.0");
    tree.file(&format!("{folder}/vendor"), "0x8086\n").file(&format!("{folder}/device"), "0x56c0\n");
    tree.link(&format!("{folder}/driver"), "../../../bus/pci/drivers/widget");
    tree.link(&format!("{folder}/iommu_group"), "../../../kernel/iommu_groups/42");
    tree.folder(&format!("{folder}/drm/card0"));
    tree.link(&format!("{folder}/drm/card0/device"), "../..");
    tree.link("/sys/class/drm/card0", "../../devices/pci0000:00/0000:00:02.0/drm/card0");

    let function = PciFunction::of(&tree.host(), "/sys/class/drm/card0/device").unwrap();
    assert_eq!(function.address(), address("0000:00:02.0"));
    assert_eq!(function.folder(), Path::new(&folder));
    assert_eq!(function.vendor().unwrap(), PciId(0x8086));
    assert_eq!(function.device().unwrap(), PciId(0x56c0));
    assert_eq!(function.driver().unwrap().as_deref(), Some("widget"));
    assert_eq!(function.iommu_group().unwrap(), Some(42));
    assert_eq!(PciFunction::at(&tree.host(), function.address()).unwrap().folder(), function.folder());
}

#[test]
fn what_a_function_need_not_have_is_none() {
    let tree = Tree::new();
    add_function(&tree, "0000:00:02.0");
    let function = PciFunction::at(&tree.host(), address("0000:00:02.0")).unwrap();
    assert_eq!(function.driver().unwrap(), None);
    assert_eq!(function.iommu_group().unwrap(), None);
    assert_eq!(function.sriov_numvfs().unwrap(), None);
    assert_eq!(function.sriov_totalvfs().unwrap(), None);
    assert!(function.physical_function().unwrap().is_none());
    assert!(function.virtual_functions().unwrap().is_empty());
    assert!(function.vendor().unwrap_err().is_not_found());
}

#[test]
fn a_function_that_is_gone_is_not_found() {
    let tree = Tree::new();
    let folder = add_function(&tree, "0000:00:02.0");
    tree.link(&format!("{folder}/driver"), "../../../bus/pci/drivers/widget");
    tree.file("/sys/devices/pci0000:00/numa_node", "1");
    let function = PciFunction::at(&tree.host(), address("0000:00:02.0")).unwrap();
    std::fs::remove_dir_all(tree.at(&folder)).unwrap();
    let errors = [
        function.vendor().unwrap_err(),
        function.device().unwrap_err(),
        function.driver().unwrap_err(),
        function.iommu_group().unwrap_err(),
        function.sriov_numvfs().unwrap_err(),
        function.sriov_totalvfs().unwrap_err(),
        function.virtual_functions().unwrap_err(),
        function.physical_function().unwrap_err(),
        function.numa_nodes().unwrap_err(),
        PciFunction::at(&tree.host(), function.address()).unwrap_err(),
    ];
    for error in errors {
        assert!(error.is_not_found(), "{error}: {}", error.source);
    }
}

#[test]
fn a_function_is_near_to_what_it_or_the_nearest_device_above_it_says() {
    let tree = Tree::new();
    let folder = add_function(&tree, "0000:00:02.0");
    let function = PciFunction::at(&tree.host(), address("0000:00:02.0")).unwrap();
    assert_eq!(function.numa_nodes().unwrap(), [0_u32; 0]);
    tree.file("/sys/devices/pci0000:00/numa_node", "1");
    assert_eq!(function.numa_nodes().unwrap(), [1]);
    tree.file(&format!("{folder}/numa_node"), "-1");
    assert_eq!(function.numa_nodes().unwrap(), [1]);
    tree.file(&format!("{folder}/numa_node"), "3,0,3");
    assert_eq!(function.numa_nodes().unwrap(), [0, 3]);
    tree.file(&format!("{folder}/local_cpulist"), "");
    assert_eq!(function.numa_nodes().unwrap(), [1]);
    tree.file(&format!("{folder}/numa_node"), "many");
    assert!(!function.numa_nodes().unwrap_err().is_not_found());
}

#[test]
fn garbage_is_an_error_with_path_and_value() {
    let tree = Tree::new();
    let folder = add_function(&tree, "0000:00:02.0");
    tree.file(&format!("{folder}/vendor"), "intel").file(&format!("{folder}/sriov_numvfs"), "-1");
    tree.file(&format!("{folder}/sriov_totalvfs"), "65536").file(&format!("{folder}/device"), b"\xff\xff");
    tree.link(&format!("{folder}/iommu_group"), "/sys/kernel/iommu_groups/many")
        .folder(&format!("{folder}/driver"));
    let function = PciFunction::at(&tree.host(), address("0000:00:02.0")).unwrap();
    let errors = [
        (function.vendor().unwrap_err(), "vendor", "\"intel\" is not a PCI id like 0x8086"),
        (function.device().unwrap_err(), "device", "not text"),
        (function.sriov_numvfs().unwrap_err(), "sriov_numvfs", "\"-1\" is not a number of functions"),
        (function.sriov_totalvfs().unwrap_err(), "sriov_totalvfs", "\"65536\" is not a number of functions"),
        (function.iommu_group().unwrap_err(), "iommu_group", "\"many\" is not the number of a group"),
        (function.driver().unwrap_err(), "driver", "not a link"),
    ];
    for (error, attribute, reason) in errors {
        assert_eq!(error.path, function.folder().join(attribute));
        assert!(error.source.to_string().contains(reason), "{attribute}: {}", error.source);
    }
}

#[test]
fn what_is_no_pci_function_is_an_error() {
    let tree = Tree::new();
    tree.folder("/sys/devices/virtual/vgem")
        .link("/sys/class/drm/card0/device", "../../../devices/virtual/vgem");
    let error = PciFunction::of(&tree.host(), "/sys/class/drm/card0/device").unwrap_err();
    assert_eq!(error.to_string(), "cannot understand /sys/class/drm/card0/device");
    assert_eq!(error.source.to_string(), "\"vgem\" is not a PCI address like 0000:03:00.0");
    PciFunction::of(&tree.host(), "/").unwrap_err();
}

#[test]
fn virtual_functions_come_in_the_order_of_their_numbers() {
    let tree = Tree::new();
    let folder = add_function(&tree, "0000:00:02.0");
    tree.file(&format!("{folder}/sriov_numvfs"), "12\n").file(&format!("{folder}/sriov_totalvfs"), "63\n");
    for number in 0..12 {
        let name = format!("0000:00:{:02x}.{}", 2 + (number + 1) / 8, (number + 1) % 8);
        let vf = add_function(&tree, &name);
        tree.link(&format!("{vf}/physfn"), "../0000:00:02.0");
        tree.link(&format!("{folder}/virtfn{number}"), &format!("../{name}"));
    }
    tree.link(&format!("{folder}/virtfn12"), "../0000:00:1f.0").folder(&format!("{folder}/virtfnx"));

    let pf = PciFunction::at(&tree.host(), address("0000:00:02.0")).unwrap();
    assert_eq!((pf.sriov_numvfs().unwrap(), pf.sriov_totalvfs().unwrap()), (Some(12), Some(63)));
    let vfs = pf.virtual_functions().unwrap();
    let names: Vec<String> = vfs.iter().map(|vf| vf.address().to_string()).collect();
    assert_eq!(names.len(), 12, "the one that is gone is left out: {names:?}");
    assert_eq!(
        (names[0].as_str(), names[2].as_str(), names[11].as_str()),
        ("0000:00:02.1", "0000:00:02.3", "0000:00:03.4")
    );
    for vf in vfs {
        assert_eq!(vf.physical_function().unwrap().unwrap().address(), pf.address());
    }
}

#[test]
fn the_functions_of_this_machine_can_be_read() {
    let host = Host::real();
    // A machine need not have a PCI bus.
    for address in addresses(&host).unwrap_or_default() {
        let function = PciFunction::at(&host, address).unwrap();
        assert_eq!(function.address(), address);
        function.vendor().unwrap();
        function.device().unwrap();
        function.driver().unwrap();
        function.virtual_functions().unwrap();
    }
}

proptest! {
    #[test]
    fn every_address_survives_its_text(domain: u32, bus: u8, device in 0_u8..32, function in 0_u8..8) {
        let address = PciAddress { domain, bus, device, function };
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn every_id_survives_its_text(id: u16) {
        prop_assert_eq!(PciId(id).to_string().parse(), Ok(PciId(id)));
    }

    #[test]
    fn no_text_breaks_the_parsers(text in "\\PC{0,20}|[0-9a-f:.+x]{0,20}") {
        if let Ok(address) = text.parse::<PciAddress>() {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
        let _ = text.parse::<PciId>();
    }
}

#[test]
fn virtual_functions_are_counted_across_devices_and_buses() {
    let at = |text: &str| text.parse::<PciAddress>().unwrap();
    for (distance, expected) in
        [(1, "0000:6b:00.1"), (7, "0000:6b:00.7"), (8, "0000:6b:01.0"), (256, "0000:6c:00.0")]
    {
        assert_eq!(at("0000:6b:00.0").plus(distance), Some(at(expected)));
    }
    assert_eq!(at("10000:ff:1f.6").plus(1), Some(at("10000:ff:1f.7")));
    assert_eq!(at("0000:ff:1f.7").plus(1), None);
}

#[test]
fn where_virtual_functions_will_be_is_known_where_the_kernel_says_so() {
    let tree = Tree::new();
    let folder = "/sys/devices/pci0000:6b/0000:6b:00.0";
    tree.folder(folder).link("/sys/bus/pci/devices/0000:6b:00.0", "../../../devices/pci0000:6b/0000:6b:00.0");
    let host = tree.host();
    let function = PciFunction::at(&host, "0000:6b:00.0".parse().unwrap()).unwrap();
    let known = |count| {
        let addresses = function.virtual_addresses(count)?;
        Some(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(known(1), None);
    tree.file(&format!("{folder}/sriov_offset"), "8\n").file(&format!("{folder}/sriov_stride"), "1\n");
    assert_eq!(known(3).as_deref(), Some("0000:6b:01.0 0000:6b:01.1 0000:6b:01.2"));
    assert_eq!(known(0).as_deref(), Some(""));
    tree.file(&format!("{folder}/sriov_stride"), "0\n");
    assert_eq!((known(1).as_deref(), known(2)), (Some("0000:6b:01.0"), None));
    tree.file(&format!("{folder}/sriov_offset"), "0\n");
    assert_eq!(known(1), None);
}
