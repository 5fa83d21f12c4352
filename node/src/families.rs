//! The device families of this binary: a new one is a line here.

use std::ffi::OsString;
use std::process::ExitCode;

use cli::confinement::Needs;
use cli::plugin::Start;
use doctor::Doctor;
use host::Reads;

/// One family of devices and how to run its plugin.
pub(crate) struct Family {
    /// The command.
    pub(crate) name: &'static str,
    /// What it serves.
    pub(crate) about: &'static str,
    /// The program's name in the family's image.
    pub(crate) entry_point: &'static str,
    /// Runs the plugin as a process of its own; gets the name for its usage text and the flags.
    pub(crate) main: fn(&str, Vec<OsString>) -> ExitCode,
    /// Whether the plugin has the flag `-node-name`.
    pub(crate) is_of_a_node: bool,
    /// What the plugin needs beyond what all do.
    pub(crate) needs: Needs,
    /// The plugin that these flags ask for, to be run beside others.
    pub(crate) parse: fn(&[String]) -> Result<Start, String>,
    /// What the plugin, and whatever else there is of the family, reads of a node.
    pub(crate) reads: &'static [&'static [Reads]],
    /// How a node's devices are looked at when something is wrong.
    pub(crate) doctor: &'static Doctor,
    /// What its resources' names begin with.
    pub(crate) namespace: &'static str,
}

impl Family {
    /// Whether the resource of this full name, such as `gpu.intel.com/xe`, is of its plugin.
    pub(crate) fn offers(&self, resource: &str) -> bool {
        resource.strip_prefix(self.namespace).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The family whose plugin offers the resource of this full name.
pub(crate) fn of_resource(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.offers(name))
}

/// The family of that name.
pub(crate) fn named(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| family.name == name)
}

/// In the order of the usage text.
pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "gpu",
        about: "Intel GPUs",
        entry_point: "intel_gpu_device_plugin",
        main: gpu_plugin::main,
        is_of_a_node: false,
        needs: Needs::CDI,
        parse: gpu_plugin::parse,
        reads: &[gpu_plugin::READS, gpu_labels::READS],
        doctor: &gpu_plugin::doctor::DOCTOR,
        namespace: "gpu.intel.com",
    },
    Family {
        name: "npu",
        about: "Neural Processing Units",
        entry_point: "intel_npu_device_plugin",
        main: npu_plugin::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: npu_plugin::parse,
        reads: &[npu_plugin::READS],
        doctor: &npu_plugin::doctor::DOCTOR,
        namespace: "npu.intel.com",
    },
    Family {
        name: "qat",
        about: "QuickAssist",
        entry_point: "intel_qat_device_plugin",
        main: qat_plugin::main,
        is_of_a_node: false,
        needs: qat_plugin::NEEDS,
        parse: qat_plugin::parse,
        reads: &[qat_plugin::READS],
        doctor: &qat_plugin::doctor::DOCTOR,
        namespace: "qat.intel.com",
    },
    Family {
        name: "dsa",
        about: "Data Streaming Accelerators",
        entry_point: "intel_dsa_device_plugin",
        main: idxd_plugin::dsa::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: idxd_plugin::dsa::parse,
        reads: &[idxd_plugin::READS],
        doctor: &idxd_plugin::doctor::DSA,
        namespace: "dsa.intel.com",
    },
    Family {
        name: "iaa",
        about: "In-Memory Analytics Accelerators",
        entry_point: "intel_iaa_device_plugin",
        main: idxd_plugin::iaa::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: idxd_plugin::iaa::parse,
        // With the other family of the driver.
        reads: &[],
        doctor: &idxd_plugin::doctor::IAA,
        namespace: "iaa.intel.com",
    },
    Family {
        name: "dlb",
        about: "Dynamic Load Balancers",
        entry_point: "intel_dlb_device_plugin",
        main: dlb_plugin::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: dlb_plugin::parse,
        reads: &[dlb_plugin::READS],
        doctor: &dlb_plugin::doctor::DOCTOR,
        namespace: "dlb.intel.com",
    },
    Family {
        name: "sgx",
        about: "SGX enclaves and the provisioning key",
        entry_point: "intel_sgx_device_plugin",
        main: sgx_plugin::main,
        is_of_a_node: false,
        needs: Needs::CDI,
        parse: sgx_plugin::parse,
        reads: &[sgx_plugin::READS],
        doctor: &sgx_plugin::doctor::DOCTOR,
        namespace: "sgx.intel.com",
    },
    Family {
        name: "fpga",
        about: "FPGAs",
        entry_point: "intel_fpga_device_plugin",
        main: fpga_plugin::main,
        is_of_a_node: true,
        needs: fpga_plugin::NEEDS,
        parse: fpga_plugin::parse,
        reads: &[fpga_plugin::READS],
        doctor: &fpga_plugin::doctor::DOCTOR,
        namespace: "fpga.intel.com",
    },
];
