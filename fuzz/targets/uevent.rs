#![no_main]

use host::uevent::Uevent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let Some(event) = Uevent::parse(message) else { return };
    assert!(!event.action.is_empty() && event.devpath.starts_with('/'));
    let again = Uevent::parse(&event.encode());
    assert_eq!(again, Some(event), "written and read again it is another event");
});
