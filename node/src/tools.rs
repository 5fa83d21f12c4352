//! The tools of single families: what runs on a node beside its plugin.

use std::ffi::OsString;
use std::process::ExitCode;

/// A program beside the plugins.
pub(crate) struct Tool {
    /// The command: one word or several.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// The program's name on the node.
    pub(crate) entry_point: &'static str,
    /// Gets the name for its usage text and the flags.
    pub(crate) main: fn(&str, Vec<OsString>) -> ExitCode,
}

/// The tool whose name these words begin with, and the words that follow.
pub(crate) fn named(words: &[OsString]) -> Option<(&'static Tool, &[OsString])> {
    TOOLS.iter().find_map(|tool| {
        let (name, rest) = words.split_at_checked(tool.name.split(' ').count())?;
        name.iter().eq(tool.name.split(' ')).then_some((tool, rest))
    })
}

/// In the order of the usage text.
pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "fpga-hook",
        about: "program FPGAs before a container starts; container runtimes run it",
        entry_point: "intel-fpga-crihook",
        main: fpga_hook::main,
    },
    Tool {
        name: "fpga-tool",
        about: "look at FPGAs and bitstream files, and program the ones with the others",
        entry_point: "fpga_tool",
        main: fpga_tool::main,
    },
    Tool {
        name: "install fpga",
        about: "put the two on this node, as the init container does",
        entry_point: "intel-fpga-initcontainer",
        main: fpga_hook::install::main,
    },
    Tool {
        name: "gpu-fakedev",
        about: "make sys and dev of simulated GPUs in the working folder, from a JSON file",
        entry_point: "intel_gpu_fakedev",
        main: gpu_fakedev::main,
    },
    Tool {
        name: "xelink-sidecar",
        about: "label a node with the links between its GPUs",
        entry_point: "intel_xpumanager_sidecar",
        main: gpu_xelink::main,
    },
    Tool {
        name: "gpu-labels",
        about: "say in labels what GPUs the node has: print them, or keep the node labelled",
        entry_point: "intel-gpu-nfdhook",
        main: gpu_labels::main,
    },
    Tool {
        name: "install gpu-labels",
        about: "put it on this node as a hook of Node Feature Discovery",
        entry_point: "intel-gpu-initcontainer",
        main: crate::hooks::gpu_labels,
    },
    Tool {
        name: "sgx-epc",
        about: "tell Kubernetes how much enclave memory the node has",
        entry_point: "intel-sgx-epchook",
        main: sgx_epc::main,
    },
    Tool {
        name: "install sgx-epc",
        about: "put it on this node as a hook of Node Feature Discovery",
        entry_point: "intel-sgx-initcontainer",
        main: crate::hooks::sgx_epc,
    },
];
