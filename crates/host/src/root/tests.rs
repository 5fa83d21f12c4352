use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::tree::Tree;

fn reason(error: &HostError) -> String {
    format!("{error}: {}", error.source)
}

#[test]
fn dots_do_not_lead_out_of_the_root() {
    let tree = Tree::new();
    tree.file("/secret", "outside").file("/node/etc/name", "inside");
    let host = Host::at(tree.at("/node")).unwrap();
    assert!(host.read("/../secret").unwrap_err().is_not_found());
    assert!(host.read("../secret").unwrap_err().is_not_found());
    assert!(host.read("/etc/../../../secret").unwrap_err().is_not_found());
    assert_eq!(host.read("/../../etc/name").unwrap(), "inside");
    assert_eq!(host.outside("/../etc/./name"), tree.at("/node/etc/name").canonicalize().unwrap());
}

#[test]
fn links_do_not_lead_out_of_the_root() {
    let tree = Tree::new();
    tree.file("/secret", "outside").file("/node/etc/name", "inside");
    tree.link("/node/absolute", "/etc/name");
    tree.link("/node/upward", "../../../../secret");
    tree.link("/node/away", tree.at("/secret").to_str().unwrap());
    let host = Host::at(tree.at("/node")).unwrap();
    assert_eq!(host.read("/absolute").unwrap(), "inside");
    assert_eq!(host.resolve("/absolute").unwrap(), Path::new("/etc/name"));
    assert!(host.read("/upward").unwrap_err().is_not_found());
    assert!(host.read("/away").unwrap_err().is_not_found());
}

