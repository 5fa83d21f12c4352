use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::tree::Tree;

fn watch(tree: &Tree, folders: &[&str]) -> FolderWatch {
    let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    FolderWatch::new(&tree.host(), &folders).unwrap()
}

fn change(path: &str, replaced: bool, names: &[&str]) -> FolderChange {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    FolderChange { path: PathBuf::from(path), replaced, names }
}

#[track_caller]
fn assert_changes(watch: &mut FolderWatch, expected: &[FolderChange]) {
    assert_eq!(watch.drain().unwrap(), Changes { folders: expected.to_vec(), overflow: false });
}

#[test]
fn entries_that_come_change_and_go_are_named() {
    let tree = Tree::new();
    tree.file("/dev/dri/card0", "").file("/dev/dri/card1", "");
    let mut watch = watch(&tree, &["/dev/dri"]);
    assert_changes(&mut watch, &[]);
    tree.file("/dev/dri/card2", "");
    assert_changes(&mut watch, &[change("/dev/dri", false, &["card2"])]);
    fs::remove_file(tree.at("/dev/dri/card0")).unwrap();
    fs::rename(tree.at("/dev/dri/card1"), tree.at("/dev/dri/card9")).unwrap();
    assert_changes(&mut watch, &[change("/dev/dri", false, &["card0", "card1", "card9"])]);
    fs::set_permissions(tree.at("/dev/dri/card2"), Permissions::from_mode(0o600)).unwrap();
    assert_changes(&mut watch, &[change("/dev/dri", false, &["card2"])]);
    fs::write(tree.at("/dev/dri/card2"), "content does not matter").unwrap();
    assert_changes(&mut watch, &[]);
}

#[test]
fn its_descriptor_tells_when_there_is_something() {
    let tree = Tree::new();
    let mut watch = watch(&tree, &["/dev/dri"]);
    let readable = |watch: &FolderWatch| {
        poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap()
            == 1
    };
    assert!(!readable(&watch));
    tree.folder("/dev/dri");
    assert!(readable(&watch));
    watch.drain().unwrap();
    assert!(!readable(&watch));
}

#[test]
fn a_folder_that_appears_step_by_step_is_watched() {
    let tree = Tree::new();
    let mut watch = watch(&tree, &["/dev/dri/by-path"]);
    tree.folder("/dev");
    assert_changes(&mut watch, &[]);
    tree.folder("/dev/dri");
    assert_changes(&mut watch, &[]);
    tree.folder("/dev/dri/by-path");
    assert_changes(&mut watch, &[change("/dev/dri/by-path", true, &[])]);
    tree.file("/dev/dri/by-path/pci-0000:03:00.0-card", "");
    assert_changes(&mut watch, &[change("/dev/dri/by-path", false, &["pci-0000:03:00.0-card"])]);
}

#[test]
fn a_folder_that_appears_at_once_is_watched() {
    let tree = Tree::new();
    let mut watch = watch(&tree, &["/dev/dri/by-path"]);
    tree.file("/dev/dri/by-path/one", "");
    assert_changes(&mut watch, &[change("/dev/dri/by-path", true, &[])]);
    tree.file("/dev/dri/by-path/two", "");
    assert_changes(&mut watch, &[change("/dev/dri/by-path", false, &["two"])]);
}

#[test]
fn what_happens_beside_the_way_is_no_change() {
    let tree = Tree::new();
    tree.folder("/dev/dri");
    let mut watch = watch(&tree, &["/dev/dri/by-path", "/sys/class/drm"]);
    tree.file("/dev/tty0", "").file("/dev/dri/card0", "").folder("/sys/bus").file("/dev/dri/by-pat", "");
    fs::remove_file(tree.at("/dev/dri/card0")).unwrap();
    assert_changes(&mut watch, &[]);
    tree.folder("/sys/class/drm");
    assert_changes(&mut watch, &[change("/sys/class/drm", true, &[])]);
}

