//! What can be broken on a node, and what is found then.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use crate::scene::{CONTAINERD, GPUS, NPUS, PLUGINS, Scene, XEON};

const NPU: &str = "0000:00:0b.0";
const GPU: &str = "0000:18:00.0";
const QAT: &str = "0000:6b:00.0";

/// The kubelet's folder of the node, in a container.
pub(crate) const KUBELET: (&str, &str) =
    ("/var/lib/kubelet/device-plugins", "/var/lib/kubelet/device-plugins");
/// Of a node in a container on the same machine.
const NESTED: (&str, &str) =
    ("/var/lib/docker/volumes/1/_data/lib/kubelet/device-plugins", "/var/lib/kubelet/device-plugins");
const FOLDER: &str = "/var/lib/kubelet/pods/1/volumes/kubernetes.io~configmap/config";
/// The folder of the file of `node`.
const CONFIG: (&str, &str) = (FOLDER, "/etc/plugins");
const GPU_PLUGIN: &[&str] = &["/usr/local/bin/intel_gpu_device_plugin", "-v=2"];
const ALL: &[&str] = &["/usr/bin/intel-device-plugins", "node", "-config=/etc/plugins/config.yaml"];

/// A ConfigMap as the kubelet mounts it, in the container of `node`.
fn configured(s: &Scene, text: &str) {
    s.write(&format!("{FOLDER}/..2026/config.yaml"), text);
    s.link(&format!("{FOLDER}/..data"), "..2026");
    s.link(&format!("{FOLDER}/config.yaml"), "..data/config.yaml");
    s.process(300, ALL, &[KUBELET, CONFIG]);
}

/// What is broken, on which node, and what must be found then beside nothing else.
pub(crate) struct Case {
    pub(crate) profile: &'static str,
    pub(crate) found: &'static [&'static str],
    pub(crate) how: fn(&mut Scene),
}

