#![no_main]
#![allow(dead_code)]

use std::cell::LazyCell;
use std::path::PathBuf;

use idxd_plugin::setup::Setup;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use simulator::SimulatedNode;

#[path = "../../devices/idxd/plugin/src/setup"]
mod setup {
    pub(crate) mod json;
}

use setup::json::{self, Node};

struct Place {
    folder: PathBuf,
    node: SimulatedNode,
}

thread_local! {
    static PLACE: LazyCell<Place> = const { LazyCell::new(|| {
        let folder = fuzz::folder("conf_idxd");
        Place { node: fuzz::node(&folder), folder }
    })};
}

// A file of accel-config. Files are JSON and some more, so what is JSON must be understood as JSON.
fuzz_target!(|text: &str| {
    let ours = json::parse(text);
    if let (Ok(node), Ok(theirs)) = (&ours, serde_json::from_str::<Value>(text)) {
        agree(node, &theirs);
    }
    if ours.as_ref().is_err_and(|error| error.line > text.lines().count() + 1) {
        panic!("{ours:?}");
    }
    PLACE.with(|place| {
        let folder = place.folder.display().to_string();
        for (kind, setup) in [("dsa", Setup::dsa as fn(_, _) -> _), ("iaa", Setup::iaa)] {
            std::fs::write(place.folder.join(format!("{kind}.conf")), text).expect("a file");
            let flags = vec!["-dry-run".to_owned(), format!("-config-dir={folder}")];
            let setup: Setup = setup(flags, none as fn(&str) -> Option<String>).expect("good flags");
            let mut said = Vec::new();
            let report = setup.run(&place.node.host(), &mut said);
            let said = String::from_utf8(said).expect("text");
            assert!(!said.contains("/../") && report.errors.iter().all(|error| !error.is_empty()), "{said}");
            if ours.is_err() {
                assert!(!report.errors.is_empty(), "no error: {said}");
            }
        }
    });
});

fn none(_: &str) -> Option<String> {
    None
}

fn agree(ours: &Node, theirs: &Value) {
    match (&ours.value, theirs) {
        (json::Value::Null, Value::Null) => {}
        (json::Value::Bool(ours), Value::Bool(theirs)) => assert_eq!(ours, theirs),
        (json::Value::Text(ours), Value::String(theirs)) => assert_eq!(ours, theirs),
        (json::Value::Number(ours), Value::Number(theirs)) => {
            if let Ok(ours) = ours.parse::<i64>() {
                assert_eq!(Some(ours), theirs.as_i64().or(Some(ours).filter(|n| *n == 0)), "{theirs}");
            }
        }
        (json::Value::List(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(ours, theirs)| agree(ours, theirs));
        }
        (json::Value::Table(ours), Value::Object(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().for_each(|(key, ours)| agree(ours, &theirs[key]));
        }
        (ours, theirs) => panic!("{ours:?} is not {theirs}"),
    }
}
