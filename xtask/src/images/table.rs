//! The images, under the Go implementation's names. A new one is a line here; tests hold the list against the manifests and the
//! programs.

/// The binary of the plugins and of what runs beside them.
const NODE: &str = "intel-device-plugins";
/// The binary of the operator and the webhooks.
const OPERATOR: &str = "intel-device-plugins-operator";

/// Of the image, where manifests say nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// What it writes to on the node is root's: the kubelet's folder of sockets, folders of hooks, sysfs. It needs no capability.
    Root,
    /// 65532, as in the Go implementation's manifests.
    Nobody,
}

/// One image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    /// Such as `intel-gpu-plugin`, of `intel/intel-gpu-plugin:devel`.
    pub(crate) name: &'static str,
    /// The package, one of [`crate::build::SHIPPED`], whose binary is in it.
    pub(crate) package: &'static str,
    /// The name under `/usr/local/bin` by which its container runs the binary, and which says what it does.
    pub(crate) entry_point: &'static str,
    pub(crate) user: User,
    /// Where its container starts, from the root.
    pub(crate) working_folder: &'static str,
    /// One line for people.
    pub(crate) summary: &'static str,
}

const fn node(name: &'static str, entry_point: &'static str, summary: &'static str) -> Image {
    Image { name, package: NODE, entry_point, user: User::Root, working_folder: "/", summary }
}

const fn operator(name: &'static str, entry_point: &'static str, summary: &'static str) -> Image {
    Image { name, package: OPERATOR, entry_point, user: User::Nobody, working_folder: "/", summary }
}

impl Image {
    const fn in_folder(self, working_folder: &'static str) -> Self {
        Self { working_folder, ..self }
    }
}

/// Sorted by name. Not among them: `intel-gpu-levelzero`, which needs a C library and Intel's driver beside it
/// (`docs/gpu/levelzero.md`).
pub(crate) const IMAGES: [Image; 20] = [
    node("intel-device-plugins", NODE, "All device plugins for Intel hardware in one process"),
    operator(
        "intel-deviceplugin-operator",
        "intel_deviceplugin_operator",
        "Operator of Intel's device plugins",
    ),
    node("intel-dlb-initcontainer", "intel-dlb-initcontainer", "Sets up Intel DLB for its device plugin"),
    node("intel-dlb-plugin", "intel_dlb_device_plugin", "Device plugin for Intel DLB"),
    node("intel-dsa-plugin", "intel_dsa_device_plugin", "Device plugin for Intel DSA"),
    operator(
        "intel-fpga-admissionwebhook",
        "intel_fpga_admissionwebhook",
        "Admission webhook for Intel FPGAs",
    ),
    node("intel-fpga-initcontainer", "intel-fpga-initcontainer", "Puts the hook for Intel FPGAs on a node"),
    node("intel-fpga-plugin", "intel_fpga_device_plugin", "Device plugin for Intel FPGAs"),
    node("intel-gpu-fakedev", "intel_gpu_fakedev", "Makes files of simulated Intel GPUs"),
    node(
        "intel-gpu-initcontainer",
        "intel-gpu-initcontainer",
        "Puts the hook for labels of Intel GPUs on a node",
    ),
    node("intel-gpu-plugin", "intel_gpu_device_plugin", "Device plugin for Intel GPUs"),
    node("intel-iaa-plugin", "intel_iaa_device_plugin", "Device plugin for Intel IAA"),
    node("intel-idxd-config-initcontainer", "intel-idxd-config-initcontainer", "Sets up Intel DSA and IAA")
        .in_folder("/idxd-init"),
    node("intel-npu-plugin", "intel_npu_device_plugin", "Device plugin for Intel NPUs"),
    node("intel-qat-initcontainer", "intel-qat-initcontainer", "Sets up Intel QAT for its device plugin")
        .in_folder("/qat-init"),
    node("intel-qat-plugin", "intel_qat_device_plugin", "Device plugin for Intel QAT"),
    operator("intel-sgx-admissionwebhook", "intel_sgx_admissionwebhook", "Admission webhook for Intel SGX"),
    node("intel-sgx-initcontainer", "intel-sgx-initcontainer", "Puts the hook for enclave memory on a node"),
    node("intel-sgx-plugin", "intel_sgx_device_plugin", "Device plugin for Intel SGX"),
    node(
        "intel-xpumanager-sidecar",
        "intel_xpumanager_sidecar",
        "Labels nodes with the links between their GPUs",
    ),
];

/// More names of a package's binary below `/usr/local/bin`: manifests run it by these in the init containers' images.
pub(crate) const MORE_NAMES: [(&str, &str); 2] =
    [(NODE, "gpu-sw/intel-gpu-nfdhook"), (NODE, "sgx-sw/intel-sgx-epchook")];
