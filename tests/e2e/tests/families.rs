//! Every family's plugin on a real cluster, each in its own DaemonSet and then all in one: a simulated node with all kinds
//! of devices, the real kubelet, containerd and runc.
//!
//! One cluster serves all tests, one after the other; each leaves the node as it found it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use e2e::{Cluster, Counts, Image, Kubernetes, Prerequisites, healthy, pod, with_variables};
use fpga_bitstream::writer;
use host::PciFunction;

const IMAGES: [Image; 10] = [
    Image { name: "intel-device-plugins", entry_point: "intel-device-plugins" },
    Image { name: "intel-npu-plugin", entry_point: "intel_npu_device_plugin" },
    Image { name: "intel-qat-plugin", entry_point: "intel_qat_device_plugin" },
    Image { name: "intel-qat-initcontainer", entry_point: "intel-qat-initcontainer" },
    Image { name: "intel-dsa-plugin", entry_point: "intel_dsa_device_plugin" },
    Image { name: "intel-iaa-plugin", entry_point: "intel_iaa_device_plugin" },
    Image { name: "intel-dlb-plugin", entry_point: "intel_dlb_device_plugin" },
    Image { name: "intel-sgx-plugin", entry_point: "intel_sgx_device_plugin" },
    Image { name: "intel-fpga-plugin", entry_point: "intel_fpga_device_plugin" },
    Image { name: "intel-fpga-initcontainer", entry_point: "intel-fpga-initcontainer" },
];

const FPGA: &str = "fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs";
/// All that the node has.
const ALL: [(&str, i64); 13] = [
    ("dlb.intel.com/pf", 1),
    ("dlb.intel.com/vf", 1),
    ("dsa.intel.com/wq-user-dedicated", 16),
    ("dsa.intel.com/wq-user-shared", 16),
    (FPGA, 1),
    ("gpu.intel.com/i915", 8),
    ("iaa.intel.com/wq-user-dedicated", 16),
    ("iaa.intel.com/wq-user-shared", 16),
    ("npu.intel.com/accel", 1),
    ("qat.intel.com/cy", 32),
    ("qat.intel.com/dc", 32),
    ("sgx.intel.com/enclave", 110),
    ("sgx.intel.com/provision", 110),
];

const NPU: &str = "npu as=npu0 device=0x643e group=900 accel=0";
const QUEUE: &str = "idxd-wq-user as=wq0.0 kind=dsa name=dsa0 wq=0.0 at=pci0000:6a pci=0000:6a:01.0 mode=dedicated major=236 \
                     minor=0";
const BALANCER: &str = "dlb-vf as=dlb2 id=2 at=pci0000:ea pci=0000:ea:00.1 pf=0000:ea:00.0 vf=0 group=903 numa=1 \
                        cpus=52-103,156-207";
const HEARTBEAT: &str = "/sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status";

