#![no_main]
#![allow(dead_code)]

use libfuzzer_sys::fuzz_target;
use profile::entry::Entry;
use simulator::Profile;

#[path = "../../crates/simulator/src/profile"]
mod profile {
    pub(crate) mod entry;
    mod escape;

    /// A line as the profile cuts it.
    pub(crate) fn line(text: &str) -> Option<entry::Entry> {
        let (keyword, rest) = text.trim().split_once(char::is_whitespace)?;
        entry::Entry::parse(keyword, rest.trim_start())?.ok()
    }
}

fuzz_target!(|text: &str| {
    if let Err(error) = Profile::parse("fuzz", text) {
        assert!(error.to_string().starts_with("fuzz:"), "{error}");
    }
    for line in text.lines() {
        let Some(entry) = profile::line(line) else { continue };
        if let Some(path) = entry.path() {
            assert!(
                path.is_absolute() && !path.components().any(|part| part.as_os_str() == ".."),
                "{path:?}"
            );
        }
        // A path that cannot be a link's place has no relative target to it; written again, it is the same thing.
        let again = entry.to_string();
        assert!(!again.contains('\n'));
        assert_eq!(profile::line(&again).as_ref(), Some(&entry), "{again:?}");
        let _: Entry = entry;
    }
});
