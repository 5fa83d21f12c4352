//! Partial reconfiguration: what is asked for, what is refused, and what is there afterwards.

use std::fs;

use serde_json::json;

use crate::scene::{ARRIA, CARDS, Card, DFL, FIRST, OPAE, SECOND, Scene};

const ALL_ONES: &str = "ffffffffffffffffffffffffffffffff";

/// The file with the id of a card's interface.
fn interface_file(card: Card) -> &'static str {
    match card.fme {
        "dfl-fme.0" => "/sys/class/fpga_region/region1/compat_id",
        _ => "/sys/bus/platform/devices/intel-fpga-fme.1/pr/interface_id",
    }
}

#[test]
fn a_bitstream_is_programmed_while_nobody_else_can_use_the_port() {
    for (card, argsz) in [(DFL, 24), (OPAE, 32)] {
        let scene = Scene::on(card);
        assert_eq!(scene.function(card.port), SECOND);
        assert_eq!(scene.program(card, &[]).good(), "reconfigure: done");
        assert_eq!(scene.function(card.port), FIRST);
        let events = scene.events();
        let bytes = fs::read(scene.bitstream(card.interface, FIRST)).unwrap();
        let mut argument = json!({
            "argsz": argsz, "flags": 0, "port_id": 0, "buffer_size": 4097,
            "buffer_crc32": format!("{:08x}", crc32fast::hash(&bytes)),
        });
        if argsz == 32 {
            argument["status"] = json!(0);
        }
        assert_eq!(
            events,
            [
                json!({"node": card.fme, "request": "open", "argument": {"exclusive": false}, "result": 0}),
                json!({"node": card.port, "request": "open", "argument": {"exclusive": true}, "result": 0}),
                json!({"node": card.fme, "request": "pr", "argument": argument, "result": 0}),
            ]
        );
    }
}

#[test]
fn a_bitstream_for_another_interface_is_never_given_to_the_card() {
    for (card, other) in [(DFL, ARRIA), (OPAE, DFL.interface)] {
        let scene = Scene::on(card);
        let file = scene.bitstream(other, FIRST);
        for how in ["check", "reconfigure", "ensure"] {
            assert_eq!(
                scene.ask(&[how, card.port, other, FIRST, &file, "0"]).bad(),
                format!(
                    "the bitstream is for the interface {other}, but {} has {}: take one that was built for this card",
                    card.fme, card.interface
                )
            );
        }
        assert_eq!(scene.events(), [json!(null); 0]);
    }
}

/// Two empty ids are not the same interface.
#[test]
fn a_card_without_an_interface_id_is_not_programmed() {
    for card in CARDS {
        let mut scene = Scene::on(card);
        let file = scene.bitstream(card.interface, FIRST);
        let question = ["reconfigure", card.port, card.interface, FIRST, &file, "0"];
        scene.node.set_attribute(interface_file(card), "").unwrap();
        let error = scene.ask(&question).bad();
        assert!(error.ends_with("\"\" is not an id of 32 hexadecimal digits"), "{error}");
        let error = scene.ask(&["reconfigure", card.port, "", FIRST, &file, "0"]).bad();
        assert!(error.starts_with("\"\" is no id"), "{error}");
        scene.node.set_attribute(interface_file(card), ALL_ONES).unwrap();
        let error = scene.ask(&question).bad();
        assert_eq!(
            error,
            format!(
                "{} does not answer, its id is all ones: reset the card or power it off and on",
                card.fme
            )
        );
        scene.node.delete(interface_file(card)).unwrap();
        assert!(scene.ask(&question).code == 1);
        assert_eq!(scene.events(), [json!(null); 0]);
        assert_eq!(scene.function(card.port), SECOND);
    }
}

#[test]
fn a_check_asks_nothing_and_changes_nothing() {
    for card in CARDS {
        let scene = Scene::on(card);
        let file = scene.bitstream(card.interface, FIRST);
        assert_eq!(scene.ask(&["check", card.port, card.interface, FIRST, &file, "0"]).good(), "check: done");
        assert_eq!(scene.events(), [json!(null); 0]);
        assert_eq!(scene.function(card.port), SECOND);
    }
}

#[test]
fn a_function_that_is_there_already_is_left_alone_if_that_is_wanted() {
    for card in CARDS {
        let scene = Scene::on(card);
        let file = scene.bitstream(card.interface, FIRST);
        let question = ["ensure", card.port, card.interface, FIRST, &file, "0"];
        assert_eq!(scene.ask(&question).good(), "ensure: done");
        assert_eq!(scene.events().len(), 3);
        // Also while somebody uses it.
        let _user = open(&scene, card.port);
        assert_eq!(scene.ask(&question).good(), "already there");
        assert_eq!(scene.told(), [format!("{} open: 0", card.fme)]);
    }
}

/// The file's own word for what it holds does not count.
#[test]
fn the_function_must_be_the_one_that_was_asked_for() {
    for card in CARDS {
        let scene = Scene::on(card);
        let file = scene.bitstream(card.interface, SECOND);
        assert_eq!(
            scene.ask(&["reconfigure", card.port, card.interface, FIRST, &file, "0"]).bad(),
            format!(
                "{} was programmed but has the function {SECOND}, not {FIRST}: the bitstream holds another function",
                card.port
            )
        );
    }
}

#[test]
fn what_the_port_says_afterwards_is_read_anew() {
    for card in CARDS {
        for (afu, expected) in [
            (SECOND, format!("has the function {SECOND}, not {FIRST}: the bitstream holds another function")),
            (
                ALL_ONES,
                "does not answer, its id is all ones: reset the card or power it off and on".to_owned(),
            ),
            ("", "\"\" is not an id of 32 hexadecimal digits".to_owned()),
        ] {
            let scene = Scene::on(card);
            let error = scene.program(card, &[&format!("afu={afu}")]).bad();
            assert!(error.ends_with(&expected), "{error}");
        }
    }
}

#[test]
fn a_port_that_is_in_use_is_not_programmed() {
    for card in CARDS {
        let scene = Scene::on(card);
        let user = open(&scene, card.port);
        let port = card.port;
        assert_eq!(
            scene.program(card, &[]).bad(),
            format!(
                "{port} is in use: end what has /dev/{port} open, such as the container that it is given to"
            )
        );
        assert_eq!(
            scene.told(),
            [format!("{} open: 0", card.fme), format!("{port} open exclusively: EBUSY")]
        );
        assert_eq!(scene.function(port), SECOND);
        drop(user);
        scene.program(card, &[]).good();
    }
}

/// Opens a port as a program that uses it does.
fn open(scene: &Scene, port: &str) -> fs::File {
    fs::OpenOptions::new().read(true).write(true).open(scene.at("dev").join(port)).unwrap()
}
