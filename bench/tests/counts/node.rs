//! What a plugin does on its node.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use cli::plugin::Start;
use device_plugin::cdi::CdiFolder;
use device_plugin::policy::Choice;
use device_plugin::{DevicePlugin, Rescan, Resource, allocate, list};
use fpga_bitstream::{Bitstream, writer};
use gpu_labels::{Settings, node_labels};
use host::uevent::Uevent;
use host::{Host, PciFunction};
use prost::Message as _;
use simulator::{Profile, SimulatedNode};

use crate::Operation;

type Parse = fn(&[String]) -> Result<Start, String>;

const FAMILIES: [(&str, Parse); 8] = [
    ("gpu", gpu_plugin::parse),
    ("npu", npu_plugin::parse),
    ("qat", qat_plugin::parse),
    ("dsa", idxd_plugin::dsa::parse),
    ("iaa", idxd_plugin::iaa::parse),
    ("dlb", dlb_plugin::parse),
    ("sgx", sgx_plugin::parse),
    ("fpga", fpga_plugin::parse),
];

const INTERFACE: &str = "bfac4d851ee856fe8c95865ce1bbaa2d";
const FUNCTION: &str = "f7df405cbd7acf7222f144b0b93acd18";
const PROGRAM: &str = "40007c0623210742000ebc58df6f5343e668b03a";
const GBS: &str = "function.gbs";
const AOCX: &str = "program.aocx";

/// Makes the simulated node and the files that operations find in `folder`.
pub(crate) fn prepare(folder: &Path) -> Host {
    let (interface, function) = (INTERFACE.parse().unwrap(), FUNCTION.parse().unwrap());
    let gbs = writer::gbs(interface, function, &[7; 4096]);
    fs::write(folder.join(AOCX), writer::aocx(PROGRAM, &gbs)).unwrap();
    fs::write(folder.join(GBS), gbs).unwrap();
    SimulatedNode::create(folder.join("node"), &Profile::builtin("xeon-full").unwrap()).unwrap().host()
}

/// All of them, on a node that was prepared.
pub(crate) fn operations(host: &Host, folder: &Path) -> Vec<Operation> {
    let mut operations = Vec::new();
    let mut inventories = Vec::new();
    for (family, parse) in FAMILIES {
        let plugin = plugin(parse, &[], host);
        inventories.push(plugin.discover(host).unwrap());
        let host = host.clone();
        operations
            .push(Operation::new(format!("discover {family}"), move || plugin.discover(&host).unwrap()));
    }
    let again = inventories.clone();
    operations.push(Operation::new("compare the inventories of all families", move || {
        assert!(inventories == again);
    }));
    operations.extend(answers(host, folder));
    operations.extend(readers(host.clone()));
    operations.extend(bitstreams(folder));
    operations
}

fn plugin(parse: Parse, flags: &[&str], host: &Host) -> Arc<dyn DevicePlugin> {
    let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    parse(&flags).unwrap()(host, &Rescan::default())
}

/// What the kubelet asks.
fn answers(host: &Host, folder: &Path) -> Vec<Operation> {
    let offer = |parse: Parse, flags: &[&str], name: &str| {
        let plugin = plugin(parse, flags, host);
        let resource = plugin.discover(host).unwrap().resources.remove(name).unwrap();
        (plugin, resource)
    };
    let (gpus, many) = offer(gpu_plugin::parse, &["-shared-dev-num=1250"], "i915");
    assert_eq!(many.devices.len(), 10_000);
    let many = Rc::new(many);

    let cdi = folder.join("cdi");
    let allocation = |name: &str| {
        let (gpus, host, many, cdi) = (gpus.clone(), host.clone(), many.clone(), CdiFolder::new(&cdi));
        let ids = ["card3-7".to_owned()];
        Operation::new(name, move || allocate(&gpus, &host, &cdi, "i915", &many, &ids).unwrap())
    };
    let found = cdi.clone();
    let without_files =
        allocation("allocate a GPU, its CDI file is written").after(move || drop(fs::remove_dir_all(&found)));

    let prefer = |name: &str, (plugin, offered): (Arc<dyn DevicePlugin>, Resource), size| {
        let ids: Vec<String> = offered.devices.into_keys().collect();
        assert!(ids.len() > size, "{ids:?}");
        Operation::ten(name, move || {
            let available = ids.iter().map(String::as_str).collect();
            let chosen = plugin.prefer("", &Choice { available, must_include: Vec::new(), size });
            assert_eq!(chosen.len(), size);
        })
    };
    let shares = ["-shared-dev-num=10", "-allocation-policy=balanced"];
    vec![
        without_files,
        allocation("allocate a GPU, its CDI file is there"),
        prefer("prefer 8 of 80 shares of GPUs", offer(gpu_plugin::parse, &shares, "i915"), 8),
        prefer("prefer 4 of 32 QAT functions", offer(qat_plugin::parse, &[], "cy"), 4),
        prefer("prefer 4 of 16 work queues", offer(idxd_plugin::dsa::parse, &[], "wq-user-dedicated"), 4),
        Operation::new("encode a list of 10,000 devices", move || list(&many).encode_to_vec()),
    ]
}

/// What the kernel says, and people.
fn readers(host: Host) -> Vec<Operation> {
    let functions = host::pci::addresses(&host).unwrap();
    assert!(!functions.is_empty());
    let attributes = host.clone();
    let event = Uevent {
        action: "change".to_owned(),
        devpath: "/devices/pci0000:00/0000:00:02.0/drm/card0".to_owned(),
        subsystem: "drm".to_owned(),
        properties: [("DEVNAME", "dri/card0"), ("HOTPLUG", "1"), ("MAJOR", "226"), ("MINOR", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    let message = event.encode();
    vec![
        Operation::new("read vendor, device, driver and NUMA nodes of all PCI functions", move || {
            for address in &functions {
                let function = PciFunction::at(&attributes, *address).unwrap();
                let read = (function.vendor().unwrap(), function.device().unwrap());
                drop(std::hint::black_box((
                    read,
                    function.driver().unwrap(),
                    function.numa_nodes().unwrap(),
                )));
            }
        }),
        Operation::new("read 100 uevents", move || {
            for _ in 0..100 {
                drop(std::hint::black_box(Uevent::parse(&message).unwrap()));
            }
        }),
        Operation::new("labels of 8 GPUs", move || {
            node_labels(&host, "/sys", &Settings::default(), &mut |warning| drop(warning)).unwrap().text()
        }),
        Operation::ten("flags of the GPU plugin", || {
            gpu_plugin::parse(&["-shared-dev-num=10", "-v=2", "-allocation-policy=packed"].map(str::to_owned))
                .unwrap()
        }),
    ]
}

fn bitstreams(folder: &Path) -> Vec<Operation> {
    let read = |file: &str| {
        let path = folder.join(file);
        Operation::new(format!("read the bitstream {file}"), move || Bitstream::open(&path).unwrap())
    };
    vec![read(GBS), read(AOCX)]
}
