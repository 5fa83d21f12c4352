//! The demo of `PyTorch` by a real Python, with a module in `PyTorch`'s place: Intel's image is too large to have here, and wants a GPU.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::process::Command;

use e2e::Prerequisites;

/// In place of Python's own, which would look at this machine's devices.
const GLOB: &str = "
def glob(pattern):
    return [node for node in NODES if node.startswith(pattern.rstrip('*'))]
";

/// What of `PyTorch` the demo uses, with a device that multiplies by `FACTOR` too much.
const TORCH: &str = "
class xpu:
    def is_available():
        return HAS_DEVICE
    def get_device_name(number):
        return 'stand-in ' + str(number)

class tensor:
    def __init__(self, values, at='cpu'):
        self.values, self.at = values, at
    def to(self, at):
        return tensor(self.values, at)
    def __mul__(self, factor):
        assert self.at == 'xpu', 'computed on ' + self.at
        return tensor([value * factor * FACTOR for value in self.values], self.at)
    def tolist(self):
        return self.values
";

/// What the demo prints where a container has these nodes, and `PyTorch`, if it is there, begins so; and whether it succeeds.
fn demo(nodes: &str, torch: Option<&str>) -> (String, bool) {
    let modules = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| fs::write(modules.path().join(name), text).unwrap();
    write("glob.py", format!("NODES = {nodes}{GLOB}"));
    if let Some(constants) = torch {
        write("torch.py", format!("{constants}{TORCH}"));
    }
    let output = Command::new("python3")
        .arg("../../deployments/gpu_pytorch_demo/demo.py")
        .env("PYTHONPATH", modules.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.success())
}

#[test]
fn the_demo_of_pytorch_succeeds_only_if_the_gpu_computes_what_it_should() {
    if Prerequisites::find().is_none() {
        return;
    }
    let nodes = "['/dev/dri/card0', '/dev/dri/renderD128']";
    let given = "given by gpu.intel.com/i915: /dev/dri/card0 /dev/dri/renderD128\n";
    let device = "PyTorch's device: stand-in 0\n";
    let right = "HAS_DEVICE, FACTOR = True, 1";
    assert_eq!(
        demo(nodes, Some(right)),
        (format!("{given}{device}the GPU computed [2.0, 4.0, 6.0, 8.0]\n"), true)
    );
    assert_eq!(
        demo(nodes, Some("HAS_DEVICE, FACTOR = True, 3")),
        (format!("{given}{device}error: the GPU computed [6.0, 12.0, 18.0, 24.0]\n"), false)
    );
    assert_eq!(
        demo(nodes, Some("HAS_DEVICE, FACTOR = False, 1")),
        (format!("{given}error: PyTorch finds no GPU: is it one that this image's driver knows?\n"), false)
    );
    let (said, succeeded) = demo(nodes, None);
    assert!(said.contains("is the image intel/intel-extension-for-pytorch?") && !succeeded, "{said}");
    let (said, succeeded) = demo("[]", Some(right));
    assert!(said.contains("does it ask for gpu.intel.com/i915?") && !succeeded, "{said}");
}
