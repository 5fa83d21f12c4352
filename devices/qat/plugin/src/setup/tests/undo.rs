//! Whichever write fails, the node is as it was before, or the error says what is not.

use std::path::Path;
use std::sync::{Arc, Mutex};

use host::Attributes;
use simulator::Kernel;

use super::*;

/// A kernel that refuses a write, counted from 1, and those after it if it is broken from then on.
#[derive(Debug)]
struct Failing {
    kernel: Arc<Kernel>,
    fails: usize,
    is_broken_then: bool,
    count: Mutex<usize>,
}

impl Attributes for Failing {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        if *count == self.fails || (*count > self.fails && self.is_broken_then) {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.kernel.write(path, value)
    }
}

/// What a node is like before, and what it is to be.
#[derive(Debug, Clone, Copy)]
struct Case {
    release: (u16, u16),
    start: &'static str,
    lines: &'static str,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        let starts = ["none", "unforeseen", "down", "without services", "kernel's", "vfio", "mixed"];
        let lines = ["", "ServicesEnabled=dc", "ServicesEnabled=dc;asym\nAutoresetEnabled=on"];
        [(6, 7), (6, 16)].into_iter().flat_map(move |release| {
            let of = move |start| lines.into_iter().map(move |lines| Self { release, start, lines });
            starts.into_iter().flat_map(of)
        })
    }

    fn scene(self) -> Scene {
        let scene = Scene::of("services=sym;dc");
        scene.kernel.behave_as(self.release);
        scene.set("sriov_totalvfs", "2");
        match self.start {
            "unforeseen" => scene.delete("sriov_offset"),
            "down" => scene.administer(&format!("/sys/bus/pci/devices/{PF}/qat/state"), "down"),
            "without services" => scene.delete("qat"),
            "kernel's" => scene.enable(Some("4xxxvf")),
            "vfio" => scene.enable(Some("vfio-pci")),
            "mixed" => {
                scene.enable(Some("4xxxvf"));
                scene.unbind("0000:6b:00.2");
            }
            _ => {}
        }
        scene
    }

    /// The errors of a setup of which some write fails.
    fn fail(self, scene: &Scene, fails: usize, is_broken_then: bool) -> Vec<String> {
        let kernel = Arc::clone(&scene.kernel);
        let failing = Arc::new(Failing { kernel, fails, is_broken_then, count: Mutex::default() });
        setup(scene.host().with_attributes(failing), self.lines).run().unwrap_err()
    }
}

/// Lines of a tree that have a word.
fn about<'a>(tree: &'a str, word: &str) -> Vec<&'a str> {
    tree.lines().filter(|line| line.contains(word)).collect()
}

/// The lines that only one of two trees has.
fn difference<'a>(one: &'a str, other: &'a str) -> Vec<&'a str> {
    let only =
        |one: &'a str, other: &'a str| one.lines().filter(move |line| !other.lines().any(|o| o == *line));
    only(one, other).chain(only(other, one)).collect()
}

/// A case, how many writes it takes, the tree before, and the tree that is wanted.
fn each(mut check: impl FnMut(Case, usize, &str, &str)) {
    for case in Case::all() {
        let scene = case.scene();
        let before = scene.tree();
        run(&scene, case.lines);
        let count = scene.written().len();
        check(case, count, &before, &scene.tree());
    }
}

#[test]
fn one_write_that_fails_changes_nothing() {
    let mut tried = 0;
    each(|case, count, before, wanted| {
        for fails in 1..=count {
            tried += 1;
            let scene = case.scene();
            let errors = case.fail(&scene, fails, false);
            let (after, place) = (scene.tree(), format!("{case:?}, write {fails} of {count}: {errors:?}"));
            assert_eq!(errors.len(), 1, "{place}");
            let error = &errors[0];
            let (what, _) = error.split_once(": ").unwrap();
            if error.contains("auto-reset: ") {
                assert_eq!(about(&after, "auto_reset"), about(before, "auto_reset"), "{place}");
            } else if what != PF {
                // A virtual function that is bound by itself, and is where it was or has just been made.
                let bound = format!("{what}/driver ");
                assert_eq!(about(&after, &bound), about(before, &bound), "{place}");
            } else if case.start == "without services" && case.release < (6, 8) && after != before {
                // Such a kernel has no way back.
                assert!(error.contains("what is not as before: sriov_numvfs is 2, and was 0"), "{place}");
            } else {
                assert_eq!(difference(&after, before), [""; 0], "{place}");
                assert!(!error.contains("not as before") && !error.contains("not all"), "{place}");
            }
            run(&scene, case.lines);
            assert_eq!(difference(&scene.tree(), wanted), [""; 0], "{place}");
        }
    });
    assert!(tried > 200, "{tried}");
}

#[test]
fn what_cannot_be_undone_is_named() {
    each(|case, count, before, _| {
        for fails in 1..=count {
            let scene = case.scene();
            let there = |scene: &Scene| {
                let attributes = ["qat/state", "qat/cfg_services", "sriov_numvfs", "sriov_drivers_autoprobe"];
                attributes.map(|name| scene.host().read(format!("{FOLDER}/{PF}/{name}")).ok())
            };
            let was = (there(&scene), scene.bound());
            let errors = case.fail(&scene, fails, true).join("\n");
            let place = format!("{case:?}, write {fails} of {count}: {errors}");
            if scene.tree() == before || !errors.starts_with(&format!("{PF}: step")) {
                assert!(!errors.contains("not as before"), "{place}");
                continue;
            }
            let named = errors.split_once("what is not as before: ").expect(&place).1;
            let is = (there(&scene), scene.bound());
            for (was, is) in was.0.into_iter().zip(is.0) {
                let (Some(was), Some(is)) = (was, is) else { continue };
                assert_eq!(named.contains(&format!(" is {is}, and was {was}")), is != was, "{place}");
            }
            for vf in was.1.iter().filter(|vf| !is.1.contains(vf)) {
                assert!(named.contains(vf.split_once(' ').unwrap().0), "{vf}: {place}");
            }
            assert!(fails == 1 || errors.contains("were not all undone"), "{place}");
        }
    });
}
