#![no_main]
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

#[path = "../../node/src/families.rs"]
mod families;

#[path = "../../node/src/node"]
mod node {
    mod config;

    /// What runs on a node, with its flags; or what is wrong with the file.
    pub(crate) fn flags(file: &str, node: &str) -> Result<Vec<(&'static str, Vec<String>)>, String> {
        let wanted = config::Config::parse(file)?.of_node(node)?;
        Ok(wanted.into_iter().map(|(family, (flags, _))| (family, flags)).collect())
    }
}

// The file of `node`, which runs all families in one process.
fuzz_target!(|text: &str| {
    let wanted = match node::flags(text, "") {
        Ok(wanted) => wanted,
        Err(error) => return assert!(!error.is_empty()),
    };
    // Said in another way, it means the same.
    let mut sections: Map<String, Value> =
        families::FAMILIES.iter().map(|family| (family.name.to_owned(), Value::Bool(false))).collect();
    for (family, flags) in &wanted {
        let flags = flags.iter().map(|flag| flag.strip_prefix('-').and_then(|flag| flag.split_once('=')));
        let flags: Map<String, Value> = flags
            .map(|flag| flag.expect("-NAME=VALUE"))
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        sections.insert((*family).to_owned(), Value::Object(flags));
    }
    let other = json!({ "families": sections }).to_string();
    assert_eq!(node::flags(&other, ""), Ok(wanted), "{other}");
    let _ = node::flags(text, "worker-1");
});
