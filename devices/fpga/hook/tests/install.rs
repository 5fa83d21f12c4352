//! How the hook comes to a node.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use device_plugin::error_chain;
use fpga_hook::install::{Install, Installed};
use simulator::golden;
use tempfile::TempDir;

/// A folder of a node, and a program for it.
struct Scene {
    folder: TempDir,
    install: Install,
}

impl Scene {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("program"), "the new program").unwrap();
        let install = Install {
            program: at("program"),
            version: "1.10.0".to_owned(),
            folder: at("opt/intel/fpga-sw"),
            hooks: None,
            force: false,
            // A guard against hanging.
            patience: Duration::from_mins(1),
        };
        Self { folder, install }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn hook(&self) -> PathBuf {
        self.install.folder.join("intel-fpga-crihook")
    }

    /// Puts a shell script in the hook's place.
    fn installed(&self, script: &str) {
        fs::create_dir_all(&self.install.folder).unwrap();
        // Not by this process: one that another thread is just starting would have it open for writing, and then it cannot
        // run.
        let beside = self.at("script");
        let written = Command::new("sh")
            .args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" >\"$0\" && chmod 755 \"$0\""])
            .arg(&beside)
            .arg(script)
            .status()
            .unwrap();
        assert!(written.success());
        fs::rename(beside, self.hook()).unwrap();
    }

    #[track_caller]
    fn replaces(&self) {
        assert_eq!(self.install.run().unwrap(), Installed::Replaced);
        assert_eq!(fs::read_to_string(self.hook()).unwrap(), "the new program");
        assert!(self.hook().symlink_metadata().unwrap().is_file());
        assert_eq!(
            fs::read_link(self.install.folder.join("fpga_tool")).unwrap(),
            PathBuf::from("intel-fpga-crihook")
        );
    }

    /// What went wrong, in a line.
    #[track_caller]
    fn fails(&self) -> String {
        let error = error_chain(&self.install.run().unwrap_err());
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }

    /// The names in the folder for the programs.
    fn names(&self) -> Vec<String> {
        names(&self.install.folder)
    }
}

fn names(folder: &PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_folder_that_is_missing_is_made_and_everybody_may_run_what_is_in_it() {
    let scene = Scene::new();
    scene.replaces();
    assert_eq!(scene.names(), ["fpga_tool", "intel-fpga-crihook"]);
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(scene.hook()), 0o755);
    assert_eq!(mode(scene.install.folder.clone()), 0o755);
}

#[test]
fn only_a_newer_version_stays() {
    for (installed, stays) in [
        ("1.10.1", true),
        ("1.11.0", true),
        ("2.0.0", true),
        ("10.0.0", true),
        ("1.10.0", false),
        ("1.9.9", false),
        ("0.99.0", false),
        ("", false),
        ("9", true),
        ("x.y.z", false),
        ("1.10.1 more", false),
        ("99999999999.0.0", false),
    ] {
        let scene = Scene::new();
        let script = format!("[ \"$*\" = -version ] && echo 'intel-device-plugins {installed}'");
        scene.installed(&script);
        if stays {
            assert_eq!(scene.install.run().unwrap(), Installed::Newer(installed.to_owned()), "{installed}");
            assert_eq!(fs::read_to_string(scene.hook()).unwrap(), format!("#!/bin/sh\n{script}\n"));
            assert_eq!(scene.names(), ["intel-fpga-crihook"]);
            let forced = Scene { install: Install { force: true, ..scene.install.clone() }, ..scene };
            forced.replaces();
        } else {
            scene.replaces();
        }
    }
}

#[test]
fn a_program_of_somebody_else_is_replaced() {
    for script in [
        // The Go implementation's.
        "echo 'unable to decode the state' >&2; exit 1",
        "echo '9.9.9'",
        "echo 'other-plugins 9.9.9'",
        "yes",
        "printf '\\377\\376'",
        "exit 0",
    ] {
        let scene = Scene::new();
        scene.installed(script);
        scene.replaces();
    }
    let scene = Scene::new();
    fs::create_dir_all(&scene.install.folder).unwrap();
    fs::write(scene.hook(), "not to be run").unwrap();
    scene.replaces();
}

#[test]
fn a_program_that_does_not_answer_is_replaced() {
    for script in [
        "exec sleep 60",
        // Its output is still open when it has ended.
        "sleep 60 & echo $! >\"${0%/*}/pid\"; exit 0",
        "echo 'intel-device-plugins 9.9.9'; exec sleep 60",
    ] {
        let mut scene = Scene::new();
        scene.install.patience = Duration::from_millis(200);
        scene.installed(script);
        scene.replaces();
        if let Ok(pid) = fs::read_to_string(scene.install.folder.join("pid")) {
            assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
        }
    }
}

