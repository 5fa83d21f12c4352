#![no_main]
#![allow(dead_code)]

use std::cell::LazyCell;
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;

#[path = "../../devices/qat/plugin/src/services.rs"]
mod services;

#[path = "../../devices/qat/plugin/src/setup"]
mod setup {
    pub(crate) mod config;
    pub(crate) mod services;
}

use setup::config::Config;

thread_local! {
    static FOLDER: LazyCell<PathBuf> = const { LazyCell::new(|| fuzz::folder("conf_qat")) };
}

// qat.conf and, after a zero byte, qat-node.conf.
fuzz_target!(|text: &str| {
    let read = |general: &str, own: &str| {
        FOLDER.with(|folder| {
            std::fs::write(folder.join("qat.conf"), general).expect("a file");
            std::fs::write(folder.join("qat-node.conf"), own).expect("a file");
            Config::read(folder, "node")
        })
    };
    let (general, own) = text.split_once('\0').unwrap_or((text, ""));
    let config = match read(general, own) {
        Ok(config) => config,
        Err(error) => return assert!(error.contains(".conf, line "), "{error}"),
    };
    let nothing = read(general, "ServicesEnabled=\nAutoresetEnabled=\n");
    assert!(nothing.is_ok_and(|config| config == Config::default()), "keys without values take all back");
    // Written as it was understood, in one file, it is the same.
    let services = config.services.as_ref().map(|given| given.value.written());
    let reset = config.auto_reset.as_ref().map(|given| given.value);
    let mut lines = services.iter().map(|text| format!("ServicesEnabled = {text}\n")).collect::<String>();
    lines += &reset
        .iter()
        .map(|on| format!("AutoresetEnabled={}\n", if *on { "on" } else { "off" }))
        .collect::<String>();
    let again = read("", &lines).expect("it was read before");
    assert_eq!(again.services.map(|given| given.value), config.services.map(|given| given.value));
    assert_eq!(again.auto_reset.map(|given| given.value), reset);
    if let Some(services) = services {
        assert!(services.parse::<setup::services::Services>().is_ok_and(|parsed| parsed.are(&services)));
    }
});
