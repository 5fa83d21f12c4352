//! Two processes and one card.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Output};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::libc::O_NONBLOCK;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use crate::scene::{CARDS, Card, FIRST, OPAE, SECOND, Said, Scene, ended};

/// A guard against hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is in the middle of programming a card.
pub(crate) struct Programming {
    process: u32,
    end: JoinHandle<(Output, io::Result<File>)>,
    pipe: File,
}

impl Programming {
    fn begin(scene: &Scene, card: Card) -> Self {
        let file = scene.bitstream(card.interface, FIRST);
        let question = ["reconfigure", card.port, card.interface, FIRST, &file, "0"];
        Self::of(scene, |fault| scene.asking(&[fault], &question).spawn().unwrap())
    }

    /// `start` starts something that programs a card, with this fault.
    pub(crate) fn of(scene: &Scene, start: impl FnOnce(&str) -> Child) -> Self {
        let path = scene.folder.path().join("pipe");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let child = start(&format!("hold={}", path.display()));
        let process = child.id();
        let other_end = path.clone();
        let end = thread::spawn(move || {
            let output = child.wait_with_output().unwrap();
            // Whoever opens the pipe below does not wait for a process that has failed.
            (output, OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(other_end))
        });
        // The emulator opens its end when the bitstream has come.
        let pipe = OpenOptions::new().write(true).open(&path).unwrap();
        Self { process, end, pipe }
    }

    /// Lets it go on, to the end.
    pub(crate) fn finish(self) -> String {
        drop(self.pipe);
        Said::of(&self.end.join().unwrap().0).good()
    }

    fn kill(self) {
        kill(Pid::from_raw(self.process.try_into().unwrap()), Signal::SIGKILL).unwrap();
        self.end.join().unwrap().1.unwrap();
    }
}

/// Waits until somebody has come to the lock of a card that somebody else is programming.
pub(crate) fn wait_for_second(scene: &Scene, card: Card) {
    let opened = format!("{} open: 0", card.fme);
    let since = Instant::now();
    while scene.log().into_iter().filter(|line| *line == opened).count() < 2 {
        assert!(since.elapsed() < PATIENCE, "nobody has come");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_card_that_another_process_is_programming_is_not_waited_for_longer_than_said() {
    for card in CARDS {
        let scene = Scene::on(card);
        let first = Programming::begin(&scene, card);
        scene.events();
        let locked =
            format!("{} is still being programmed by another process after 0 s: try again later", card.fme);
        assert_eq!(scene.program(card, &[]).bad(), locked);
        assert_eq!(scene.ask(&["release", card.fme, "0"]).bad(), locked);
        assert_eq!(scene.ask(&["assign", card.fme, "0"]).bad(), locked);
        // They only came to the lock.
        assert_eq!(scene.told(), [(); 3].map(|()| format!("{} open: 0", card.fme)));
        first.finish();
        scene.program(card, &[]).good();
    }
}

/// What a container wants that starts at the same time with the same function.
#[test]
fn who_has_waited_does_not_program_again_what_is_there_by_then() {
    for card in CARDS {
        let scene = Scene::on(card);
        let first = Programming::begin(&scene, card);
        let file = scene.bitstream(card.interface, FIRST);
        let question = ["ensure", card.port, card.interface, FIRST, &file, "3600"];
        let second = scene.asking(&[], &question).spawn().unwrap();
        wait_for_second(&scene, card);
        first.finish();
        assert_eq!(ended(second).good(), "already there");
        let programmed = scene.told().iter().filter(|line| line.contains(" pr: ")).count();
        assert_eq!(programmed, 1);
    }
}

#[test]
fn two_who_want_different_functions_take_turns() {
    for card in CARDS {
        let scene = Scene::on(card);
        let first = Programming::begin(&scene, card);
        let file = scene.bitstream(card.interface, SECOND);
        let question = ["reconfigure", card.port, card.interface, SECOND, &file, "3600"];
        let second = scene.asking(&[], &question).spawn().unwrap();
        wait_for_second(&scene, card);
        first.finish();
        assert_eq!(ended(second).good(), "reconfigure: done");
        assert_eq!(scene.function(card.port), SECOND);
    }
}

#[test]
fn the_lock_of_a_process_that_was_killed_is_free() {
    for card in CARDS {
        let scene = Scene::on(card);
        Programming::begin(&scene, card).kill();
        let file = scene.bitstream(card.interface, FIRST);
        let question = ["reconfigure", card.port, card.interface, FIRST, &file, "3600"];
        scene.ask(&question).good();
    }
}

#[test]
fn another_card_can_be_programmed_meanwhile() {
    let scene = Scene::on(OPAE);
    let first = Programming::begin(&scene, OPAE);
    let other = Card { port: "intel-fpga-port.0", fme: "intel-fpga-fme.0", ..OPAE };
    scene.program(other, &[]).good();
    first.finish();
}