#[test]
fn whoever_opens_the_program_meanwhile_has_the_old_one_or_the_new_one() {
    let scene = Scene::new();
    let content = |byte: u8| vec![byte; 1 << 20];
    let is_done = AtomicBool::new(false);
    fs::write(scene.at("old"), content(b'a')).unwrap();
    fs::write(scene.at("new"), content(b'b')).unwrap();
    let install = |name: &str| Install { program: scene.at(name), ..scene.install.clone() }.run().unwrap();
    install("old");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut count = 0;
            while !is_done.load(Ordering::Relaxed) || count == 0 {
                let found = fs::read(scene.hook()).unwrap();
                assert!(found == content(b'a') || found == content(b'b'), "{} bytes", found.len());
                count += 1;
            }
        });
        for _ in 0..20 {
            install("new");
            install("old");
        }
        is_done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn what_runs_goes_on() {
    let scene = Scene::new();
    let cat = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join("cat"))
        .find(|path| path.is_file())
        .unwrap();
    Install { program: cat, ..scene.install.clone() }.run().unwrap();
    let command = Command::new(scene.hook()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut running = command.unwrap();
    let mut opened = File::open(scene.hook()).unwrap();
    scene.replaces();
    running.stdin.take().unwrap().write_all(b"still there").unwrap();
    assert_eq!(running.wait_with_output().unwrap().stdout, b"still there");
    let mut start = [0; 4];
    opened.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"\x7fELF");
}

#[test]
fn runtimes_without_cdi_get_a_file_that_attaches_the_hook() {
    let mut scene = Scene::new();
    let hooks = scene.at("etc/containers/oci/hooks.d");
    scene.install.hooks = Some(hooks.clone());
    scene.replaces();
    assert_eq!(names(&hooks), ["intel-fpga-crihook.json"]);
    let file = hooks.join("intel-fpga-crihook.json");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    let text = fs::read_to_string(file).unwrap();
    golden("tests/golden/intel-fpga-crihook.json", &text.replace(scene.folder.path().to_str().unwrap(), ""));
}

#[test]
fn stale_links_are_replaced_and_not_followed() {
    let mut scene = Scene::new();
    let hooks = scene.at("hooks.d");
    scene.install.hooks = Some(hooks.clone());
    fs::create_dir_all(&scene.install.folder).unwrap();
    fs::create_dir(&hooks).unwrap();
    // Were it followed, this one would stay as the newer one.
    scene.installed("echo 'intel-device-plugins 9.9.9'");
    fs::rename(scene.hook(), scene.at("elsewhere")).unwrap();
    let before = fs::read(scene.at("elsewhere")).unwrap();
    for link in [scene.hook(), scene.install.folder.join("fpga_tool"), hooks.join("intel-fpga-crihook.json")]
    {
        for target in [scene.at("elsewhere"), scene.at("missing")] {
            let _ = fs::remove_file(&link);
            symlink(target, &link).unwrap();
            scene.replaces();
        }
    }
    assert!(hooks.join("intel-fpga-crihook.json").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read(scene.at("elsewhere")).unwrap(), before);
    assert!(!scene.at("missing").exists());
}

#[test]
fn a_failure_says_where_and_leaves_nothing_half_done() {
    let fails = |prepare: &dyn Fn(&mut Scene)| {
        let mut scene = Scene::new();
        scene.install.hooks = Some(scene.at("hooks.d"));
        prepare(&mut scene);
        let error = scene.fails();
        let left = if scene.install.folder.is_dir() { scene.names() } else { Vec::new() };
        let left_of_hooks = scene.install.hooks.as_ref().filter(|hooks| hooks.is_dir()).map(names);
        let error = error.replace(scene.folder.path().to_str().unwrap(), "");
        (error, left, left_of_hooks.unwrap_or_default())
    };
    let all = ["fpga_tool", "intel-fpga-crihook"].map(str::to_owned).to_vec();
    let (none, hook) = (Vec::<String>::new(), vec!["intel-fpga-crihook".to_owned()]);
    let is = |error: &str, left: &[String], of_hooks: &[String]| {
        (error.to_owned(), left.to_vec(), of_hooks.to_vec())
    };
    assert_eq!(
        fails(&|scene| fs::remove_file(scene.at("program")).unwrap()),
        is("cannot open /program: No such file or directory (os error 2)", &none, &none)
    );
    assert_eq!(
        fails(&|scene| fs::write(scene.at("opt"), "").unwrap()),
        is("cannot make /opt/intel/fpga-sw: Not a directory (os error 20)", &none, &none)
    );
    // A folder in the program's place.
    assert_eq!(
        fails(&|scene| fs::create_dir_all(scene.hook()).unwrap()),
        is("cannot write /opt/intel/fpga-sw/intel-fpga-crihook: Is a directory (os error 21)", &hook, &none)
    );
    assert_eq!(
        fails(&|scene| fs::create_dir_all(scene.at("hooks.d/intel-fpga-crihook.json")).unwrap()),
        is(
            "cannot write /hooks.d/intel-fpga-crihook.json: Is a directory (os error 21)",
            &all,
            &["intel-fpga-crihook.json".to_owned()]
        )
    );
    // The program cannot be read to its end, or at all.
    assert_eq!(
        fails(&|scene| {
            fs::remove_file(scene.at("program")).unwrap();
            fs::create_dir(scene.at("program")).unwrap();
        }),
        is("cannot write /opt/intel/fpga-sw/intel-fpga-crihook: Is a directory (os error 21)", &none, &none)
    );
}

/// Of all folders this is the one where not even root may make a file.
#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    let mut scene = Scene::new();
    scene.install.folder = "/proc/self".into();
    let error = scene.fails();
    let expected = "cannot write /proc/self/intel-fpga-crihook: ";
    assert!(error.starts_with(expected), "{error}");
}
