use std::fs;

use proptest::prelude::*;

use super::*;
use crate::services::SERVICES;

fn parse(text: &str) -> Result<File, String> {
    File::parse("qat.conf", text)
}

fn given<T>(setting: Setting<T>) -> Option<Given<T>> {
    let mut given = None;
    setting.override_in(&mut given);
    given
}

/// The services that are asked for, as they will be written.
fn services(text: &str) -> Option<String> {
    Some(given(parse(text).unwrap().services)?.value.written())
}

#[test]
fn lines_are_keys_and_values() {
    let file = parse("# QAT\n\nServicesEnabled=sym;dc\nAutoresetEnabled=on\n").unwrap();
    let services = given(file.services).unwrap();
    assert_eq!((services.value.written().as_str(), services.place.as_str()), ("sym;dc", "qat.conf, line 3"));
    let auto_reset = given(file.auto_reset).unwrap();
    assert_eq!(auto_reset, Given { value: true, place: "qat.conf, line 4".to_owned() });
    assert!(!given(parse("AutoresetEnabled=off").unwrap().auto_reset).unwrap().value);
}

#[test]
fn blanks_and_line_ends_do_not_matter() {
    assert_eq!(services(" ServicesEnabled = dc \r\n").unwrap(), "dc");
    assert_eq!(services("ServicesEnabled=dc").unwrap(), "dc");
}

#[test]
fn other_lines_are_passed_over() {
    assert_eq!(parse("").unwrap(), File::default());
    let text =
        "[GENERAL]\nSomething=else\n#ServicesEnabled=x\n;ServicesEnabled=y\nwords\nservicesenabled=z\n";
    assert_eq!(parse(text).unwrap(), File::default());
}

#[test]
fn a_bad_value_is_an_error_that_names_the_file_and_the_line() {
    let error = |text: &str| parse(text).unwrap_err();
    assert_eq!(
        error("\nServicesEnabled=sym;crypto"),
        "qat.conf, line 2: ServicesEnabled=sym;crypto: \"crypto\" is no service; there are asym, sym, dc, decomp, dcc"
    );
    assert_eq!(error("AutoresetEnabled=1"), "qat.conf, line 1: AutoresetEnabled=1: neither on nor off");
    assert!(error("ServicesEnabled=dc=sym").contains("\"dc=sym\" is no service"));
    let twice = "ServicesEnabled=dc\nServicesEnabled=dc";
    assert_eq!(error(twice), "qat.conf, line 2: ServicesEnabled is there twice");
}

fn read(general: Option<&str>, own: Option<&str>) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("qat.conf", general), ("qat-worker-1.conf", own)] {
        if let Some(text) = text {
            fs::write(folder.path().join(name), text).unwrap();
        }
    }
    Config::read(folder.path(), "worker-1")
}

#[test]
fn no_file_wants_nothing() {
    assert_eq!(read(None, None).unwrap(), Config::default());
    assert_eq!(Config::read(Path::new("/no/such/folder"), "").unwrap(), Config::default());
}

#[test]
fn the_nodes_own_file_has_precedence_key_by_key() {
    let general = "ServicesEnabled=dc\nAutoresetEnabled=on";
    let config = read(Some(general), Some("ServicesEnabled=sym")).unwrap();
    let services = config.services.unwrap();
    assert_eq!(services.value.written(), "sym");
    assert!(services.place.ends_with("/qat-worker-1.conf, line 1"), "{}", services.place);
    assert!(config.auto_reset.unwrap().value, "the node's file does not speak of it");
    let config = read(Some(general), Some("ServicesEnabled=\nAutoresetEnabled=off")).unwrap();
    assert_eq!(config.services, None);
    assert!(!config.auto_reset.unwrap().value);
    assert_eq!(read(None, Some("ServicesEnabled=dcc")).unwrap().services.unwrap().value.written(), "dcc");
}

#[test]
fn the_file_of_another_node_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("qat-worker-2.conf"), "ServicesEnabled=nonsense").unwrap();
    fs::write(folder.path().join("qat-.conf"), "ServicesEnabled=nonsense").unwrap();
    assert_eq!(Config::read(folder.path(), "worker-1").unwrap(), Config::default());
    assert_eq!(Config::read(folder.path(), "").unwrap(), Config::default());
    assert!(Config::read(folder.path(), "../worker").unwrap_err().contains("-node-name"));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("qat.conf"), b"ServicesEnabled=\xff").unwrap();
    let error = Config::read(folder.path(), "").unwrap_err();
    assert!(error.starts_with("cannot read ") && error.contains("qat.conf"), "{error}");
    fs::remove_file(folder.path().join("qat.conf")).unwrap();
    fs::create_dir(folder.path().join("qat.conf")).unwrap();
    assert!(Config::read(folder.path(), "").unwrap_err().contains("qat.conf"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_its_line(text in "(ServicesEnabled|AutoresetEnabled|[a-z#]{0,3})?[=; a-z\n]{0,20}") {
        match parse(&text) {
            Ok(file) => {
                let named = |key| text.lines().any(|line| line.trim().starts_with(key));
                prop_assert!(file.services == Setting::Absent || named("ServicesEnabled"));
                prop_assert!(file.auto_reset == Setting::Absent || named("AutoresetEnabled"));
            }
            Err(error) => prop_assert!(error.starts_with("qat.conf, line "), "{}", error),
        }
    }

    #[test]
    fn no_text_is_too_much(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn services_survive_being_shuffled_and_written(
        names in proptest::sample::subsequence(&SERVICES[..4], 1..=3).prop_shuffle(),
        before in "(#[a-z ]{0,5}\n){0,3}",
    ) {
        let text = format!("{before}ServicesEnabled={}\n", names.join(";"));
        let given = given(parse(&text).unwrap().services).unwrap();
        let lines = text.lines().count();
        prop_assert_eq!(given.place, format!("qat.conf, line {lines}"));
        let mut written: Vec<String> = given.value.written().split(';').map(str::to_owned).collect();
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        written.sort();
        names.sort();
        prop_assert_eq!(written, names);
    }
}
