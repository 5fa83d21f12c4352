//! The configurations in which each profile is looked at.

use simulator::SimulatedNode;

/// One start of all families on a node.
pub(crate) struct Case {
    /// The file of `node`.
    pub(crate) config: &'static str,
    /// What was changed on the node before, to be read.
    pub(crate) about: &'static str,
    /// Changes the node before the start.
    pub(crate) change: fn(&mut SimulatedNode),
    /// How many devices are unhealthy in the end.
    pub(crate) sick: usize,
}

const DEFAULTS: Case = Case { config: "", about: "", change: |_| {}, sick: 0 };

const fn with(config: &'static str) -> Case {
    Case { config, ..DEFAULTS }
}

impl Case {
    pub(crate) fn title(&self) -> &str {
        if self.config.is_empty() { "defaults" } else { self.config }
    }
}

/// Monitoring and shares.
const GPU_SHARED: Case = with("families: {gpu: {enable-monitoring: true, shared-dev-num: 3}}");
/// Every GPU is too hot: see the sidecar.
const GPU_HOT: &str = "families: {gpu: {health-management: true, gpu-temp-limit: 90}}";
const FPGA_REGIONS: Case = with("families: {fpga: {mode: region}}");
const FPGA_REGIONS_FOR_DEVELOPMENT: Case = with("families: {fpga: {mode: regiondevel}}");

/// What each profile is started with after the defaults.
const CASES: &[(&str, Case)] = &[
    ("arc-b580-igpu", GPU_SHARED),
    (
        "arc-b580-igpu",
        with("families: {gpu: {enable-monitoring: true, monitoring-mode: split, bypath: none}}"),
    ),
    ("arc-b580-igpu", with("families: {gpu: {deny-ids: '0xa780', bypath: all}}")),
    ("arc-b580-igpu", Case { config: GPU_HOT, sick: 2, ..DEFAULTS }),
    ("flex-170-sriov", GPU_SHARED),
    ("flex-170-x2", GPU_SHARED),
    ("max-1550-x8", GPU_SHARED),
    ("npu-laptop", with("families: {npu: {shared-dev-num: 3}}")),
    ("wsl", with("families: {gpu: {wsl: true, shared-dev-num: 2}}")),
    ("fpga-arria10", FPGA_REGIONS),
    ("fpga-arria10", FPGA_REGIONS_FOR_DEVELOPMENT),
    ("fpga-arria10", FPGA_SICK),
    ("fpga-stratix10", FPGA_REGIONS),
    ("fpga-stratix10", FPGA_REGIONS_FOR_DEVELOPMENT),
    ("xeon-accelerators", ACCELERATORS_SHARED),
    ("xeon-accelerators", ACCELERATORS_SICK),
    ("xeon-full", with("families: {gpu: {enable-monitoring: true}, fpga: {mode: region}}")),
    ("xeon-unconfigured", DSA_ON_VFIO),
];

const FPGA_SICK: Case =
    Case { about: ", and the second card does not answer", change: dead_fpga, sick: 1, ..DEFAULTS };
const ACCELERATORS_SHARED: Case = with(
    "families: {dsa: {shared-dev-num: 2}, iaa: {shared-dev-num: 2}, qat: {max-num-devices: 3}, sgx: {enclave-limit: 3, \
     provision-limit: 2, dcap-infra-resources: true}}",
);
const ACCELERATORS_SICK: Case = Case {
    config: "families: {dlb: false, sgx: false}",
    about: ", and the first QAT's firmware is silent, the first DSA has halted, the last IAA's first queue is disabled",
    change: sick_accelerators,
    sick: 5,
};
const DSA_ON_VFIO: Case = Case {
    config: "families: {dsa: {driver: vfio-pci}, sgx: false}",
    about: ", and two more DSA are given to VFIO",
    change: dsa_on_vfio,
    sick: 0,
};

/// All of a profile, in the order of its golden file.
pub(crate) fn of(profile: &str) -> impl Iterator<Item = &'static Case> {
    let more = CASES.iter().filter(move |(name, _)| *name == profile);
    std::iter::once(&DEFAULTS).chain(more.map(|(_, case)| case))
}

/// What a card reads as that has fallen off its bus.
fn dead_fpga(node: &mut SimulatedNode) {
    let port = "/sys/class/fpga/intel-fpga-dev.1/intel-fpga-port.1/afu_id";
    let engine = "/sys/class/fpga/intel-fpga-dev.1/intel-fpga-fme.1/pr/interface_id";
    for path in [port, engine] {
        node.set_attribute(path, &"f".repeat(32)).unwrap();
    }
}

fn sick_accelerators(node: &mut SimulatedNode) {
    let queues = "/sys/bus/dsa/devices";
    for (path, value) in [
        ("/sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status".to_owned(), "-1"),
        (format!("{queues}/dsa0/state"), "halted"),
        (format!("{queues}/wq7.0/state"), "disabled"),
    ] {
        node.set_attribute(path, value).unwrap();
    }
}

fn dsa_on_vfio(node: &mut SimulatedNode) {
    for (bus, group, numa) in [("0000:6e", 112, 0), ("0000:eb", 116, 1)] {
        let at = format!("at=pci{bus} pci={bus}:01.0");
        node.add(&format!("pci-function as={bus} {at} device=0x0b25 class=0x088000 numa={numa}")).unwrap();
        node.add(&format!("vfio-group as={bus}-vfio {at} group=9{group}")).unwrap();
    }
}
