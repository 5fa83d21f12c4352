//! What programs see and do on the file system.
#![expect(clippy::print_stderr, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustix::io::Errno;
use simulated_sysfs::{DEVICE, mounted};
use simulator::{Damage, Kernel, Profile, SimulatedNode};

/// A physical function that can have virtual ones.
const QAT: &str = "bus/pci/devices/0000:6b:00.0";

/// Runs `act` where a node of this profile is; it is given the node's `/sys` and its kernel. What is missing for that is said in one
/// line, and is an error where `CI` is set.
fn on(profile: &str, act: impl FnOnce(&Path, &Arc<Kernel>) + Send) {
    if !rustix::process::geteuid().is_root() || !Path::new(DEVICE).exists() {
        let missing = format!("a file system needs root and {DEVICE}");
        assert!(std::env::var_os("CI").is_none(), "{missing}, and CI may skip nothing");
        eprintln!("skipped: {missing}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::builtin(profile).unwrap();
    let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
    let kernel = Kernel::run(node);
    let sys = folder.path().join("sys");
    fs::create_dir(&sys).unwrap();
    mounted(&kernel, &sys, || act(&sys, &kernel)).unwrap();
    assert_eq!(fs::read_dir(&sys).unwrap().count(), 0, "others see no mount");
}

/// Paths and what is there: a link's target, a file's content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let mut shown = format!("{:o} ", metadata.permissions().mode());
        if metadata.is_symlink() {
            shown += fs::read_link(&path).unwrap().to_str().unwrap();
        } else if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            shown += &String::from_utf8_lossy(&fs::read(&path).unwrap());
        }
        found.insert(path.strip_prefix(folder).unwrap().to_owned(), shown);
    }
    found
}

fn errno<T>(result: std::io::Result<T>) -> Option<Errno> {
    result.err().and_then(|error| Errno::from_io_error(&error))
}

#[test]
fn a_node_looks_as_its_files_do() {
    on("xeon-full", |sys, kernel| {
        let files = kernel.node().root().join("sys");
        let (shown, expected) = (tree(sys), tree(&files));
        assert!(expected.len() > 5000, "{}", expected.len());
        assert_eq!(shown, expected);
        assert_eq!(fs::read_to_string(sys.join(QAT).join("vendor")).unwrap(), "0x8086\n", "through a link");
    });
}

#[test]
fn writes_do_what_the_kernel_does() {
    on("xeon-unconfigured", |sys, kernel| {
        let function = sys.join(QAT);
        assert!(!function.join("virtfn0").exists());
        // As a program does that knows nothing of this.
        let script = format!("echo 16 >{}/sriov_numvfs", function.display());
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        assert_eq!(fs::read_link(function.join("virtfn15")).unwrap(), Path::new("../0000:6b:02.0"));
        assert_eq!(fs::read_to_string(function.join("virtfn0/device")).unwrap(), "0x4941\n");
        assert_eq!(fs::read_to_string(function.join("sriov_numvfs")).unwrap(), "16\n");
        fs::write(function.join("sriov_numvfs"), "0").unwrap();
        assert!(!function.join("virtfn0").exists());
        assert!(!sys.join("bus/pci/devices/0000:6b:00.1").exists());
        let of_it = |(path, value): (PathBuf, String)| path.ends_with("sriov_numvfs").then_some(value);
        let written: Vec<String> = kernel.written().into_iter().filter_map(of_it).collect();
        assert_eq!(written, ["16\n", "0"], "opening to truncate writes nothing");
    });
}

