#![no_main]

use std::cell::LazyCell;

use doctor::redact::Redactor;
use fuzz::Place;
use libfuzzer_sys::fuzz_target;

const SERIAL: &str = "SN-4711-Q";
/// What is known wherever it stands, by its form or as the node's.
const KNOWN: [&str; 7] = [
    SERIAL,
    "10.20.30.40",
    "2001:db8:17::4711",
    "52:54:00:ab:cd:ef",
    "6f1c0a9e-0b1d-4c7e-9a52-0123456789ab",
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJr.c2ln-_x",
    "abcdef.0123456789abcdef",
];
const SECRET: &str = "hunter2-Q";
/// What tells that one follows, and what stands after it.
const WORDS: [(&str, &str); 6] = [
    ("password=", ""),
    ("token: <", ""),
    ("Authorization: Bearer ", ""),
    ("authorization: Basic ", ""),
    ("\"secret\": \"correct ", "\""),
    ("{\\\"api_key\\\":\\\"", "\\\"}"),
];

thread_local! {
    static PLACE: LazyCell<Place> = const { LazyCell::new(|| {
        let place = Place::new("redact");
        for folder in ["sys/class/dmi/id", "proc/sys/kernel"] {
            place.make(folder);
        }
        place.write("sys/class/dmi/id/product_serial", SERIAL);
        place.write("proc/sys/kernel/domainname", "(none)");
        place
    })};
}

// The node's name in the first line, what stands before a secret in the second, and what stands after it.
fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    let (name, before, after) = (part(), part(), part());
    let mut redactor = PLACE.with(|place| {
        place.write("proc/sys/kernel/hostname", name);
        Redactor::new(&place.host, &[])
    });
    check(&mut redactor, &format!("{before}\n{after}"));
    let mut hides = |text: &str, secret: &str| {
        let found = check(&mut redactor, text).to_lowercase();
        assert!(!found.contains(&secret.to_lowercase()), "{text:?}: {found:?}");
    };
    let has = |secret: &str| text.to_lowercase().contains(&secret.to_lowercase());
    // A node's name would be taken out first, and then the rest of it has no form any more.
    for secret in KNOWN.iter().filter(|secret| !has(secret) && !has_part(secret, name)) {
        hides(&format!("{before} {secret} {after}"), secret);
    }
    for (word, end) in WORDS.iter().filter(|(word, _)| !has(SECRET) && !has_part(word, name)) {
        hides(&format!("{before}\n{word}{SECRET}{end} {after}"), SECRET);
    }
    let is_name = !name.is_empty() && name.len() < 64 && name.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_name && name != "localhost" {
        let found = check(&mut redactor, &format!("{before} {name} {after}"));
        let is_there = found.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(name));
        assert!(!is_there, "{found}");
    }
});

fn has_part(text: &str, name: &str) -> bool {
    let name = name.trim().to_lowercase();
    let first = name.split('.').next().unwrap_or_default();
    !first.is_empty() && text.to_lowercase().contains(first)
}

/// Redacts a text. What was redacted is not changed again, and no line is lost.
fn check(redactor: &mut Redactor, text: &str) -> String {
    let found = redactor.redact(text);
    assert_eq!(redactor.redact(&found), found, "redacted again");
    assert_eq!(found.matches('\n').count(), text.matches('\n').count(), "{found}");
    found
}
