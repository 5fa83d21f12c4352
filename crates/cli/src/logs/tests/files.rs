use std::fs;

use tracing::info;

use super::{Logger, each_level, logged, options};

#[test]
fn standard_error_gets_what_klog_would_send_there() {
    let folder = tempfile::tempdir().unwrap();
    let in_folder = format!("-log_dir={}", folder.path().display());
    // Of an error, a warning and information.
    let cases: &[(&[&str], &str)] = &[
        (&[], "EWI"),
        (&["-stderrthreshold=WARNING"], "EWI"),
        (&["-stderrthreshold=WARNING", "-legacy_stderr_threshold_behavior=false"], "EW"),
        (&["-logtostderr=false"], "E"),
        (&["-logtostderr=false", "-stderrthreshold=info"], "EWI"),
        (&["-logtostderr=false", "-stderrthreshold=3"], ""),
        (&["-logtostderr=false", "-alsologtostderr"], "EWI"),
        (&["-logtostderr=false", "-alsologtostderr", "-alsologtostderrthreshold=1"], "EW"),
    ];
    for (args, expected) in cases {
        let args: Vec<&str> = args.iter().copied().chain([in_folder.as_str()]).collect();
        let text = logged(&args, each_level).text();
        let letters: String = text.lines().filter_map(|line| line.chars().next()).collect();
        assert_eq!(letters, *expected, "{args:?}");
    }
}

#[test]
fn each_severity_has_a_file_that_the_higher_ones_go_to_as_well() {
    for (one_output, expected) in [("false", ["EWI", "EW", "E"]), ("true", ["I", "W", "E"])] {
        let folder = tempfile::tempdir().unwrap();
        let in_folder = format!("-log_dir={}", folder.path().display());
        let one_output = format!("-one_output={one_output}");
        logged(&["-logtostderr=false", "-stderrthreshold=3", &in_folder, &one_output], each_level);
        let links: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().unwrap().is_symlink())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        assert_eq!(links.len(), 3, "{links:?}");
        for (severity, letters) in ["INFO", "WARNING", "ERROR"].into_iter().zip(expected) {
            let link = links.iter().find(|link| link.ends_with(severity)).unwrap();
            let text = fs::read_to_string(folder.path().join(link)).unwrap();
            let found: String = text.lines().filter_map(|line| line.chars().next()).collect();
            assert_eq!(found, letters, "{link} with {one_output}");
        }
    }
}

#[test]
fn a_log_file_goes_on_where_it_ended_and_is_emptied_when_full() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let file = format!("-log_file={}", path.display());
    let log = |max_size, message| {
        logged(&["-logtostderr=false", &file, max_size], || info!("{message}"));
        fs::read_to_string(&path).unwrap()
    };
    let old = "x".repeat(1024 * 1024 - 100) + "\n";
    let lengthy = "longer than what is left ".repeat(4);

    fs::write(&path, &old).unwrap();
    let text = log("-log_file_max_size=1", "short");
    assert!(text.starts_with(&old) && text.ends_with("] short\n"), "{} bytes", text.len());

    let text = log("-log_file_max_size=1", &lengthy);
    assert!(text.ends_with(&format!("] {lengthy}\n")) && text.lines().count() == 1, "{} bytes", text.len());

    fs::write(&path, &old).unwrap();
    let text = log("-log_file_max_size=0", &lengthy);
    assert!(text.starts_with(&old) && text.lines().count() == 2, "{} bytes", text.len());
}

#[test]
fn a_line_that_no_file_takes_goes_to_standard_error() {
    let pipe = logged(&["-logtostderr=false", "-log_file=/dev/full"], || info!("kept"));
    assert!(pipe.text().ends_with("] kept\n"), "{}", pipe.text());
}

#[test]
fn a_log_file_that_cannot_be_opened_is_an_error_at_start() {
    let options = options(&["-logtostderr=false", "-log_file=/nonexistent/log"]);
    let error = Logger::open(&options).err().expect("the folder is missing");
    assert_eq!(
        device_plugin::error_chain(&error),
        "cannot open log file /nonexistent/log: No such file or directory (os error 2)"
    );
}