#[test]
fn what_the_kernel_refuses_fails_with_its_error() {
    on("xeon-unconfigured", |sys, kernel| {
        let function = sys.join(QAT);
        let write = |name: &str, value: &str| errno(fs::write(function.join(name), value));
        assert_eq!(write("sriov_numvfs", "many"), Some(Errno::INVAL));
        assert_eq!(write("sriov_numvfs", "17"), Some(Errno::RANGE));
        assert_eq!(write("sriov_numvfs", "16"), None);
        assert_eq!(write("sriov_numvfs", "8"), Some(Errno::BUSY));
        assert_eq!(write("vendor", "0x1234"), Some(Errno::ACCESS));
        assert_eq!(errno(fs::write(function.join("sriov_numvfs"), b"\xff")), Some(Errno::INVAL));
        assert_eq!(errno(fs::write(sys.join("bus/pci/drivers/4xxx/bind"), "nobody")), Some(Errno::NODEV));
        assert_eq!(fs::read_to_string(function.join("sriov_numvfs")).unwrap(), "16\n");
        kernel.refuse("driver_override", ErrorKind::ReadOnlyFilesystem);
        assert_eq!(write("driver_override", "vfio-pci"), Some(Errno::ROFS), "as a test says");
    });
}

#[test]
fn each_write_is_a_value() {
    on("xeon-unconfigured", |sys, kernel| {
        let path = sys.join(QAT).join("sriov_numvfs");
        let mut file = File::options().write(true).open(path).unwrap();
        file.write_all(b"16").unwrap();
        // Further on in the file.
        file.write_all(b"0\n").unwrap();
        let values: Vec<String> = kernel.written().into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["16", "0\n"]);
    });
}

#[test]
fn what_changes_behind_it_is_seen_at_once() {
    on("xeon-unconfigured", |sys, kernel| {
        let attribute = sys.join(QAT).join("qat/state");
        let read = || fs::read_to_string(&attribute);
        let names = || fs::read_dir(sys.join(QAT)).unwrap().count();
        let file = File::open(&attribute).unwrap();
        assert_eq!(read().unwrap(), "up\n");
        let had = names();
        let path = Path::new("/sys").join(QAT).join("qat/state");
        kernel.node().set_attribute(&path, "much longer than before").unwrap();
        assert_eq!(read().unwrap(), "much longer than before\n");
        assert_eq!(std::io::read_to_string(file).unwrap(), "much longer than before\n", "opened before");
        kernel.node().damage(&path, Damage::Folder).unwrap();
        assert!(attribute.is_dir());
        kernel.node().delete(&path).unwrap();
        assert_eq!(errno(read()), Some(Errno::NOENT));
        kernel.node().set_attribute(Path::new("/sys").join(QAT).join("new"), "1").unwrap();
        assert_eq!(names(), had + 1);
        kernel.node().remove("qat0").unwrap();
        assert!(!sys.join(QAT).exists());
    });
}

#[test]
fn nothing_can_be_made_or_removed() {
    on("xeon-unconfigured", |sys, kernel| {
        let before = tree(&kernel.node().root().join("sys"));
        let (new, old) = (sys.join("class/new"), sys.join(QAT).join("vendor"));
        assert_eq!(errno(File::create(&new)), Some(Errno::ACCESS));
        assert_eq!(errno(fs::create_dir(&new)), Some(Errno::PERM));
        assert_eq!(errno(symlink("x", &new)), Some(Errno::PERM));
        assert_eq!(errno(fs::hard_link(&old, &new)), Some(Errno::PERM));
        assert_eq!(errno(fs::rename(&old, &new)), Some(Errno::PERM));
        assert_eq!(errno(fs::remove_file(&old)), Some(Errno::PERM));
        assert_eq!(errno(fs::remove_dir(sys.join("class"))), Some(Errno::PERM));
        assert_eq!(errno(fs::set_permissions(&old, fs::Permissions::from_mode(0o777))), Some(Errno::PERM));
        assert_eq!(tree(&kernel.node().root().join("sys")), before);
    });
}

#[test]
fn mounts_on_its_folders_stay() {
    on("xeon-unconfigured", |sys, kernel| {
        let folder = sys.join("bus/pci");
        rustix::mount::mount_bind("/proc/self", &folder).unwrap();
        assert!(folder.join("status").exists());
        // The folder is looked up again, with something new in it.
        kernel.node().set_attribute("/sys/bus/pci/new", "1").unwrap();
        assert_eq!(fs::read_dir(sys.join("bus")).unwrap().count(), 2);
        assert!(folder.join("status").exists());
    });
}