#[test]
fn a_folder_that_goes_and_comes_back_is_noticed_and_watched() {
    let tree = Tree::new();
    tree.folder("/dev/dri");
    let mut watch = watch(&tree, &["/dev/dri"]);
    fs::remove_dir(tree.at("/dev/dri")).unwrap();
    assert_changes(&mut watch, &[change("/dev/dri", true, &[])]);
    tree.folder("/dev/dri");
    assert_changes(&mut watch, &[change("/dev/dri", true, &[])]);
    // Both between two looks.
    fs::remove_dir(tree.at("/dev/dri")).unwrap();
    tree.folder("/dev/dri");
    assert_changes(&mut watch, &[change("/dev/dri", true, &[])]);
    tree.file("/dev/dri/card0", "");
    assert_changes(&mut watch, &[change("/dev/dri", false, &["card0"])]);
}

#[test]
fn a_folder_that_another_one_replaces_is_noticed() {
    let tree = Tree::new();
    tree.folder("/dev/dri").folder("/dev/new");
    let mut watch = watch(&tree, &["/dev/dri"]);
    fs::rename(tree.at("/dev/new"), tree.at("/dev/dri")).unwrap();
    assert_changes(&mut watch, &[change("/dev/dri", true, &[])]);
    tree.file("/dev/dri/card0", "");
    assert_changes(&mut watch, &[change("/dev/dri", false, &["card0"])]);
}

#[test]
fn a_folder_that_moves_away_with_its_parent_is_noticed_and_left() {
    let tree = Tree::new();
    tree.folder("/dev/dri/by-path");
    let mut watch = watch(&tree, &["/dev/dri/by-path"]);
    fs::rename(tree.at("/dev"), tree.at("/away")).unwrap();
    assert_changes(&mut watch, &[change("/dev/dri/by-path", true, &[])]);
    tree.file("/away/dri/by-path/one", "");
    assert_changes(&mut watch, &[]);
    fs::rename(tree.at("/away"), tree.at("/dev")).unwrap();
    assert_changes(&mut watch, &[change("/dev/dri/by-path", true, &[])]);
    tree.file("/dev/dri/by-path/two", "");
    assert_changes(&mut watch, &[change("/dev/dri/by-path", false, &["two"])]);
}

#[test]
fn a_file_in_the_folders_place_is_as_good_as_none() {
    let tree = Tree::new();
    tree.file("/dev/dri", "").file("/sys/class", "");
    let mut watch = watch(&tree, &["/dev/dri", "/sys/class/drm"]);
    fs::remove_file(tree.at("/dev/dri")).unwrap();
    fs::remove_file(tree.at("/sys/class")).unwrap();
    assert_changes(&mut watch, &[]);
    tree.folder("/dev/dri").folder("/sys/class/drm");
    assert_changes(&mut watch, &[change("/dev/dri", true, &[]), change("/sys/class/drm", true, &[])]);
}

#[test]
fn a_folder_and_one_below_it_are_told_apart() {
    let tree = Tree::new();
    tree.folder("/dev/dri");
    let mut watch = watch(&tree, &["/dev/dri/by-path", "/dev/dri", "/dev/dri"]);
    tree.file("/dev/dri/by-path/one", "");
    let twice = change("/dev/dri", false, &["by-path"]);
    assert_changes(&mut watch, &[change("/dev/dri/by-path", true, &[]), twice.clone(), twice]);
    tree.file("/dev/dri/by-path/two", "");
    assert_changes(&mut watch, &[change("/dev/dri/by-path", false, &["two"])]);
}

#[test]
fn links_on_the_way_are_followed_and_watched() {
    let tree = Tree::new();
    tree.link("/var/kubelet", "/data/kubelet").link("/data", "./disk1/../disk2");
    let mut watch = watch(&tree, &["/var/kubelet/device-plugins"]);
    tree.folder("/disk1");
    assert_changes(&mut watch, &[]);
    tree.folder("/disk2/kubelet/device-plugins");
    assert_changes(&mut watch, &[change("/var/kubelet/device-plugins", true, &[])]);
    tree.file("/disk2/kubelet/device-plugins/kubelet.sock", "");
    assert_changes(&mut watch, &[change("/var/kubelet/device-plugins", false, &["kubelet.sock"])]);
    fs::remove_file(tree.at("/data")).unwrap();
    tree.folder("/data/kubelet/device-plugins");
    assert_changes(&mut watch, &[change("/var/kubelet/device-plugins", true, &[])]);
    tree.file("/disk2/kubelet/device-plugins/other.sock", "");
    assert_changes(&mut watch, &[]);
}

