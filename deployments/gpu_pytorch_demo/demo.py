"""Shows which GPU this container was given, and has PyTorch double a tensor on it."""

import glob
import sys

nodes = sorted(glob.glob("/dev/dri/card*") + glob.glob("/dev/dri/renderD*"))
print("given by gpu.intel.com/i915:", *nodes)
if not nodes:
    sys.exit("error: no /dev/dri/renderD* in this container: does it ask for gpu.intel.com/i915?")

try:
    import torch
except ImportError as reason:
    sys.exit(f"error: {reason}: is the image intel/intel-extension-for-pytorch?")

if not torch.xpu.is_available():
    sys.exit("error: PyTorch finds no GPU: is it one that this image's driver knows?")
print("PyTorch's device:", torch.xpu.get_device_name(0))
doubled = torch.tensor([1.0, 2.0, 3.0, 4.0]).to("xpu") * 2
if doubled.tolist() != [2.0, 4.0, 6.0, 8.0]:
    sys.exit(f"error: the GPU computed {doubled.tolist()}")
print("the GPU computed", doubled.tolist())
