//! A node with all that is healthy, to break.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use serde_json::Value;
use simulator::{Profile, SimulatedNode};

use crate::{run, text};

pub(crate) const PLUGINS: &str = "var/lib/kubelet/device-plugins";
pub(crate) const CONTAINERD: &str = "etc/containerd/config.toml";

pub(crate) const XEON: &str = "one-of-each";
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
/// With a GPU, too.
pub(crate) const GPUS: &str = "npu-laptop";
pub(crate) const NPUS: &str = "one-npu";
const ONE_NPU: &str = "use pci-driver driver=intel_vpu\nuse npu as=npu0 device=0x643e group=9 accel=0\n";

/// A node with its kubelet, its container runtime and all that is healthy.
pub(crate) struct Scene {
    pub(crate) node: SimulatedNode,
    pub(crate) kubelet: Option<UnixListener>,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) fn new(name: &str) -> Self {
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
            ("proc/1/mountinfo", "25 1 8:1 / / rw - ext4 /dev/sda1 rw\n"),
            ("proc/1/status", "Name:\tinit\nUid:\t1000\t0\t0\t0\n"),
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
                // With what flags is not known.
                scene.write("proc/300/cmdline", "/usr/bin/intel-device-plugins\0node\0-config=/c\0");
                let family = |name: &str| format!("\"{name}.intel.com/a\": [\"1\"]");
                let all = ["gpu", "npu", "qat", "dsa", "iaa", "dlb", "sgx", "fpga"].map(family).join(", ");
                scene.checkpoint(&format!("{{{all}}}"));
            }
        }
        scene.kubelet = Some(UnixListener::bind(scene.at(&format!("{PLUGINS}/kubelet.sock"))).unwrap());
        scene
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.node.root().join(path.trim_start_matches('/'))
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Of the attribute of a PCI function, or of what is below it.
    pub(crate) fn pci(&self, path: &str) -> PathBuf {
        self.node.root().join(
            self.node
                .host()
                .resolve(format!("/sys/bus/pci/devices/{path}"))
                .unwrap()
                .strip_prefix("/")
                .unwrap(),
        )
    }

    /// A process in a container: its words, and which folders of the node's disk it has where.
    pub(crate) fn process(&self, number: u32, words: &[&str], mounts: &[(&str, &str)]) {
        self.write(&format!("proc/{number}/cmdline"), &(words.join("\0") + "\0"));
        let mut lines = "90 80 0:50 / / rw - overlay overlay rw\n".to_owned();
        for (folder, at) in mounts {
            lines += &format!("91 90 8:1 {folder} {at} rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
        }
        self.write(&format!("proc/{number}/mountinfo"), &lines);
    }

    /// What the kubelet remembers: the ids of devices by resource.
    pub(crate) fn checkpoint(&self, registered: &str) {
        let data = format!("{{\"PodDeviceEntries\": null, \"RegisteredDevices\": {registered}}}");
        let path = format!("{PLUGINS}/kubelet_internal_checkpoint");
        self.write(&path, &format!("{{\"Data\": {data}, \"Checksum\": 1}}"));
    }

    pub(crate) fn delete(&mut self, path: &str) {
        self.node.delete(format!("/{}", path.trim_start_matches('/'))).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
    }

    /// The driver of a PCI function, `None` for none.
    pub(crate) fn drive(&mut self, at: &str, driver: Option<&str>) {
        let link = self.pci(at).join("driver");
        let _ = fs::remove_file(&link);
        if let Some(driver) = driver {
            let folder = self.at(&format!("sys/bus/pci/drivers/{driver}"));
            fs::create_dir_all(&folder).unwrap();
            let up = "../".repeat(link.strip_prefix(self.node.root()).unwrap().components().count() - 2);
            symlink(format!("{up}bus/pci/drivers/{driver}"), link).unwrap();
        }
    }

    pub(crate) fn ask(&self, args: &[&str]) -> (Option<i32>, BTreeSet<String>, String) {
        let root = format!("-root={}", self.node.root().display());
        let output = run(&[args, &[&root, "-json"]].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let findings = checks.iter().flat_map(|check| check["findings"].as_array().unwrap());
        let ids = findings.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
        (output.status.code(), ids, text(&output.stdout))
    }
}
