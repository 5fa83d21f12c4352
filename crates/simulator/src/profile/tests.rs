use std::collections::BTreeSet;
use std::fs;

use super::*;

fn error_of(text: &str) -> String {
    Profile::parse("my.profile", text).unwrap_err().to_string()
}

#[test]
fn an_error_names_the_file_and_the_line_and_says_what_was_expected() {
    for (text, expected) in [
        ("dir sys", "my.profile:1: expected a path that begins with `/` but found `sys`"),
        ("\n# comment\nfille /a b", "my.profile:3: expected one of title, use, dir, file, link"),
        ("use", "my.profile:1: no template is named ``; there are: arc-b580, "),
        ("use pci-gup card=0", "my.profile:1: no template is named `pci-gup`; there are: arc-b580, "),
        ("use igpu card", "my.profile:1: expected KEY=VALUE but found `card`"),
        ("use igpu card=0 card=1", "my.profile:1: `card=1` is given twice"),
        ("use igpu as= card=0", "my.profile:1: expected a name after `as=`"),
        (
            "use numa-node nod=0 cpus=0-3",
            "my.profile:1: template numa-node has no variable `nod`; it has: cpus, node",
        ),
        ("use numa-node node=0", "my.profile:1: template numa-node needs `cpus=` (used in its line 2)"),
        (
            "use misc name=dxg node=dxg minor=banana",
            "my.profile:1 > misc:2 > char-device:5: expected MAJOR:MINOR but found `10:banana`",
        ),
        (
            "use misc as=a name=a node=a minor=1\nuse misc as=a name=b node=b minor=2",
            "my.profile:2: my.profile:1 makes a device a too",
        ),
    ] {
        let message = error_of(text);
        assert!(message.starts_with(expected), "{text:?}: {message}");
    }
}

#[test]
fn an_unknown_profile_is_refused_with_the_known_names() {
    let message = Profile::builtin("flex-171").unwrap_err().to_string();
    assert!(
        message.starts_with("no profile is named \"flex-171\"; there are: arc-b580-igpu, empty, "),
        "{message}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Profile::load(folder.path().join("missing")).unwrap_err().to_string();
    assert!(missing.contains("read the profile") && missing.ends_with("/missing"), "{missing}");
    let binary = folder.path().join("binary");
    fs::write(&binary, b"\xff\x00").unwrap();
    assert!(Profile::load(&binary).is_err());
}

#[test]
fn any_text_is_read_or_refused_without_a_panic() {
    for line in
        ["\u{feff}dir /a", "use\tigpu", "file /a \\", "${", "use igpu ${x}=1", "link -> ->", "\0", "as=x"]
    {
        let _ = Profile::parse("x", line);
    }
}

#[test]
fn a_variable_takes_the_value_given_or_its_default() {
    let profile = Profile::parse("x", "use npu group=1 accel=0 device=0x643e").unwrap();
    let lines: Vec<String> = profile.fragments()[0].lines.iter().map(|line| line.entry.to_string()).collect();
    assert!(lines.contains(&"file /sys/devices/pci0000:00/0000:00:0b.0/device 0x643e".to_owned()));
    assert!(lines.contains(&"file /sys/devices/pci0000:00/0000:00:0b.0/numa_node -1".to_owned()));
    assert!(lines.iter().all(|line| !line.contains("${")), "{lines:?}");
}

#[test]
fn the_tables_hold_what_the_folders_hold_in_order() {
    for (folder, texts) in [("profiles", builtin::PROFILES), ("templates", builtin::TEMPLATES)] {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap();
        let files: BTreeSet<String> = files
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let table: Vec<&str> = texts.iter().map(|(name, _)| *name).collect();
        assert_eq!(table, files.into_iter().collect::<Vec<_>>(), "{folder}");
    }
}

#[test]
fn every_template_is_used_and_says_what_it_is() {
    let mut used = BTreeSet::new();
    for (_, text) in builtin::PROFILES.iter().chain(builtin::TEMPLATES.iter()) {
        let lines = lines_of(text).filter(|(_, keyword, _)| *keyword == "use");
        used.extend(lines.filter_map(|(_, _, rest)| rest.split_whitespace().next()));
    }
    let all: BTreeSet<&str> = builtin::TEMPLATES.iter().map(|(name, _)| *name).collect();
    assert_eq!(all, used);
    for (name, text) in builtin::TEMPLATES.iter() {
        assert!(text.starts_with("# "), "{name}");
    }
}
