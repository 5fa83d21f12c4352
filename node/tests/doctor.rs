//! `doctor` on simulated nodes: what it says of healthy ones, and that it finds each thing that is broken.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use simulator::{Profile, SimulatedNode, golden};

const BINARY: &str = env!("CARGO_BIN_EXE_intel-device-plugins");
const PLUGINS: &str = "var/lib/kubelet/device-plugins";
const CONTAINERD: &str = "etc/containerd/config.toml";

fn run(args: &[&str]) -> Output {
    Command::new(BINARY)
        .arg("doctor")
        .env_remove("PODS_PER_CORE")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_it_says_of_simulated_nodes() {
    for (profile, code) in [("xeon-full", 0), ("xeon-unconfigured", 2), ("empty", 0), ("npu-laptop", 0)] {
        let output = run(&["-profile", profile]);
        assert_eq!(output.status.code(), Some(code), "{profile}: {}", text(&output.stderr));
        golden(format!("tests/golden/doctor/{profile}.txt"), &text(&output.stdout));
    }
    let output = run(&["-profile", "xeon-unconfigured", "-json"]);
    assert_eq!(output.status.code(), Some(2));
    golden("tests/golden/doctor/xeon-unconfigured.json", &text(&output.stdout));
}

#[test]
fn the_page_has_all_that_can_be_found() {
    let output = run(&["-list"]);
    assert!(output.status.success());
    let page = fs::read_to_string("../docs/doctor.md").unwrap();
    for output in [output, run(&["qat", "-profile", "xeon-unconfigured"])] {
        let said = text(&output.stdout);
        assert!(page.contains(&said), "write this into docs/doctor.md:\n{said}");
    }
}

#[test]
fn what_it_cannot_do_is_said() {
    for (args, said) in [
        (&["tpu"][..], "there is no family \"tpu\"; there are: gpu, npu"),
        (&["-no-such-flag"], "flag provided but not defined"),
        (&["-profile=none"], "no profile is named"),
        (&["-root=/no/such/folder"], "cannot use as the root folder"),
        (&["-root=/tmp", "-profile=empty"], "give one of them"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(text(&output.stderr).contains(said), "{args:?}: {}", text(&output.stderr));
    }
}

/// A node with its kubelet, its container runtime and all that is healthy.
struct Scene {
    node: SimulatedNode,
    kubelet: Option<UnixListener>,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profile = match name {
            XEON => Profile::parse(XEON, ONE_OF_EACH).unwrap(),
            NPUS => Profile::parse(NPUS, ONE_NPU).unwrap(),
            name => Profile::builtin(name).unwrap(),
        };
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("n"), &profile).unwrap();
        let mut scene = Self { node, kubelet: None, _folder: folder };
        let has_sgx = scene.node.host().exists("/dev/sgx_enclave");
        let flags =
            if has_sgx { "processor : 0\nflags\t: fpu sgx vme sgx_lc\n" } else { "flags : fpu vme\n" };
        for (path, content) in [
            ("proc/sys/fs/inotify/max_user_instances", "8192\n"),
            ("proc/sys/fs/inotify/max_user_watches", "524288\n"),
            ("proc/cmdline", "root=/dev/sda1 intel_iommu=on\n"),
            ("proc/cpuinfo", flags),
            ("proc/1/cmdline", "/sbin/init\0"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n"),
            ("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "1024\n"),
            ("lib/firmware/intel/vpu/vpu_40xx_v0.0.bin.zst", ""),
            ("lib/firmware/i915/dg2_guc_70.bin.xz", ""),
            (CONTAINERD, "version = 3\n"),
            ("run/containerd/containerd.sock", ""),
        ] {
            scene.write(path, content);
        }
        match name {
            "empty" => scene.checkpoint("{}"),
            NPUS => {
                scene.write("proc/300/cmdline", "intel_npu_device_plugin\0-v=2\0");
                scene.checkpoint(r#"{"npu.intel.com/accel": ["accel0-0"]}"#);
            }
            _ => {
                scene.write("proc/300/cmdline", "/usr/bin/intel-device-plugins\0node\0");
                let family = |name: &str| format!("\"{name}.intel.com/a\": [\"1\"]");
                let all = ["gpu", "npu", "qat", "dsa", "iaa", "dlb", "sgx", "fpga"].map(family).join(", ");
                scene.checkpoint(&format!("{{{all}}}"));
            }
        }
        scene.kubelet = Some(UnixListener::bind(scene.at(&format!("{PLUGINS}/kubelet.sock"))).unwrap());
        scene
    }

    fn at(&self, path: &str) -> PathBuf {
        self.node.root().join(path.trim_start_matches('/'))
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Of the attribute of a PCI function, or of what is below it.
    fn pci(&self, path: &str) -> PathBuf {
        self.node.root().join(
            self.node
                .host()
                .resolve(format!("/sys/bus/pci/devices/{path}"))
                .unwrap()
                .strip_prefix("/")
                .unwrap(),
        )
    }

    /// What the kubelet remembers: the ids of devices by resource.
    fn checkpoint(&self, registered: &str) {
        let data = format!("{{\"PodDeviceEntries\": null, \"RegisteredDevices\": {registered}}}");
        let path = format!("{PLUGINS}/kubelet_internal_checkpoint");
        self.write(&path, &format!("{{\"Data\": {data}, \"Checksum\": 1}}"));
    }

    fn delete(&mut self, path: &str) {
        self.node.delete(format!("/{}", path.trim_start_matches('/'))).unwrap();
    }

    fn link(&self, path: &str, target: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
    }

    /// The driver of a PCI function, `None` for none.
    fn drive(&mut self, at: &str, driver: Option<&str>) {
        let link = self.pci(at).join("driver");
        let _ = fs::remove_file(&link);
        if let Some(driver) = driver {
            let folder = self.at(&format!("sys/bus/pci/drivers/{driver}"));
            fs::create_dir_all(&folder).unwrap();
            let up = "../".repeat(link.strip_prefix(self.node.root()).unwrap().components().count() - 2);
            symlink(format!("{up}bus/pci/drivers/{driver}"), link).unwrap();
        }
    }

    fn ask(&self, args: &[&str]) -> (Option<i32>, BTreeSet<String>, String) {
        let root = format!("-root={}", self.node.root().display());
        let output = run(&[args, &[&root, "-json"]].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let findings = checks.iter().flat_map(|check| check["findings"].as_array().unwrap());
        let ids = findings.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
        (output.status.code(), ids, text(&output.stdout))
    }
}

/// What is broken, on which node, and what must be found then beside nothing else.
struct Case {
    profile: &'static str,
    found: &'static [&'static str],
    how: fn(&mut Scene),
}

const fn case(profile: &'static str, found: &'static [&'static str], how: fn(&mut Scene)) -> Case {
    Case { profile, found, how }
}

const XEON: &str = "one-of-each";
/// As the profile xeon-full, which takes ten times as long to make.
const ONE_OF_EACH: &str = "
use drm
use pci-driver driver=i915
use pci-driver driver=4xxx
use pci-driver driver=dlb2
use pci-driver driver=intel_vpu
use pci-driver driver=intel-fpga-pci
use vfio
use idxd
use sgx as=sgx
use epc as=epc0 node=0 bytes=2130706432
use npu as=npu0 device=0x643e group=900 accel=0
use dlb-pf as=dlb1 id=1 at=pci0000:ea pci=0000:ea:00.0 group=902 vfs=1
use dlb-vf as=dlb2 id=2 at=pci0000:ea pci=0000:ea:00.1 pf=0000:ea:00.0 vf=0 group=903
use fpga-opae as=fpga0 id=0 at=pci0000:3c/0000:3c:00.0 pci=0000:3d:00.0 device=0x09c4 group=904 numa=0 interface=69528db6eb31577a8c3668f9faa081f6 afu=d8424dc4a4a3c413f89e433683f9040b
use max-1550 as=card0 at=pci0000:15 pci=0000:18:00.0 card=0 render=128 bus=6144 mei=0
use qat-pf as=qat0 at=pci0000:6b pci=0000:6b:00.0 group=1000 vfs=1 services=sym;asym
use qat-vf-vfio as=qat0-vf0 at=pci0000:6b pf=0000:6b:00.0 vf=0 pci=0000:6b:00.1 group=1001
use dsa as=dsa0 id=0 at=pci0000:6a pci=0000:6a:01.0 group=1068 engines0=engine0.0 queues0=wq0.0
use idxd-wq-user as=wq0.0 kind=dsa name=dsa0 wq=0.0 at=pci0000:6a pci=0000:6a:01.0 mode=dedicated major=236 minor=0
use iaa as=iax1 id=1 at=pci0000:6a pci=0000:6a:02.0 group=1069 engines0=engine1.0 queues0=wq1.0
use idxd-wq-user as=wq1.0 kind=iax name=iax1 wq=1.0 at=pci0000:6a pci=0000:6a:02.0 mode=dedicated major=235 minor=0
";
const NPUS: &str = "one-npu";
const ONE_NPU: &str = "use pci-driver driver=intel_vpu\nuse npu as=npu0 device=0x643e group=9 accel=0\n";
const NPU: &str = "0000:00:0b.0";
const GPU: &str = "0000:18:00.0";
const QAT: &str = "0000:6b:00.0";

#[rustfmt::skip]
const CASES: &[Case] = &[
    case(XEON, &["kubelet-folder-missing"], |s| s.delete(PLUGINS)),
    case("empty", &["kubelet-folder-open"], |s| {
        fs::set_permissions(s.at(PLUGINS), Permissions::from_mode(0o777)).unwrap();
    }),
    case("empty", &["kubelet-socket-missing"], |s| s.delete("var/lib/kubelet/device-plugins/kubelet.sock")),
    case("empty", &["kubelet-socket-dead"], |s| s.kubelet = None),
    case("empty", &["socket-left-over"], |s| {
        drop(UnixListener::bind(s.at("var/lib/kubelet/device-plugins/gpu.intel.com-xe.sock")).unwrap());
    }),
    case(NPUS, &["plugin-not-running"], |s| s.delete("proc/300")),
    case(NPUS, &["offer-not-taken"], |s| {
        s.write("proc/300/cmdline", "intel_npu_device_plugin\0-shared-dev-num=2\0-v=2\0");
    }),
    case(NPUS, &["offer-not-taken"], |s| s.checkpoint(r#"{"xe.example.com/a": ["1"], "npu.intel.com/accel": null}"#)),
    // Which flags are in the file of `node` is not known.
    case(NPUS, &[], |s| {
        s.write("proc/300/cmdline", "/usr/bin/intel-device-plugins\0node\0-config\0/config\0");
        s.checkpoint(r#"{"npu.intel.com/accel": ["accel0-0", "accel0-1"]}"#);
    }),
    case(NPUS, &["offer-not-taken"], |s| {
        s.write("proc/300/cmdline", "/usr/bin/intel-device-plugins\0node\0");
        s.checkpoint("{}");
    }),
    case(NPUS, &["device-node-missing", "device-left-out"], |s| {
        s.delete("dev/accel/accel0");
        s.checkpoint("{}");
    }),
    case(NPUS, &["discovery-failed"], |s| {
        fs::remove_dir_all(s.at("sys/class/accel")).unwrap();
        s.link("sys/class/accel", "accel");
    }),
    case("empty", &["kubelet-checkpoint-damaged"], |s| {
        s.write("var/lib/kubelet/device-plugins/kubelet_internal_checkpoint", "{\"Data\":");
    }),
    case("empty", &["plugin-twice"], |s| {
        s.write("proc/200/cmdline", "/usr/local/bin/intel_gpu_device_plugin\0-v=2\0");
        s.write("proc/201/cmdline", "/usr/local/bin/intel-device-plugins\0node\0");
    }),
    case("empty", &["plugin-beside-dra"], |s| {
        s.write("proc/200/cmdline", "intel_gpu_device_plugin\0");
        s.write("var/lib/kubelet/plugins_registry/gpu.intel.com-reg.sock", "");
    }),
    case("empty", &["inotify-instances-used-up"], |s| {
        s.write("proc/sys/fs/inotify/max_user_instances", "200");
        for number in 0..190 {
            s.link(&format!("proc/1/fd/{number}"), "anon_inode:inotify");
        }
    }),
    case("empty", &["inotify-watches-used-up"], |s| {
        s.write("proc/sys/fs/inotify/max_user_watches", "10000");
        s.link("proc/1/fd/3", "anon_inode:inotify");
        s.write("proc/1/fdinfo/3", &"inotify wd:1 ino:1\n".repeat(9500));
    }),
    case("empty", &["inotify-instances-few"], |s| s.write("proc/sys/fs/inotify/max_user_instances", "128")),
    case("empty", &["inotify-watches-few"], |s| s.write("proc/sys/fs/inotify/max_user_watches", "8192")),
    case("empty", &["cdi-off"], |s| s.write(CONTAINERD, "version = 2\n[plugins.x]\n  enable_cdi = false # why\n")),
    case("empty", &["cdi-not-enabled"], |s| s.write(CONTAINERD, "version = 2\n[plugins.x]\n")),
    case("empty", &["cdi-folder-unread"], |s| s.write(CONTAINERD, "version = 3\ncdi_spec_dirs = [\n  '/etc/cdi',\n]\n")),
    case("empty", &["cdi-file-damaged"], |s| s.write("var/run/cdi/bad.yaml", "{\"kind\": ")),
    case("empty", &["cdi-device-twice"], |s| {
        s.write("var/run/cdi/a.json", r#"{"cdiVersion": "0.5.0", "kind": "intel.cdi.k8s.io/gpu", "devices": [{"name": "card0"}]}"#);
        s.write("var/run/cdi/b.yaml", "cdiVersion: 0.5.0\nkind: intel.cdi.k8s.io/gpu\ndevices:\n- name: card0\n");
    }),
    case("empty", &["selinux-folder-label", "selinux-kubelet-domain"], |s| {
        s.write("sys/fs/selinux/enforce", "1");
        s.write("proc/100/comm", "kubelet\n");
        s.write("proc/100/attr/current", "system_u:system_r:unconfined_service_t:s0\0");
    }),
    // The label of the folder is that of the machine of the test.
    case("empty", &["selinux-folder-label"], |s| {
        s.write("sys/fs/selinux/enforce", "1");
        s.write("proc/100/comm", "kubelet\n");
        s.write("proc/100/attr/current", "system_u:system_r:kubelet_t:s0\0");
    }),
    case("empty", &[], |s| s.write("sys/fs/selinux/enforce", "0")),
    case("empty", &["cgroup-v1"], |s| {
        s.delete("sys/fs/cgroup/cgroup.controllers");
        s.write("sys/fs/cgroup/cpu/tasks", "");
    }),
    case("empty", &["iommu-off-by-option"], |s| s.write("proc/cmdline", "intel_iommu=on,off")),
    case(XEON, &["huge-pages-none"], |s| s.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0")),
    case("xeon-unconfigured", &["idxd-no-queue", "iommu-off", "qat-no-virtual-functions"], |s| {
        s.delete("sys/kernel/iommu_groups");
        s.write("proc/cmdline", "intel_iommu=off");
    }),
    case(XEON, &["driver-none"], |s| s.drive(NPU, None)),
    case(XEON, &["device-left-out", "driver-other"], |s| s.drive(GPU, Some("vfio-pci"))),
    case(XEON, &["driver-none", "firmware-missing"], |s| {
        s.drive(NPU, None);
        s.delete("lib/firmware/intel/vpu/vpu_40xx_v0.0.bin.zst");
    }),
    case(XEON, &["device-left-out", "device-node-missing"], |s| s.delete("dev/accel/accel0")),
    case(XEON, &["device-node-root-only"], |s| {
        fs::set_permissions(s.at("dev/dri/renderD128"), Permissions::from_mode(0o600)).unwrap();
    }),
    case(XEON, &["device-left-out", "device-unreadable"], |s| s.write("dev/accel/accel0", "text")),
    case(XEON, &["gpu-no-render-node"], |s| fs::remove_dir_all(s.pci(GPU).join("drm/renderD128")).unwrap()),
    case(XEON, &["gpu-virtual-functions"], |s| fs::write(s.pci(GPU).join("sriov_numvfs"), "2\n").unwrap()),
    case(XEON, &["qat-no-virtual-functions"], |s| fs::write(s.pci(QAT).join("sriov_numvfs"), "0\n").unwrap()),
    case(XEON, &["device-unhealthy", "qat-down"], |s| fs::write(s.pci(QAT).join("qat/state"), "down\n").unwrap()),
    case(XEON, &["qat-services-unknown"], |s| fs::remove_file(s.pci(QAT).join("qat/cfg_services")).unwrap()),
    case(XEON, &["qat-not-by-default"], |s| {
        fs::write(s.pci(QAT).join("device"), "0x37c8\n").unwrap();
        s.drive(QAT, Some("c6xx"));
    }),
    case(XEON, &["qat-vfio-not-loaded"], |s| {
        s.drive("0000:6b:00.1", None);
        fs::remove_dir_all(s.at("sys/bus/pci/drivers/vfio-pci")).unwrap();
    }),
    case(XEON, &["qat-vfio-denied"], |s| {
        fs::write(s.pci("0000:6b:00.1").join("device"), "0x37c9\n").unwrap();
        s.drive("0000:6b:00.1", None);
        s.write("sys/module/vfio_pci/parameters/disable_denylist", "N\n");
    }),
    // Meant for virtual machines.
    case("flex-170-sriov", &["device-left-out", "gpu-virtual-functions"], |s| s.drive("0000:4d:00.1", None)),
    case(XEON, &["idxd-no-queue"], |s| {
        s.node.set_attribute("/sys/bus/dsa/devices/iax1/wq1.0/state", "disabled").unwrap();
    }),
    case(XEON, &["idxd-no-pasid"], |s| s.node.set_attribute("/sys/bus/dsa/devices/dsa0/pasid_enabled", "0").unwrap()),
    case(XEON, &["device-left-out", "idxd-no-char-link"], |s| s.delete("dev/char/236:0")),
    case(XEON, &["device-unhealthy", "dlb-vf-empty"], |s| {
        for resource in fs::read_dir(s.pci("0000:ea:00.0").join("vf0_resources")).unwrap() {
            fs::write(resource.unwrap().path(), "0\n").unwrap();
        }
    }),
    case(XEON, &["sgx-launch-control-off"], |s| s.write("proc/cpuinfo", "flags : sgx\n")),
    case(XEON, &["sgx-not-in-kernel"], |s| ["dev/sgx_enclave", "dev/sgx_provision"].iter().for_each(|node| s.delete(node))),
    case(XEON, &["sgx-no-memory"], |s| {
        s.node.set_attribute("/sys/devices/system/node/node0/x86/sgx_total_bytes", "0").unwrap();
    }),
    case("fpga-arria10", &["fpga-no-port"], |s| {
        for card in 0..2 {
            s.delete(&format!("sys/class/fpga/intel-fpga-dev.{card}/intel-fpga-port.{card}"));
        }
    }),
    case("fpga-stratix10", &["device-left-out", "fpga-no-region"], |s| {
        let names = s.node.host().names("/sys/class/fpga_region").unwrap();
        for region in names {
            let _ = s.node.delete(format!("/sys/class/fpga_region/{region}/dfl-fme.0/dfl-fme-region.0"));
        }
    }),
];

#[test]
fn each_thing_that_is_broken_is_found_and_nothing_else() {
    let mut healthy: BTreeSet<&str> = BTreeSet::new();
    let mut wrong = Vec::new();
    for Case { profile, found, how } in CASES {
        let mut scene = Scene::new(profile);
        if healthy.insert(profile) {
            let (code, ids, said) = scene.ask(&[]);
            let expected: BTreeSet<String> =
                what_is_not_healthy(profile).iter().map(|id| (*id).to_owned()).collect();
            if ids != expected || code != Some(if *profile == "xeon-unconfigured" { 2 } else { 0 }) {
                wrong.push(format!("{profile}, untouched: {ids:?}, not {expected:?}: {said}"));
            }
        }
        how(&mut scene);
        let (_, ids, said) = scene.ask(&[]);
        let expected: BTreeSet<String> = found.iter().map(|id| (*id).to_owned()).collect();
        if ids != expected {
            wrong.push(format!("{profile}: {ids:?}, not {expected:?}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of nodes that are not set up.
fn what_is_not_healthy(profile: &str) -> &'static [&'static str] {
    match profile {
        "flex-170-sriov" => &["gpu-virtual-functions"],
        "xeon-unconfigured" => &["idxd-no-queue", "qat-no-virtual-functions"],
        _ => &[],
    }
}

#[test]
fn a_family_that_is_named_is_looked_for() {
    let scene = Scene::new("npu-laptop");
    let (code, ids, said) = scene.ask(&["qat"]);
    assert_eq!(
        (code, ids.into_iter().collect::<Vec<_>>()),
        (Some(0), vec!["hardware-absent".to_owned()]),
        "{said}"
    );
    let (_, ids, said) = scene.ask(&["npu"]);
    assert!(ids.is_empty() && said.contains("\"npu\"") && !said.contains("\"gpu\""), "{said}");
}

#[test]
fn every_id_is_found_by_a_case() {
    let listed = text(&run(&["-list"]).stdout);
    let listed = listed.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let tried: BTreeSet<&str> = CASES.iter().flat_map(|case| case.found).copied().collect();
    // Cannot be made here; see crates/doctor/src/cdi.rs.
    let elsewhere = ["cdi-folder-unwritable", "hardware-absent"];
    let missing: Vec<&str> = listed.filter(|id| !tried.contains(id) && !elsewhere.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_cannot_be_seen_is_said() {
    let mut scene = Scene::new("empty");
    scene.delete("proc/sys");
    fs::remove_file(scene.at(CONTAINERD)).unwrap();
    scene.delete("run/containerd/containerd.sock");
    let (code, ids, said) = scene.ask(&[]);
    assert!(code == Some(0) && ids.is_empty(), "{said}");
    for path in ["/proc/sys/fs/inotify/max_user_instances", "the container runtime"] {
        assert!(said.contains(path), "{path}: {said}");
    }
    assert!(Path::new(&scene.node.root()).exists());
}