#[test]
fn links_do_not_lead_out_of_the_root() {
    let tree = Tree::new();
    tree.link("/node/dev", "../../outside").link("/node/sys", tree.at("/outside").to_str().unwrap());
    let host = Host::at(tree.at("/node")).unwrap();
    let mut watch = FolderWatch::new(&host, &["/dev".into(), "/sys".into(), "/../outside".into()]).unwrap();
    tree.folder("/outside");
    assert_changes(&mut watch, &[]);
    tree.folder("/node/outside");
    assert_changes(&mut watch, &[change("/dev", true, &[]), change("/../outside", true, &[])]);
}

#[test]
fn links_in_a_circle_are_waited_out() {
    let tree = Tree::new();
    tree.link("/one", "two").link("/two", "one/x");
    let mut watch = watch(&tree, &["/one"]);
    fs::remove_file(tree.at("/two")).unwrap();
    tree.folder("/two");
    assert_changes(&mut watch, &[change("/one", true, &[])]);
}

#[test]
fn folders_on_the_way_need_not_be_readable() {
    let tree = Tree::new();
    tree.folder("/private/dri");
    fs::set_permissions(tree.at("/private"), Permissions::from_mode(0o311)).unwrap();
    let mut watch = watch(&tree, &["/private/dri"]);
    tree.file("/private/dri/card0", "");
    assert_changes(&mut watch, &[change("/private/dri", false, &["card0"])]);
    fs::remove_dir_all(tree.at("/private/dri")).unwrap();
    // But where nothing would tell that the folder comes back, it is an error. Root may read everything.
    let may_read = fs::read_dir(tree.at("/private")).is_ok();
    match watch.drain() {
        Ok(changes) => assert!(may_read && changes.folders[0].replaced),
        Err(error) => assert!(!may_read && error.to_string() == "cannot watch /private", "{error}"),
    }
    fs::set_permissions(tree.at("/private"), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn the_real_node_can_be_watched() {
    let tree = Tree::new();
    let folder = tree.at("/a/b");
    let mut watch =
        FolderWatch::new(&Host::real(), &[folder.clone(), "/dev".into(), "/proc".into()]).unwrap();
    tree.folder("/a/b");
    let changes = watch.drain().unwrap().folders;
    assert!(changes.contains(&change(folder.to_str().unwrap(), true, &[])), "{changes:?}");
}

#[test]
fn unused_watches_are_given_back() {
    let tree = Tree::new();
    let mut watch = watch(&tree, &["/dev/dri"]);
    for _ in 0..3 {
        tree.folder("/dev/dri");
        watch.drain().unwrap();
        assert_eq!(kernels_watches(&watch), 3);
        fs::rename(tree.at("/dev"), tree.at("/away")).unwrap();
        watch.drain().unwrap();
        assert_eq!(kernels_watches(&watch), 1);
        fs::remove_dir_all(tree.at("/away")).unwrap();
    }
}

fn kernels_watches(watch: &FolderWatch) -> usize {
    use std::os::fd::AsRawFd as _;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", watch.as_fd().as_raw_fd())).unwrap();
    info.lines().filter(|line| line.starts_with("inotify ")).count()
}

#[test]
fn more_than_the_kernel_keeps_is_an_overflow() {
    let limit: usize = Host::real().parse("/proc/sys/fs/inotify/max_queued_events", "a limit").unwrap();
    let tree = Tree::new();
    tree.file("/dev/dri/one", "");
    let mut watch = watch(&tree, &["/dev/dri"]);
    for _ in 0..=limit / 4 {
        fs::rename(tree.at("/dev/dri/one"), tree.at("/dev/dri/two")).unwrap();
        fs::rename(tree.at("/dev/dri/two"), tree.at("/dev/dri/one")).unwrap();
    }
    fs::remove_dir_all(tree.at("/dev")).unwrap();
    tree.folder("/dev/dri");
    let changes = watch.drain().unwrap();
    assert!(changes.overflow && changes.folders[0].replaced);
    tree.file("/dev/dri/three", "");
    assert_changes(&mut watch, &[change("/dev/dri", false, &["three"])]);
}

#[test]
fn a_folder_that_is_made_while_the_way_is_walked_is_found() {
    let tree = Tree::new();
    let mut watch = watch(&tree, &["/a/b/c", "/a/link"]);
    for _ in 0..500 {
        std::thread::scope(|scope| {
            let maker = scope.spawn(|| {
                tree.folder("/a/b").link("/a/link", "b/c").folder("/a/b/c");
                fs::rename(tree.at("/a/b"), tree.at("/away")).unwrap();
                tree.folder("/a/b").folder("/a/b/c");
            });
            while !maker.is_finished() {
                watch.drain().unwrap();
            }
        });
        watch.drain().unwrap();
        tree.file("/a/b/c/file", "");
        assert_changes(
            &mut watch,
            &[change("/a/b/c", false, &["file"]), change("/a/link", false, &["file"])],
        );
        fs::remove_dir_all(tree.at("/a")).unwrap();
        fs::remove_dir_all(tree.at("/away")).unwrap();
    }
}

#[derive(Debug, Clone)]
enum Step {
    MakeFolder(usize),
    MakeFile(usize),
    Link(usize, usize),
    Remove(usize),
    Rename(usize, usize),
    Drain,
}

const PATHS: [&str; 8] = ["/a", "/a/b", "/a/b/c", "/a/b/d", "/e", "/e/b", "/e/b/c", "/f"];
const WATCHED: [&str; 4] = ["/a", "/a/b", "/e/b/c", "/f"];

fn step() -> impl Strategy<Value = Step> {
    let path = 0..PATHS.len();
    prop_oneof![
        3 => path.clone().prop_map(Step::MakeFolder),
        1 => path.clone().prop_map(Step::MakeFile),
        1 => (path.clone(), path.clone()).prop_map(|(from, to)| Step::Link(from, to)),
        2 => path.clone().prop_map(Step::Remove),
        2 => (path.clone(), path).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => Just(Step::Drain),
    ]
}

/// Does the step, or nothing where it is not possible.
fn take(tree: &Tree, step: &Step) {
    let at = |index: &usize| tree.at(PATHS[*index]);
    match step {
        Step::MakeFolder(path) => drop(fs::create_dir(at(path))),
        Step::MakeFile(path) => drop(fs::File::create_new(at(path))),
        Step::Link(path, target) => drop(std::os::unix::fs::symlink(PATHS[*target], at(path))),
        Step::Remove(path) => drop(fs::remove_file(at(path)).or_else(|_| fs::remove_dir_all(at(path)))),
        Step::Rename(from, to) => drop(fs::rename(at(from), at(to))),
        Step::Drain => {}
    }
}

/// Which folder it is, and what is in it.
fn look(tree: &Tree, path: &str) -> Option<(u64, Vec<(String, u64)>)> {
    let host = tree.host();
    let folder = tree.at(host.resolve(path).ok()?.to_str().unwrap());
    let entries = host.names(path).ok()?.into_iter().map(|name| {
        let inode = fs::symlink_metadata(folder.join(&name)).unwrap().ino();
        (name, inode)
    });
    Some((fs::metadata(&folder).unwrap().ino(), entries.collect()))
}

proptest! {
    #[test]
    fn no_change_is_missed(steps in prop::collection::vec(step(), 1..40)) {
        let tree = Tree::new();
        let mut watch = watch(&tree, &WATCHED);
        let mut before = WATCHED.map(|path| look(&tree, path));
        for step in steps.iter().chain([&Step::Drain]) {
            take(&tree, step);
            if !matches!(step, Step::Drain) {
                continue;
            }
            let changes = watch.drain().unwrap().folders;
            let now = WATCHED.map(|path| look(&tree, path));
            for ((path, before), now) in WATCHED.iter().zip(&before).zip(&now) {
                let change = changes.iter().find(|change| change.path == Path::new(path));
                if before != now {
                    prop_assert!(change.is_some(), "{path}: {before:?} is now {now:?}");
                }
                if before.is_none() && now.is_some() {
                    prop_assert!(change.is_some_and(|change| change.replaced), "{path} appeared");
                }
            }
            before = now;
        }
    }
}