const fn case(profile: &'static str, found: &'static [&'static str], how: fn(&mut Scene)) -> Case {
    Case { profile, found, how }
}

#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
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
    // Where the file of `node` is on the node is not seen.
    case(NPUS, &[], |s| {
        s.write("proc/300/cmdline", "/usr/bin/intel-device-plugins\0node\0-config\0/config\0");
        s.checkpoint(r#"{"npu.intel.com/accel": ["accel0-0", "accel0-1"]}"#);
    }),
    case(NPUS, &["offer-not-taken"], |s| {
        s.write("proc/300/cmdline", "/usr/bin/intel-device-plugins\0node\0");
        s.checkpoint("{}");
    }),
    // Whose devices are healthy it is told while it runs.
    case(GPUS, &[], |s| {
        s.process(300, &["intel_gpu_device_plugin", "-health-management"], &[KUBELET]);
        s.process(301, &["intel_npu_device_plugin"], &[KUBELET]);
        s.checkpoint(r#"{"gpu.intel.com/xe": ["card7-0"], "npu.intel.com/accel": ["accel0-0"]}"#);
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
    case("empty", &["plugin-twice"], |s| {
        s.process(200, GPU_PLUGIN, &[KUBELET]);
        s.process(201, GPU_PLUGIN, &[KUBELET]);
    }),
    // Of a pod that has the whole of the kubelet's folder.
    case("empty", &["plugin-twice"], |s| {
        s.process(200, GPU_PLUGIN, &[("/var/lib/kubelet", "/var/lib/kubelet")]);
        s.process(201, ALL, &[KUBELET, CONFIG]);
        s.write(&format!("{FOLDER}/config.yaml"), "families: {dsa: false}\n");
    }),
    // What a process has mounted cannot be seen.
    case("empty", &["plugin-twice"], |s| {
        s.process(200, GPU_PLUGIN, &[KUBELET]);
        s.process(201, GPU_PLUGIN, &[]);
        s.delete("proc/201/mountinfo");
    }),
    case("empty", &[], |s| {
        s.process(200, GPU_PLUGIN, &[KUBELET]);
        s.process(201, GPU_PLUGIN, &[NESTED]);
        s.process(202, &["intel_gpu_device_plugin", "-kubelet-dir", "/sim"], &[("/home/sim", "/sim")]);
    }),
    // On a machine that is no node itself, each node is one.
    case("empty", &["kubelet-folder-missing"], |s| {
        s.delete(PLUGINS);
        s.process(200, GPU_PLUGIN, &[NESTED]);
        s.process(201, GPU_PLUGIN, &[("/var/lib/docker/volumes/2/_data/device-plugins", NESTED.1)]);
    }),
    // It is about to become another program.
    case("empty", &[], |s| {
        s.process(200, GPU_PLUGIN, &[KUBELET]);
        s.process(1200, GPU_PLUGIN, &[KUBELET]);
        s.write("proc/1200/status", "Name:\tintel_gpu\nPPid:\t200\nUid:\t0\t0\t0\t0\n");
    }),
    case("empty", &[], |s| {
        s.process(200, GPU_PLUGIN, &[KUBELET]);
        s.process(201, &["intel-device-plugins", "setup", "gpu"], &[KUBELET]);
        s.process(202, &["intel-device-plugins-operator"], &[KUBELET]);
        s.process(203, &["sh", "-c", "intel_gpu_device_plugin"], &[KUBELET]);
        configured(s, "families: {gpu: false}\n");
    }),
    case(NPUS, &["offer-not-taken"], |s| configured(s, "families: {npu: {shared-dev-num: 2}}\n")),
    case(NPUS, &[], |s| {
        configured(s, "families: {npu: {shared-dev-num: 2}}\n");
        s.checkpoint(r#"{"npu.intel.com/accel": ["accel0-0", "accel0-1"]}"#);
    }),
    case(NPUS, &["offer-not-taken"], |s| {
        configured(s, "nodes: {node-7: {npu: {shared-dev-num: 2}}}\n");
        s.write("proc/300/environ", "PATH=/bin\0NODE_NAME=node-7\0");
    }),
    case(NPUS, &["plugin-not-running"], |s| configured(s, "families: {npu: false}\n")),
    // It is optional: without it defaults hold.
    case(NPUS, &["offer-not-taken"], |s| {
        s.process(300, ALL, &[KUBELET, CONFIG]);
        fs::create_dir_all(s.at(FOLDER)).unwrap();
        s.checkpoint(r#"{"npu.intel.com/accel": ["accel0-0", "accel0-1"]}"#);
    }),
    case(NPUS, &["flags-ignored"], |s| {
        s.process(300, &["intel_npu_device_plugin", "-logtostderr", "true", "-shared-dev-num=2"], &[KUBELET]);
    }),
    // A value is no such word.
    case(NPUS, &["offer-not-taken"], |s| {
        s.process(300, &["intel_npu_device_plugin", "-v", "2", "-shared-dev-num", "2"], &[KUBELET]);
    }),
    case(NPUS, &["flags-ignored"], |s| {
        s.process(300, &["intel-device-plugins", "node", "config.yaml", "-v=2"], &[KUBELET]);
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
    case(GPUS, &["cdi-off"], |s| s.write(CONTAINERD, "version = 2\n[plugins.x]\n  enable_cdi = false # why\n")),
    case(GPUS, &["cdi-not-enabled"], |s| s.write(CONTAINERD, "version = 2\n[plugins.x]\n")),
    case(GPUS, &["cdi-folder-unread"], |s| s.write(CONTAINERD, "version = 3\ncdi_spec_dirs = [\n  '/etc/cdi',\n]\n")),
    case(GPUS, &["cdi-file-damaged"], |s| s.write("var/run/cdi/bad.yaml", "{\"kind\": ")),
    case(GPUS, &["cdi-device-twice"], |s| {
        s.write("var/run/cdi/a.json", r#"{"cdiVersion": "0.5.0", "kind": "intel.cdi.k8s.io/gpu", "devices": [{"name": "card0"}]}"#);
        s.write("var/run/cdi/b.yaml", "cdiVersion: 0.5.0\nkind: intel.cdi.k8s.io/gpu\ndevices:\n- name: card0\n");
    }),
    // Valid for runtimes, which take any file for YAML.
    case(GPUS, &[], |s| {
        s.write("var/run/cdi/flow.yaml", "{cdiVersion: 0.5.0, 'kind': a.com/b, devices: [{name: c}]}\n");
        s.write("etc/cdi/quoted.json", "\"kind\": a.com/b\ndevices: [{name: d, containerEdits: {}}]\n");
    }),
    // Of containerd that does not run, beside the one that does.
    case(GPUS, &[], |s| {
        s.write(CONTAINERD, "version = 2\nenable_cdi = false\n");
        s.write("var/lib/rancher/k3s/agent/etc/containerd/config.toml", "version = 3\n");
        s.delete("run/containerd/containerd.sock");
        s.write("run/k3s/containerd/containerd.sock", "");
    }),
    case(GPUS, &["cdi-not-enabled"], |s| {
        s.write("var/lib/rancher/rke2/agent/etc/containerd/config.toml", "version = 2\n");
        s.delete("run/containerd/containerd.sock");
        s.write("run/k3s/containerd/containerd.sock", "");
    }),
    // Without devices that need it.
    case("empty", &[], |s| s.write(CONTAINERD, "version = 2\nenable_cdi = false\n")),
    case(NPUS, &[], |s| {
        s.write(CONTAINERD, "version = 2\n");
        s.write("var/run/cdi/bad.yaml", "{\"kind\": ");
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
