use super::*;

fn parse(line: &str) -> Result<Entry, String> {
    let (keyword, rest) = line.split_once(' ').unwrap_or((line, ""));
    Entry::parse(keyword, rest).unwrap_or_else(|| panic!("no keyword: {line}"))
}

fn content(line: &str) -> Vec<u8> {
    match parse(line) {
        Ok(Entry::File { content, .. }) => content,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_text_of_a_file_ends_with_a_newline_unless_it_says_otherwise() {
    assert_eq!(content("file /a 0x8086"), b"0x8086\n");
    assert_eq!(content("file /a   two  words "), b"two  words\n");
    assert_eq!(content("file /a"), b"");
    assert_eq!(content(r"file /a 0x8086\c"), b"0x8086");
    assert_eq!(content(r"file /a \n\c"), b"\n");
    assert_eq!(content(r"file /a A=1\nB=2"), b"A=1\nB=2\n");
    assert_eq!(content(r"file /a C:\\c"), b"C:\\c\n");
    assert_eq!(content(r"file /a \x00\xff\c"), b"\x00\xff");
    assert_eq!(content("file /a # no comment"), b"# no comment\n");
}

#[test]
fn every_content_survives_being_written_as_a_line() {
    let contents: [&[u8]; 11] =
        [b"", b"\n", b"\n\n", b"a", b"a\n", b" a \n", b"\\c", b"\\c\n", b"a\\\n", b"\x7fELF\x00\n", b" "];
    for bytes in contents {
        let entry = Entry::File { path: PathBuf::from("/with a blank"), content: bytes.to_vec() };
        assert_eq!(parse(&entry.to_string()), Ok(entry));
    }
}

#[test]
fn lines_are_written_as_they_were_read() {
    for line in [
        "dir /sys/class/drm",
        "link /sys/a/b -> ../c",
        "dangling /dev/dri/by-path/x -> ../gone",
        "char /dev/dri/card0 226:0",
        "block /dev/sda 8:0",
        "uevent drm /devices/pci0000:00/card0 DEVNAME=dri/card0 EMPTY=",
    ] {
        assert_eq!(parse(line).unwrap().to_string(), line);
    }
}

#[test]
fn an_absolute_target_becomes_the_relative_one_that_sysfs_shows() {
    let target = |line: &str| match parse(line) {
        Ok(Entry::Link { target, .. }) => target.display().to_string(),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(
        target("link /sys/class/drm/card0 -> /sys/devices/pci0000:00/0000:00:02.0/drm/card0"),
        "../../devices/pci0000:00/0000:00:02.0/drm/card0"
    );
    // A device link names its PCI function, although the function's folder is above the link.
    let device = "/sys/devices/pci0000:00/0000:00:02.0";
    assert_eq!(target(&format!("link {device}/drm/card0/device -> {device}")), "../../../0000:00:02.0");
    assert_eq!(target("link /dev/dri/by-path/x -> /dev/dri/card0"), "../card0");
    assert_eq!(target("link /dev/core -> /proc/kcore"), "../proc/kcore");
    assert_eq!(target("link /a -> b"), "b");
}

#[test]
fn a_line_that_cannot_be_understood_says_what_was_expected() {
    for (line, expected) in [
        ("dir", "a line is: dir PATH"),
        ("dir /a /b", "found 2"),
        ("dir sys", "begins with `/`"),
        ("dir /", "root itself"),
        ("dir /sys/../../etc", "`..`"),
        (r"dir /a\x00b", "zero byte"),
        (r"dir /a\q", "write \\\\ for a backslash"),
        ("file", "a line is: file PATH TEXT"),
        ("link /a /b", "a line is: link PATH -> TARGET"),
        ("link /a => /b", "expected `->`"),
        ("link /a -> /../b", "`..`"),
        ("char /dev/a 226", "MAJOR:MINOR"),
        ("char /dev/a 226:-1", "MAJOR:MINOR"),
        ("uevent drm", "uevent SUBSYSTEM DEVPATH"),
        ("uevent drm /sys/devices/x", "without the /sys"),
        ("uevent drm /devices/x A", "expected KEY=VALUE"),
        ("uevent drm /devices/x =A", "expected KEY=VALUE"),
    ] {
        let message = parse(line).unwrap_err();
        assert!(message.contains(expected), "{line}: {message}");
    }
    assert!(Entry::parse("fille", "/a").is_none());
}
