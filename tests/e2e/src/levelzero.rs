//! The image of the Level-Zero sidecar, which is not one that is shipped: it has Debian's loader, and a driver that does what a file
//! says.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Prerequisites, cluster};

/// Its name.
pub const LEVELZERO_IMAGE: &str = "intel-gpu-levelzero";

/// The file that says, in the sidecar's container, what GPUs there are and how they are (`fake-levelzero-driver`'s `state.rs`).
pub const FAKE_DRIVER: &str = "/var/lib/levelzero/driver";

/// Debian bookworm's loader is of before Sysman had a call of its own to begin with.
const ENVIRONMENT: [&str; 3] = [
    "ZE_ENABLE_ALT_DRIVERS=/usr/lib/libfake_levelzero_driver.so",
    "ZES_ENABLE_SYSMAN=1",
    "FAKE_ZE=/var/lib/levelzero/driver",
];

/// Makes it.
pub(crate) fn pack(prerequisites: &Prerequisites, archive: &Path) {
    const PROGRAM: &str = "/usr/local/bin/intel_gpu_levelzero";
    let program = (prerequisites.levelzero.clone(), PROGRAM.to_owned());
    let files = files(prerequisites).into_iter().chain([program]);
    let files = files.map(|(file, path)| format!("{}={path}", file.display()));
    // As manifests name it, and as the operator does.
    let names = ["devel", "0.36.0"].map(|tag| format!("docker.io/intel/{LEVELZERO_IMAGE}:{tag}")).join(",");
    let mut command = Command::new(cluster::folder().join("image"));
    command.arg(archive).args([names, format!("[\"{PROGRAM}\"]")]).args(files);
    command.env("IMAGE_ENV", serde_json::to_string(&ENVIRONMENT).expect("a list of texts"));
    let output = command.output().expect("tests/cluster/image");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Files of this machine and where they are in the image.
fn files(prerequisites: &Prerequisites) -> Vec<(PathBuf, String)> {
    let driver = &prerequisites.levelzero_driver;
    let mut files = vec![(driver.clone(), "/usr/lib/libfake_levelzero_driver.so".to_owned())];
    let loader =
        ["/usr/lib/x86_64-linux-gnu/libze_loader.so.1", "/usr/lib/aarch64-linux-gnu/libze_loader.so.1"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.exists())
            .expect("libze1, which tests/cluster/install installs");
    files.push((loader.clone(), loader.display().to_string()));
    let output = Command::new("ldd").args([&prerequisites.levelzero, driver, &loader]).output().expect("ldd");
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    // Lines such as `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f0c1e000)`; the dynamic linker has but its path.
    let paths = listing.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    let paths = paths.filter(|path| !path.ends_with(':'));
    files.extend(paths.map(|path| (PathBuf::from(path), path.to_owned())));
    files.sort();
    files.dedup();
    files
}
