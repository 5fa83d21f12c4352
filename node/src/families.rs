//! The device families of this binary: a new one is a line here.

use std::ffi::OsString;
use std::process::ExitCode;

use cli::confinement::Needs;
use cli::plugin::Start;

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
    },
    Family {
        name: "npu",
        about: "Neural Processing Units",
        entry_point: "intel_npu_device_plugin",
        main: npu_plugin::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: npu_plugin::parse,
    },
    Family {
        name: "qat",
        about: "QuickAssist",
        entry_point: "intel_qat_device_plugin",
        main: qat_plugin::main,
        is_of_a_node: false,
        needs: qat_plugin::NEEDS,
        parse: qat_plugin::parse,
    },
    Family {
        name: "dsa",
        about: "Data Streaming Accelerators",
        entry_point: "intel_dsa_device_plugin",
        main: idxd_plugin::dsa::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: idxd_plugin::dsa::parse,
    },
    Family {
        name: "iaa",
        about: "In-Memory Analytics Accelerators",
        entry_point: "intel_iaa_device_plugin",
        main: idxd_plugin::iaa::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: idxd_plugin::iaa::parse,
    },
    Family {
        name: "dlb",
        about: "Dynamic Load Balancers",
        entry_point: "intel_dlb_device_plugin",
        main: dlb_plugin::main,
        is_of_a_node: false,
        needs: Needs::NONE,
        parse: dlb_plugin::parse,
    },
    Family {
        name: "sgx",
        about: "SGX enclaves and the provisioning key",
        entry_point: "intel_sgx_device_plugin",
        main: sgx_plugin::main,
        is_of_a_node: false,
        needs: Needs::CDI,
        parse: sgx_plugin::parse,
    },
    Family {
        name: "fpga",
        about: "FPGAs",
        entry_point: "intel_fpga_device_plugin",
        main: fpga_plugin::main,
        is_of_a_node: true,
        needs: fpga_plugin::NEEDS,
        parse: fpga_plugin::parse,
    },
];