#[test]
fn a_folder_is_opened_below_the_root() {
    let tree = Tree::new();
    tree.file("/secret/name", "outside").file("/node/secret/name", "inside").file("/node/name", "");
    tree.link("/node/upward", "../secret");
    let host = Host::at(tree.at("/node")).unwrap();
    for path in ["/secret", "secret", "/../secret", "/upward"] {
        let folder = host.open_folder(path).unwrap();
        let mut text = String::new();
        let file = rfs::openat(folder, "name", OFlags::RDONLY, Mode::empty()).unwrap();
        File::from(file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside", "{path}");
    }
    assert!(host.open_folder("/nothing").unwrap_err().is_not_found());
    assert!(
        reason(&host.open_folder("/name").unwrap_err()).starts_with("cannot open /name: Not a directory")
    );
}

#[test]
fn a_link_that_leads_nowhere_is_not_found() {
    let tree = Tree::new();
    tree.link("/dangling", "nothing");
    let host = tree.host();
    assert!(!host.exists("/dangling"));
    assert!(host.read("/dangling").unwrap_err().is_not_found());
    assert!(host.resolve("/dangling").unwrap_err().is_not_found());
    assert_eq!(host.link_target("/dangling").unwrap(), Path::new("nothing"));
}

#[test]
fn links_in_a_circle_are_an_error_of_their_own() {
    let tree = Tree::new();
    tree.link("/one", "two").link("/two", "one");
    let host = tree.host();
    assert!(!host.exists("/one"));
    for error in [host.read("/one").unwrap_err(), host.resolve("/one").unwrap_err()] {
        assert!(!error.is_not_found(), "{}", reason(&error));
    }
    assert_eq!(host.link_name("/one").unwrap(), "two");
}

#[test]
fn what_is_below_a_file_is_not_found() {
    let tree = Tree::new();
    tree.file("/sys/class/drm/version", "drm 1.1.0");
    assert!(tree.host().read("/sys/class/drm/version/device").unwrap_err().is_not_found());
}

#[test]
fn an_attribute_whose_device_goes_while_it_is_read_is_not_found() {
    let kernels_answer = HostError::new("read", Path::new("/sys/devices/x/vendor"), Errno::NODEV);
    assert!(kernels_answer.is_not_found());
    assert!(!HostError::new("read", Path::new("/sys/devices/x/vendor"), Errno::IO).is_not_found());
}

#[test]
fn a_pipe_in_an_attributes_place_does_not_hang() {
    let tree = Tree::new();
    mknodat(CWD, tree.at("/pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let host = tree.host();
    let without_writer = host.read("/pipe").unwrap_err();
    assert!(reason(&without_writer).contains("not a plain file but a Fifo"), "{}", reason(&without_writer));
    let _writer = File::options().read(true).write(true).open(tree.at("/pipe")).unwrap();
    host.read("/pipe").unwrap_err();
}

#[test]
fn a_folder_or_a_device_is_not_read() {
    let tree = Tree::new();
    tree.folder("/folder");
    assert!(reason(&tree.host().read("/folder").unwrap_err()).contains("but a Directory"));
    // It never ends.
    assert!(reason(&Host::real().read("/dev/zero").unwrap_err()).contains("but a CharacterDevice"));
}

#[test]
fn text_is_trimmed_and_everything_else_refused() {
    let tree = Tree::new();
    tree.file("/vendor", " 0x8086\n").file("/empty", "").file("/binary", b"\xff\xfe\x00");
    tree.file("/largest", vec![b'a'; 256 * 1024]).file("/huge", vec![b'a'; 256 * 1024 + 1]);
    let host = tree.host();
    assert_eq!(host.read("/vendor").unwrap(), "0x8086");
    assert_eq!(host.read("/empty").unwrap(), "");
    assert_eq!(host.read("/largest").unwrap().len(), 256 * 1024);
    assert_eq!(host.read("/binary").unwrap_err().to_string(), "cannot understand /binary");
    assert!(reason(&host.read("/binary").unwrap_err()).contains("not text"));
    assert!(reason(&host.read("/huge").unwrap_err()).contains("more than 262144 bytes"));
}

#[test]
fn names_are_sorted_and_text() {
    let tree = Tree::new();
    tree.file("/d/b", "").file("/d/a10", "").file("/d/a9", "").folder("/d/c");
    std::fs::write(tree.at("/d").join(OsStr::from_bytes(b"\xff")), "").unwrap();
    assert_eq!(tree.host().names("/d").unwrap(), ["a10", "a9", "b", "c"]);
    assert!(tree.host().names("/none").unwrap_err().is_not_found());
    assert_eq!(tree.host().names("/d/b").unwrap_err().to_string(), "cannot list /d/b");
}

#[test]
fn the_name_of_a_link_is_where_it_points_to() {
    let tree = Tree::new();
    tree.link("/driver", "../../bus/pci/drivers/xe").link("/up", "..").folder("/folder").file("/file", "");
    let host = tree.host();
    assert_eq!(host.link_name("/driver").unwrap(), "xe");
    assert!(reason(&host.link_name("/up").unwrap_err()).contains("which has no name"));
    assert!(host.link_name("/none").unwrap_err().is_not_found());
    for path in ["/folder", "/file"] {
        let error = host.link_name(path).unwrap_err();
        assert!(!error.is_not_found());
        assert_eq!(reason(&error), format!("cannot understand {path}: not a link"));
    }
}

#[test]
fn resolved_paths_are_the_nodes_own() {
    let tree = Tree::new();
    tree.folder("/sys/devices/pci0000:00/0000:00:02.0/drm/card0");
    tree.link("/sys/class/drm/card0", "../../devices/pci0000:00/0000:00:02.0/drm/card0");
    let host = tree.host();
    let card = Path::new("/sys/devices/pci0000:00/0000:00:02.0/drm/card0");
    assert_eq!(host.resolve("/sys/class/drm/card0").unwrap(), card);
    assert_eq!(host.resolve("/sys/class/drm/card0/../..").unwrap(), card.ancestors().nth(2).unwrap());
    assert_eq!(host.resolve("/").unwrap(), Path::new("/"));
    assert_eq!(Host::real().resolve("/proc/self/ns/../comm").unwrap().file_name(), Some(OsStr::new("comm")));
}

#[test]
fn a_root_that_is_moved_still_serves_but_shows_no_outside_path() {
    let tree = Tree::new();
    tree.file("/node/name", "inside");
    let host = Host::at(tree.at("/node")).unwrap();
    std::fs::rename(tree.at("/node"), tree.at("/elsewhere")).unwrap();
    assert_eq!(host.read("/name").unwrap(), "inside");
    assert!(reason(&host.resolve("/name").unwrap_err()).contains("the root folder was moved"));
}

#[test]
fn what_was_removed_after_it_was_opened_is_not_found() {
    let tree = Tree::new();
    tree.file("/name", "");
    let open = File::open(tree.at("/name")).unwrap();
    std::fs::remove_file(tree.at("/name")).unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
    assert!(Host::real().resolve(path).unwrap_err().is_not_found());
}

#[test]
fn only_the_slash_is_the_real_node() {
    let tree = Tree::new();
    tree.file("/file", "");
    for root in ["", "/", "/.", "/proc/.."] {
        assert!(!Host::at(root).unwrap().is_simulated(), "{root}");
    }
    assert!(tree.host().is_simulated());
    assert!(Host::at(tree.at("/none")).unwrap_err().is_not_found());
    assert!(Host::at(tree.at("/file")).is_err());
}

#[test]
fn the_real_node_is_read_the_same_way() {
    let host = Host::real();
    assert_eq!(host.read("/proc/sys/kernel/ostype").unwrap(), "Linux");
    assert_eq!(host.read("proc/sys/kernel/ostype").unwrap(), "Linux");
    assert!(host.names("/dev").unwrap().contains(&"null".to_owned()));
    assert_eq!(host.outside("/dev/null"), Path::new("/dev/null"));
}

#[test]
fn renames_elsewhere_do_not_disturb() {
    let tree = Tree::new();
    tree.file("/a/name", "inside").folder("/b").folder("/c/one");
    let host = tree.host();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                std::fs::rename(tree.at("/c/one"), tree.at("/c/two")).unwrap();
                std::fs::rename(tree.at("/c/two"), tree.at("/c/one")).unwrap();
            }
        });
        let read: Vec<_> = (0..20_000).map(|_| host.read("/b/../b/../b/../a/name")).collect();
        stop.store(true, Ordering::Relaxed);
        for text in read {
            assert_eq!(text.unwrap(), "inside");
        }
    });
}

#[test]
fn a_folder_that_is_only_kept_by_somebody_is_told_from_a_living_one() {
    use std::os::fd::AsRawFd as _;

    let tree = Tree::new();
    tree.folder("/dev/dri");
    let folder = File::open(tree.at("/dev/dri")).unwrap();
    let kept = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let host = Host::real();
    assert!(!host.is_removed_folder(&kept));
    assert!(!tree.host().is_removed_folder("/dev/dri"));
    std::fs::remove_dir(tree.at("/dev/dri")).unwrap();
    assert!(host.is_removed_folder(&kept));
    assert!(!tree.host().is_removed_folder("/dev/dri"), "what is not there was not removed");
}
