//! Logging as a process starts it: once, for all of its threads.

use std::fs;
use std::thread;

use cli::logs::LogError;
use cli::{FlagSet, LogOptions};

#[test]
fn all_threads_log_to_the_file_whole_lines_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut options = LogOptions::default();
    let mut flags = FlagSet::new("test", "");
    options.add_flags(&mut flags);
    flags
        .parse(["-logtostderr=false", "-stderrthreshold=FATAL", &format!("-log_file={}", path.display())])
        .unwrap();
    cli::logs::start(&options).unwrap();
    assert!(matches!(cli::logs::start(&options), Err(LogError::Started)));

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|number| tracing::info!(number, "a message of some length")));
        }
    });
    cli::fatal("the end");

    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 4 * 500 + 1);
    assert_eq!(
        text.lines().filter(|line| line.contains("] a message of some length number=")).count(),
        4 * 500
    );
    let last = text.lines().last().unwrap();
    assert!(last.starts_with('F') && last.ends_with("] the end"), "{last}");
}
