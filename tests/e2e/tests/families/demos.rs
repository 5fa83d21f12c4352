//! The demos, each as its file says: pods get their devices, scripts find them, and what is run then says clearly that there is
//! no hardware behind. Images of Debian's packages are real ones; a vendor's programs have stand-ins.

use std::fs;
use std::time::Instant;

use e2e::{Demo, DemoImage, Prerequisites, REFUSED, STOOD_IN, run_demos};
use simulator::SimulatedNode;

use crate::world::world;

const WITH_QUEUES: [Demo; 12] = [
    (
        "demo/dsa-accel-config-demo-pod.yaml",
        REFUSED,
        &[
            "given by dsa.intel.com/wq-user-dedicated",
            "/dev/dsa/wq",
            "mode: dedicated",
            "No usable wq found",
            "error: the tests ended with",
        ],
    ),
    (
        "demo/iaa-accel-config-demo-pod.yaml",
        REFUSED,
        &[
            "given by iaa.intel.com/wq-user-dedicated",
            "/dev/iax/wq",
            "mode: dedicated",
            "No usable wq found",
            "error: the tests ended with",
        ],
    ),
    (
        "demo/openssl-qat-engine-pod.yaml",
        REFUSED,
        &["/dev/vfio/", "QAT0=0000:ed:", "(qatengine)", "error: cpa_sample_code"],
    ),
    (
        "deployments/qat_dpdk_app/crypto-perf",
        REFUSED,
        &[
            "/dev/vfio/",
            "QAT0=0000:",
            "QAT3=0000:",
            "running dpdk-test-crypto-perf",
            " -a 0000:",
            "error: dpdk-test-crypto-perf ended with",
        ],
    ),
    (
        "deployments/qat_dpdk_app/compress-perf",
        REFUSED,
        &[
            "/dev/vfio/",
            "QAT0=0000:70",
            "QAT3=0000:70",
            "running dpdk-test-compress-perf",
            " -a 0000:70",
            "error: dpdk-test-compress-perf ended with",
        ],
    ),
    (
        "demo/dsa-dpdk-dmadevtest.yaml",
        STOOD_IN,
        &["/dev/dsa/wq", "stand-in: --no-telemetry dmadev_autotest", "dmadev_autotest passed"],
    ),
    (
        "demo/intelgpu-job.yaml",
        STOOD_IN,
        &["/dev/dri/card", "/dev/dri/renderD", "Device #0: stand-in", "Device #0: stand-in"],
    ),
    ("deployments/gpu_pytorch_demo", STOOD_IN, &["Shows which GPU this container was given"]),
    (
        "demo/dlb-dpdk-demo-pod.yaml",
        STOOD_IN,
        &["/dev/dlb0", "hwdev_id=0", "all tests passed", "/dev/dlb2", "hwdev_id=2", "all tests passed"],
    ),
    (
        "demo/dlb-libdlb-demo-pf-pod.yaml",
        STOOD_IN,
        &["/dev/dlb", "stand-in: -n 8 -d", "all traffic came back"],
    ),
    (
        "demo/dlb-libdlb-demo-vf-pod.yaml",
        STOOD_IN,
        &["/dev/dlb", "stand-in: -n 8 -d", "all traffic came back"],
    ),
    (
        "demo/intel-npu-workload.yaml",
        STOOD_IN,
        &["/dev/accel/accel0", "stand-in: *:-Device.GroupOwnership", "all tests passed"],
    ),
];

/// What asks for the same devices, or has the name of another, or needs another driver.
const WITH_VFIO: [Demo; 4] = [
    (
        "demo/dlb-libdlb-demo-pod.yaml",
        STOOD_IN,
        &[
            "/dev/dlb0",
            "stand-in: -n 8 -d 0",
            "all traffic came back",
            "/dev/dlb2",
            "stand-in: -n 8 -d 2",
            "all traffic came back",
        ],
    ),
    (
        "deployments/qat_dpdk_app/crypto-perf/crypto-perf-dpdk-pod-requesting-qat-generic.yaml",
        REFUSED,
        &[
            "QAT3=0000:ed:",
            "running dpdk-test-crypto-perf",
            " -a 0000:",
            "error: dpdk-test-crypto-perf ended with",
        ],
    ),
    (
        "deployments/qat_dpdk_app/compress-perf/compress-perf-dpdk-pod-requesting-qat-generic.yaml",
        REFUSED,
        &[
            "QAT3=0000:ed:",
            "running dpdk-test-compress-perf",
            " -a 0000:",
            "error: dpdk-test-compress-perf ended with",
        ],
    ),
    (
        "demo/dsa-dpdk-dmadevtest-vfio.yaml",
        STOOD_IN,
        &["/dev/vfio/", "VFIO_BDF0=0000:", "stand-in: --no-telemetry -a 0000:", "dmadev_autotest passed"],
    ),
];

/// What asks by a name that the webhook of the plugin's own folder translates.
const WITH_WEBHOOK: [Demo; 1] = [(
    "demo/opae-nlb-demo-pod.yaml",
    STOOD_IN,
    &["/dev/intel-fpga-port.0", "running nlb0", "nlb0 succeeded, and nlb3 failed as it should"],
)];

/// What compress-perf works on, beside the pod that its folder names.
const TEST_DATA: [&str; 4] =
    ["create", "configmap", "test-data", "--from-file=deployments/qat_dpdk_app/compress-perf/file.txt"];

