//! Hardware and drivers that fail.

use fpga_programming::Faults;

use crate::scene::{CARDS, DFL, FIRST, OPAE, SECOND, Scene};

const AFTER: &str = ". It cannot be used until a good bitstream is programmed";

#[test]
fn every_bit_of_the_error_register_is_told_in_words() {
    // DFL shows five of them; OPAE all, also one that is not known.
    for (card, known) in [(DFL, 5), (OPAE, 8)] {
        let scene = Scene::on(card);
        for fault in (0..known).map(|bit| 1 << bit) {
            let error = scene.program(card, &[&format!("status={fault:#x}")]).bad();
            assert_eq!(error, format!("{} was not programmed: {}{AFTER}", card.port, Faults(fault)));
        }
        let two = scene.program(card, &["status=18"]).bad();
        assert_eq!(
            two,
            format!(
                "{} was not programmed: CRC error, the bitstream is damaged; FIFO overflow{AFTER}",
                card.port
            )
        );
        // The next one that is good mends it.
        scene.program(card, &[]).good();
        assert_eq!(scene.function(card.port), FIRST);
    }
}

#[test]
fn an_error_of_the_hardware_without_a_reason_is_told_as_such() {
    for card in CARDS {
        for fault in ["status=0", "pr=EIO"] {
            let error = Scene::on(card).program(card, &[fault]).bad();
            assert_eq!(error, format!("{} was not programmed: no reason given{AFTER}", card.port));
        }
    }
}

#[test]
fn a_damaged_bitstream_is_the_hardwares_word() {
    for card in CARDS {
        let scene = Scene::on(card);
        let file = scene.file("damaged", b"no bitstream");
        let error = scene.ask(&["reconfigure", card.port, card.interface, FIRST, &file, "0"]).bad();
        assert_eq!(error, format!("{} was not programmed: incompatible bitstream{AFTER}", card.port));
    }
}

#[test]
fn a_failed_reconfiguration_is_one_attempt_that_leaves_nothing_open_or_locked() {
    for card in CARDS {
        let scene = Scene::on(card);
        scene.program(card, &["status=2"]).bad();
        let (fme, port) = (card.fme, card.port);
        assert_eq!(
            scene.told(),
            [format!("{fme} open: 0"), format!("{port} open exclusively: 0"), format!("{fme} pr: EIO")]
        );
        scene.program(card, &[]).good();
    }
}

/// DFL leaves the port disabled when it fails, and its function's id cannot be read.
#[test]
fn a_port_whose_function_cannot_be_read_is_programmed() {
    let scene = Scene::on(DFL);
    scene.program(DFL, &["status=1"]).bad();
    assert!(!scene.device(DFL.port).join("afu_id").exists());
    let file = scene.bitstream(DFL.interface, FIRST);
    assert_eq!(scene.ask(&["ensure", DFL.port, DFL.interface, FIRST, &file, "0"]).good(), "ensure: done");
    assert_eq!(scene.function(DFL.port), FIRST);
}

#[test]
fn another_user_of_the_engine_is_told_by_its_node() {
    for card in CARDS {
        let error = Scene::on(card).program(card, &["pr=EBUSY"]).bad();
        assert!(error.contains(&format!("in use: end what has /dev/{} open", card.fme)), "{error}");
    }
}

#[test]
fn another_answer_of_the_kernel_is_given_with_what_was_asked() {
    for card in CARDS {
        let scene = Scene::on(card);
        for (fault, expected) in [("pr=ETIMEDOUT", "Connection timed out"), ("pr=EINVAL", "Invalid argument")]
        {
            let error = scene.program(card, &[fault]).bad();
            assert!(error.starts_with(&format!("cannot program {}: {expected}", card.port)), "{error}");
        }
        assert_eq!(scene.function(card.port), SECOND);
    }
}