/// Prints the character devices that a container has and others have not, a path a line with its number, and the variables
/// that devices come with.
const LOOK: &str = r#"
cd /dev; for node in $(/bin/busybox find . -type c | /bin/busybox sort); do case $node in
./console | ./full | ./null | ./ptmx | ./pts/* | ./random | ./tty | ./urandom | ./zero) ;;
*) case $({ : <$node; } 2>&1) in *"not permitted"*) echo "${node#./} denied" ;; *) echo "${node#./}" ;; esac ;;
esac; done
/bin/busybox env | /bin/busybox grep -E '^(QAT|VFIO_BDF|FPGA)' | /bin/busybox sort
echo end"#;

/// A cluster, and its client, for one test at a time.
struct World {
    cluster: MutexGuard<'static, Cluster>,
    kubernetes: Kubernetes,
}

/// `None` where no cluster can be had.
fn world() -> Option<World> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    let mutex = CLUSTER
        .get_or_init(|| Some(Mutex::new(Cluster::start(&Prerequisites::find()?, "xeon-full", &IMAGES))))
        .as_ref()?;
    let cluster = mutex.lock().unwrap_or_else(PoisonError::into_inner);
    mutex.clear_poison();
    let kubernetes = cluster.kubernetes();
    kubernetes.wait_for_service_account();
    // What a test left behind that failed.
    cluster.kubectl(&["delete", "daemonsets,pods", "--all", "--grace-period=1", "--timeout=60s"]);
    Some(World { cluster, kubernetes })
}

/// Those of `ALL` in a domain, such as `qat.intel.com/`.
fn all_of(domain: &str) -> Counts {
    healthy(&ALL).into_iter().filter(|(name, _)| name.starts_with(domain)).collect()
}

impl World {
    fn deploy(&self, folder: &str, daemonset: &str, domain: &str) {
        self.cluster.kubectl(&["apply", "-k", &format!("deployments/{folder}")]);
        self.kubernetes.wait_for_daemonset(daemonset, || self.state());
        self.expect(domain, &all_of(domain));
    }

    fn remove(&self, folder: &str) {
        self.cluster.kubectl(&["delete", "-k", &format!("deployments/{folder}"), "--timeout=60s"]);
    }

    fn wait_for_rollout(&self, namespace: &str, daemonset: &str) {
        self.cluster.kubectl(&["rollout", "status", "-n", namespace, daemonset, "--timeout=110s"]);
    }

    fn expect(&self, domain: &str, counts: &Counts) {
        self.kubernetes.wait_for_resources(domain, counts, || self.state());
    }

    /// Makes what the file in `demo` says, and waits until it has come to a good end.
    fn demo(&self, file: &str, object: &str, end: &str) {
        let file = format!("demo/{file}.yaml");
        self.cluster.kubectl(&["apply", "-f", &file]);
        let waited = self.cluster.try_kubectl(&["wait", object, &format!("--for={end}"), "--timeout=60s"]);
        assert!(waited.is_ok(), "{file}: {waited:?}\n{}", self.state());
        self.cluster.kubectl(&["delete", "-f", &file, "--timeout=60s"]);
    }

    /// Waits until there is one of a resource. What other modes of the plugin have offered stays in the node's status for some
    /// minutes.
    fn expect_one(&self, resource: &str) {
        self.kubernetes.wait_for(
            resource,
            || self.state(),
            || (self.kubernetes.resources(resource).get(resource) == Some(&(1, 1))).then_some(()),
        );
    }

    /// Waits until a resource has these counts and the others of its domain what they always have.
    fn expect_but(&self, resource: &str, capacity: i64, allocatable: i64) {
        let domain = resource.split_inclusive('/').next().unwrap();
        let mut counts = all_of(domain);
        counts.insert(resource.to_owned(), (capacity, allocatable));
        if capacity == 0 {
            counts.remove(resource);
        }
        self.expect(domain, &counts);
    }

    /// What a container with these devices sees, line by line.
    fn seen_by(&self, name: &str, requests: &[(&str, u32)]) -> Vec<String> {
        self.kubernetes.run(&pod(name, requests, LOOK), || self.state());
        let seen = self.kubernetes.output(name);
        self.kubernetes.delete(name);
        seen.lines().map(str::to_owned).collect()
    }

    /// For failures.
    fn state(&self) -> String {
        let ask = |args: &[&str]| self.cluster.try_kubectl(args).unwrap_or_else(|error| error);
        let pods = ask(&["get", "pods", "-A", "-o", "wide"]);
        let logs = ask(&["logs", "-A", "-l", "app", "--tail=30", "--prefix", "--all-containers"]);
        let events = ask(&["get", "events", "-A"]);
        let events = events.lines().rev().take(15).collect::<Vec<_>>().join("\n");
        format!("{pods}\n{events}\n--- the plugins' logs\n{logs}\n{}", self.cluster.logs())
    }

    fn vfio_group(&self, address: &str) -> String {
        let function = PciFunction::at(&self.cluster.node.host(), address.parse().unwrap()).unwrap();
        function.vfio_group().unwrap().unwrap()
    }
}

/// A line of what a container sees, with each number, be it hexadecimal, as `#`; and of a variable the name.
fn without_numbers(line: &str) -> String {
    let name = line.split_once('=').map_or(line, |(name, _)| name);
    let words = name.split_inclusive(|character: char| !character.is_ascii_alphanumeric());
    let word_without = |word: &str| {
        let (text, end) = match word.char_indices().last() {
            Some((index, last)) if !last.is_ascii_alphanumeric() => word.split_at(index),
            _ => (word, ""),
        };
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let letters =
            if is_number { "" } else { text.trim_end_matches(|character: char| character.is_ascii_digit()) };
        let number = if letters.len() < text.len() { "#" } else { "" };
        format!("{letters}{number}{end}")
    };
    words.map(word_without).collect()
}

#[test]
fn npu() {
    let Some(mut world) = world() else { return };
    world.deploy("npu_plugin", "intel-npu-plugin", "npu.intel.com/");
    assert_eq!(world.seen_by("npu", &[("npu.intel.com/accel", 1)]), ["accel/accel0"]);
    // With the last NPU goes the folder of its node, and the plugin's mount is of a dead one.
    for _ in 0..2 {
        world.cluster.node.remove("npu0").unwrap();
        world.expect("npu.intel.com/", &Counts::new());
        world.cluster.node.add(NPU).unwrap();
        world.expect("npu.intel.com/", &all_of("npu.intel.com/"));
    }
    assert_eq!(world.seen_by("npu-again", &[("npu.intel.com/accel", 1)]), ["accel/accel0"]);
    world.remove("npu_plugin");
}

#[test]
fn qat() {
    let Some(mut world) = world() else { return };
    let cy = "qat.intel.com/cy";
    // Also that the init container finds nothing to do on a node that is set up.
    world.deploy("qat_plugin/overlays/qat_initcontainer", "intel-qat-plugin", "qat.intel.com/");
    let seen = world.seen_by("qat", &[(cy, 2), ("qat.intel.com/dc", 1)]);
    let functions: Vec<&str> = seen
        .iter()
        .filter_map(|line| line.strip_prefix("QAT")?.split_once('='))
        .map(|(_, address)| address)
        .collect();
    // The kubelet asks for each resource by itself, and of variables of one name keeps one: the Go implementation's
    // containers have the same.
    assert_eq!(functions.len(), 2, "{seen:?}");
    let nodes: BTreeSet<String> = seen.iter().filter(|line| line.starts_with("vfio/")).cloned().collect();
    assert_eq!(nodes.len(), 4, "{seen:?}");
    assert!(nodes.contains("vfio/vfio"), "{seen:?}");
    for function in functions {
        assert!(nodes.contains(&format!("vfio/{}", world.vfio_group(function))), "{seen:?}");
    }

    world.cluster.node.set_attribute(HEARTBEAT, "-1\n").unwrap();
    world.expect_but(cy, 32, 16);
    world.cluster.node.set_attribute(HEARTBEAT, "0\n").unwrap();
    world.expect_but(cy, 32, 32);

    // A function that somebody unbinds is not handed out. (Nothing binds it here: the node has no kernel of its own.)
    let group = world.vfio_group("0000:6b:00.1");
    world.cluster.node.delete("/sys/bus/pci/devices/0000:6b:00.1/driver").unwrap();
    world.cluster.node.delete(format!("/dev/vfio/{group}")).unwrap();
    world.expect_but(cy, 31, 31);
    world.cluster.node.remove("qat0-vf0").unwrap();
    world.expect_but(cy, 31, 31);
    let words = format!(
        "qat-vf-vfio as=qat0-vf0 at=pci0000:6b pf=0000:6b:00.0 vf=0 pci=0000:6b:00.1 group={group} numa=0 \
         cpus=0-51,104-155"
    );
    world.cluster.node.add(&words).unwrap();
    world.expect_but(cy, 32, 32);
    world.remove("qat_plugin/overlays/qat_initcontainer");
}

#[test]
fn dsa_and_iaa() {
    let Some(mut world) = world() else { return };
    let dedicated = "dsa.intel.com/wq-user-dedicated";
    world.deploy("dsa_plugin", "intel-dsa-plugin", "dsa.intel.com/");
    world.deploy("iaa_plugin", "intel-iaa-plugin", "iaa.intel.com/");
    let seen = world.seen_by("queues", &[(dedicated, 2), ("iaa.intel.com/wq-user-shared", 1)]);
    let (by_number, by_name): (Vec<&String>, Vec<&String>) =
        seen.iter().partition(|line| line.starts_with("char/"));
    assert_eq!(by_name.iter().filter(|line| line.starts_with("dsa/wq")).count(), 2, "{seen:?}");
    assert_eq!(by_name.iter().filter(|line| line.starts_with("iax/wq")).count(), 1, "{seen:?}");
    // What libaccel-config needs: the same nodes by their numbers.
    let numbers: BTreeSet<String> = by_name
        .iter()
        .map(|name| world.cluster.node.host().device_number(format!("/dev/{name}")).unwrap())
        .map(|number| format!("char/{}:{}", number.major, number.minor))
        .collect();
    assert_eq!(by_number.into_iter().cloned().collect::<BTreeSet<_>>(), numbers, "{seen:?}");

    world.cluster.node.remove("wq0.0").unwrap();
    world.expect_but(dedicated, 15, 15);
    world.cluster.node.add(QUEUE).unwrap();
    world.expect_but(dedicated, 16, 16);
    // A queue that somebody disables is offered no more; those of an accelerator that halted are there and unusable.
    world.cluster.node.set_attribute("/sys/bus/dsa/devices/wq0.0/state", "disabled\n").unwrap();
    world.expect_but(dedicated, 15, 15);
    world.cluster.node.set_attribute("/sys/bus/dsa/devices/wq0.0/state", "enabled\n").unwrap();
    world.expect_but(dedicated, 16, 16);
    world.cluster.node.set_attribute("/sys/bus/dsa/devices/dsa0/state", "halted\n").unwrap();
    let mut halted = all_of("dsa.intel.com/");
    for counts in halted.values_mut() {
        counts.1 = 12;
    }
    world.expect("dsa.intel.com/", &halted);
    world.cluster.node.set_attribute("/sys/bus/dsa/devices/dsa0/state", "enabled\n").unwrap();
    world.expect("dsa.intel.com/", &all_of("dsa.intel.com/"));
    world.remove("dsa_plugin");
    world.remove("iaa_plugin");
}

#[test]
fn dlb() {
    let Some(mut world) = world() else { return };
    world.deploy("dlb_plugin", "intel-dlb-plugin", "dlb.intel.com/");
    assert_eq!(world.seen_by("dlb-pf", &[("dlb.intel.com/pf", 1)]), ["dlb0"]);
    assert_eq!(world.seen_by("dlb-vf", &[("dlb.intel.com/vf", 1)]), ["dlb2"]);
    world.cluster.node.delete("/dev/dlb2").unwrap();
    world.expect_but("dlb.intel.com/vf", 0, 0);
    world.cluster.node.remove("dlb2").unwrap();
    world.cluster.node.add(BALANCER).unwrap();
    world.expect("dlb.intel.com/", &all_of("dlb.intel.com/"));
    world.remove("dlb_plugin");
}

#[test]
fn sgx() {
    let Some(world) = world() else { return };
    world.deploy("sgx_plugin/base", "intel-sgx-plugin", "sgx.intel.com/");
    assert_eq!(world.seen_by("enclave", &[("sgx.intel.com/enclave", 1)]), ["sgx_enclave"]);
    let both = [("sgx.intel.com/enclave", 1), ("sgx.intel.com/provision", 1)];
    assert_eq!(world.seen_by("quoting", &both), ["sgx_enclave", "sgx_provision"]);
    world.remove("sgx_plugin/base");
}

#[test]
fn fpga() {
    let Some(mut world) = world() else { return };
    let (namespace, daemonset) = ("intelfpgaplugin-system", "daemonset/intelfpgaplugin-intel-fpga-plugin");
    world.cluster.kubectl(&["apply", "-k", "deployments/fpga_plugin/overlays/af"]);
    world.wait_for_rollout(namespace, daemonset);
    world.expect("fpga.intel.com/", &all_of("fpga.intel.com/"));
    assert_eq!(world.seen_by("function", &[(FPGA, 1)]), ["intel-fpga-port.0"]);

    world.demo(
        "test-fpga-preprogrammed",
        "pod/test-fpga-preprogrammed",
        "jsonpath={.status.phase}=Succeeded",
    );
    world.demo("intelfpga-job", "job/intelfpga-demo-job", "condition=complete");

    // Somebody programs another function.
    let function = "/sys/bus/platform/devices/intel-fpga-port.0/afu_id";
    world.cluster.node.set_attribute(function, "f7df405cbd7acf7222f144b0b93acd18\n").unwrap();
    let other = "fpga.intel.com/af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg";
    world.expect("fpga.intel.com/", &healthy(&[(other, 1)]));
    world.cluster.node.set_attribute(function, "d8424dc4a4a3c413f89e433683f9040b\n").unwrap();
    world.expect("fpga.intel.com/", &all_of("fpga.intel.com/"));

    // An annotation of the node wins over the flag.
    world.cluster.kubectl(&["annotate", "node", "node-1", "fpga.intel.com/device-plugin-mode=regiondevel"]);
    world.cluster.kubectl(&["rollout", "restart", "-n", namespace, daemonset]);
    world.wait_for_rollout(namespace, daemonset);
    let region = "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6";
    world.expect_one(region);
    assert_eq!(world.seen_by("region", &[(region, 1)]), ["intel-fpga-fme.0", "intel-fpga-port.0"]);
    world.cluster.kubectl(&["annotate", "node", "node-1", "fpga.intel.com/device-plugin-mode-"]);
    world.cluster.kubectl(&["delete", "-k", "deployments/fpga_plugin/overlays/af", "--timeout=60s"]);
}

/// A function that is programmed before the container starts: by the hook, which the plugin's CDI file attaches and runc
/// runs. The drivers are emulated.
#[test]
fn fpga_orchestrated() {
    const ARRIA: &str = "69528db6eb31577a8c3668f9faa081f6";
    const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";
    let Some(world) = world() else { return };
    let node = world.cluster.node.root().to_owned();
    let store = node.join("srv/intel.com/fpga").join(ARRIA);
    std::fs::create_dir_all(&store).unwrap();
    let put = |name: &str, function: &str| {
        let payload = format!("SIMULATED BITSTREAM {ARRIA} {function}\n");
        let gbs = writer::gbs(ARRIA.parse().unwrap(), function.parse().unwrap(), payload.as_bytes());
        std::fs::write(store.join(format!("{name}.gbs")), gbs).unwrap();
    };
    let function = || {
        let file = node.join("sys/bus/platform/devices/intel-fpga-port.0/afu_id");
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    };
    let region = format!("fpga.intel.com/region-{ARRIA}");
    let asking = |name: &str, function: &str| {
        let variables = [("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", function)];
        with_variables(pod(name, &[(&region, 1)], LOOK), &variables)
    };
    let (namespace, daemonset) = ("intelfpgaplugin-system", "daemonset/intelfpgaplugin-intel-fpga-plugin");
    world.cluster.kubectl(&["apply", "-k", "deployments/fpga_plugin/overlays/region"]);
    world.wait_for_rollout(namespace, daemonset);
    world.expect_one(&region);

    // What is there already is not programmed, so no bitstream is needed.
    assert_eq!(function(), NLB0);
    let expected =
        ["intel-fpga-port.0".to_owned(), format!("FPGA_AFU_1={NLB0}"), format!("FPGA_REGION_1={ARRIA}")];
    world.kubernetes.run(&asking("there", NLB0), || world.state());
    assert_eq!(world.kubernetes.output("there").lines().collect::<Vec<_>>(), expected);
    world.kubernetes.delete("there");

    world.kubernetes.refused(&asking("missing", NLB3), &format!("no bitstream {NLB3}.gbs"), || world.state());
    put(NLB3, NLB0);
    world.kubernetes.refused(&asking("wrong", NLB3), "is in the wrong place", || world.state());
    put(NLB3, NLB3);
    let port = node.join("dev/.emulated/intel-fpga-port.0").display().to_string();
    let user = world.cluster.run_on_node(&["/bin/sh", "-c", &format!("exec sleep 1000 3<>{port}")]);
    world.kubernetes.refused(&asking("busy", NLB3), "intel-fpga-port.0 is in use", || world.state());
    assert_eq!(function(), NLB0);
    drop(user);

    world.kubernetes.run(&asking("programmed", NLB3), || world.state());
    assert_eq!(function(), NLB3, "{}", world.cluster.fpga_log());
    assert!(world.kubernetes.output("programmed").starts_with("intel-fpga-port.0\n"));
    let programmed = world.cluster.fpga_log().lines().filter(|line| line.contains("\"pr\"")).count();
    assert_eq!(programmed, 1, "{}", world.cluster.fpga_log());
    world.kubernetes.delete("programmed");
    world.demo("test-fpga-orchestrated", "pod/test-fpga-orchestrated", "jsonpath={.status.phase}=Succeeded");
    put(NLB0, NLB0);
    world.kubernetes.run(&asking("as-before", NLB0), || world.state());
    assert_eq!(function(), NLB0);
    world.kubernetes.delete("as-before");
    world.cluster.kubectl(&["delete", "-k", "deployments/fpga_plugin/overlays/region", "--timeout=60s"]);
}

/// Last by its name: the node's status keeps what the kubelet has forgotten for some minutes.
#[test]
fn zz_all_families_in_one_process() {
    let Some(mut world) = world() else { return };
    world.cluster.kubectl(&["apply", "-k", "deployments/node"]);
    world.kubernetes.wait_for_daemonset("intel-device-plugins", || world.state());
    for domain in ["dlb", "dsa", "gpu", "iaa", "npu", "qat", "sgx"] {
        let domain = format!("{domain}.intel.com/");
        world.expect(&domain, &all_of(&domain));
    }
    world.expect_one(FPGA);
    let one_of_each = [
        ("dlb.intel.com/pf", 1),
        ("dsa.intel.com/wq-user-shared", 1),
        (FPGA, 1),
        ("gpu.intel.com/i915", 1),
        ("iaa.intel.com/wq-user-dedicated", 1),
        ("npu.intel.com/accel", 1),
        ("qat.intel.com/dc", 1),
        ("sgx.intel.com/enclave", 1),
    ];
    let seen = world.seen_by("one-of-each", &one_of_each);
    let kinds: Vec<String> = seen.iter().map(|line| without_numbers(line)).collect();
    let expected = [
        "accel/accel#",
        "char/#:#",
        "char/#:#",
        "dlb#",
        "dri/by-path/pci-#:#:#.#-card",
        "dri/by-path/pci-#:#:#.#-render",
        "dri/card#",
        "dri/renderD#",
        "dsa/wq#.#",
        "iax/wq#.#",
        "intel-fpga-port.#",
        "sgx_enclave",
        "vfio/#",
        "vfio/vfio",
        "QAT#",
    ];
    assert_eq!(kinds, expected, "{seen:?}");

    // The file is followed without a restart.
    world.cluster.kubectl(&["apply", "-f", "deployments/node/config.yaml"]);
    world.expect_but("gpu.intel.com/i915", 16, 16);
    assert_eq!(world.kubernetes.restarts("intel-device-plugins"), 0);

    world.cluster.node.set_attribute(HEARTBEAT, "-1\n").unwrap();
    world.expect_but("qat.intel.com/cy", 32, 16);
    world.cluster.node.remove("wq0.0").unwrap();
    world.expect_but("dsa.intel.com/wq-user-dedicated", 15, 15);
    world.cluster.stop("kubelet");
    world.cluster.node.set_attribute(HEARTBEAT, "0\n").unwrap();
    world.cluster.node.add(QUEUE).unwrap();
    world.cluster.start_again("kubelet");
    for domain in ["dlb", "dsa", "iaa", "npu", "qat", "sgx"] {
        let domain = format!("{domain}.intel.com/");
        world.expect(&domain, &all_of(&domain));
    }
    world.expect_but("gpu.intel.com/i915", 16, 16);
    world.cluster.kubectl(&["delete", "-f", "deployments/node/config.yaml"]);
    world.remove("node");
}