const HUGE_PAGES: &str = "/proc/sys/vm/nr_hugepages";

/// What these pods want that only a real kernel has: 2 MiB each.
struct HugePages {
    /// How many there were.
    before: String,
}

impl HugePages {
    fn take(count: u32) -> Self {
        let before = fs::read_to_string(HUGE_PAGES).unwrap();
        let all = before.trim().parse::<u32>().unwrap() + count;
        fs::write(HUGE_PAGES, all.to_string()).unwrap();
        assert_eq!(
            fs::read_to_string(HUGE_PAGES).unwrap().trim(),
            all.to_string(),
            "no memory for huge pages"
        );
        Self { before }
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        // In a failure, too.
        let _ = fs::write(HUGE_PAGES, &self.before);
    }
}

/// The class for the demo that is for Kata Containers: plain containers, here.
const KATA: &str = r#"{"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata-containers"},
    "handler": "runc"}"#;

/// Two DSAs that are given to VFIO, and a QAT whose services nobody tells.
fn prepare(node: &mut SimulatedNode) {
    for (bus, group, numa) in [("0000:6e", 112, 0), ("0000:eb", 116, 1)] {
        let at = format!("at=pci{bus} pci={bus}:01.0");
        node.add(&format!("pci-function as={bus} {at} device=0x0b25 class=0x088000 numa={numa}")).unwrap();
        node.add(&format!("vfio-group as={bus}-vfio {at} group=9{group}")).unwrap();
    }
    node.set_attribute("/sys/bus/pci/devices/0000:ed:00.0/qat/cfg_services", "what nobody knows\n").unwrap();
}

/// Says how it was called.
const SAYS: &str = "echo stand-in: \"$@\"";

/// The same, of DPDK: run as root it ends if it cannot have its folder.
const DPDK_SAYS: &str = "mkdir -p /var/run/dpdk/rte || exit 1; echo stand-in: \"$@\"";

/// Images of Debian's packages alone. Two more demos have such, but what is large in them says no more than a stand-in.
const OF_DEBIAN: [&str; 3] = ["accel-config-demo", "crypto-perf", "openssl-qat-engine"];

/// Others, with what stands in for their programs.
const OF_STAND_INS: [(&str, &[(&str, &str)]); 7] = [
    ("dlb-dpdk-demo", &[("/usr/local/bin/dpdk-test-eventdev", DPDK_SAYS)]),
    ("dlb-libdlb-demo", &[("/usr/local/bin/dir_traffic", SAYS), ("/usr/local/bin/ldb_traffic", SAYS)]),
    ("dsa-dpdk-dmadevtest", &[("/usr/bin/dpdk-test", DPDK_SAYS)]),
    ("intel-extension-for-pytorch:2.8.10-xpu", &[("/usr/bin/python3", "exec sed -n 1p \"$1\"")]),
    ("intel-npu-demo", &[("/usr/local/bin/npu-kmd-test", SAYS), ("/usr/local/bin/npu-umd-test", SAYS)]),
    ("intel-opencl-icd", &[("/usr/bin/clinfo", "echo Device \\#0: stand-in")]),
    ("opae-nlb-demo", &[("/usr/local/bin/nlb0", SAYS), ("/usr/local/bin/nlb3", "exit 1")]),
];

/// In place of the file of `node`: DSAs that are given to VFIO.
const ON_VFIO: &str = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "intel-device-plugins"},
    "data": {"config.yaml": "families: {dsa: {driver: vfio-pci}}"}}"#;

pub(crate) fn all() {
    let Some(world) = world() else { return };
    let prerequisites = Prerequisites::find().unwrap();
    let since = Instant::now();
    for name in OF_DEBIAN {
        world.cluster.load(&DemoImage::of_debian(&prerequisites, name));
    }
    for (name, programs) in OF_STAND_INS {
        world.cluster.load(&DemoImage::of_stand_ins(name, programs));
    }
    println!("images: {:.1?}", since.elapsed());
    let _pages = HugePages::take(240);
    world.cluster.stop("kubelet");
    prepare(&mut world.cluster.node());
    world.cluster.start_again("kubelet");
    world.cluster.kubectl(&["apply", "-k", "deployments/node"]);
    world.kubernetes.wait_for_daemonset("intel-device-plugins", || world.state());
    let apply = |text: &str| {
        let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
        fs::write(file.path(), text).unwrap();
        world.cluster.kubectl(&["apply", "-f", file.path().to_str().unwrap()]);
    };
    apply(KATA);
    let wait = |resource: &str, count: i64| {
        let there =
            || world.kubernetes.resources(resource).get(resource).is_some_and(|found| found.1 == count);
        world.kubernetes.wait_for(resource, || world.state(), || there().then_some(()));
    };
    wait("qat.intel.com/generic", 16);
    wait("iaa.intel.com/wq-user-dedicated", 16);
    run_demos(&world.cluster, &world.kubernetes, &WITH_QUEUES, || world.state());
    apply(ON_VFIO);
    wait("dsa.intel.com/vfio", 2);
    world.cluster.kubectl(&TEST_DATA);
    run_demos(&world.cluster, &world.kubernetes, &WITH_VFIO, || world.state());
    world.remove("node");
    world.with_fpga_and_webhook(|| {
        run_demos(&world.cluster, &world.kubernetes, &WITH_WEBHOOK, || world.state());
    });
    println!("demos: {:.1?}", since.elapsed());
}
