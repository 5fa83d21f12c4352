//! `cargo xtask counts`: instructions of fixed operations, held against those that are written down. Times say little on machines
//! that have other things to do; callgrind counts the same each time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::bench::is_root;
use crate::{cargo, output_of, root, target};

const BASELINE: &str = "bench/counts.txt";
/// The function of `bench/tests/counts` that is collected.
const MEASURED: &str = "counts::measured";
/// Percent that an operation may grow by. Runs and builds of the same source differ by up to 0.3 %: tables of std throw dice.
const TOLERANCE: f64 = 1.0;
/// The same where another compiler or C library than the written counts are of has made the program: what remains is to find that
/// something is done twice.
const WIDE: f64 = 30.0;

/// Where the program sees the node that it has prepared as the real one. In memory, for other file systems list folders in other
/// orders, and then sorting is other work.
const IN_PLACE: &str = r#"
    mount -t tmpfs counts node
    "$0" -prepare .
    mount --bind node/sys /sys
    mount --bind node/dev /dev
    exec "$@" "$0" -counted"#;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
const OLDEST: &str = "glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-SSE4_2";

/// Counts, and compares or writes down.
pub(crate) fn run(update: bool) -> Result<(), String> {
    if let Err(missing) = needs() {
        // Nobody reads what CI says as long as it is content.
        return if update || std::env::var_os("CI").is_some() {
            Err(format!("{missing}; nothing may be left out with --update, or with CI set"))
        } else {
            println!("skipped: {missing}");
            Ok(())
        };
    }
    let counted = Counts { made_with: made_with()?, operations: count()? };
    if update {
        return fs::write(root().join(BASELINE), counted.text())
            .map_err(|error| format!("{BASELINE}: {error}"));
    }
    let text = fs::read_to_string(root().join(BASELINE)).map_err(|error| format!("{BASELINE}: {error}"))?;
    compare(&Counts::parse(&text)?, &counted)
}

/// What it takes.
fn needs() -> Result<(), String> {
    if !is_root() {
        return Err(
            "counting instructions needs root, to have a simulated node in the place of the real one"
                .to_owned(),
        );
    }
    let valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    valgrind.map(drop).map_err(|error| format!("counting instructions needs valgrind: {error}"))
}

/// What makes other counts of the same source.
fn made_with() -> Result<String, String> {
    let rustc = output_of(Command::new("rustc").arg("--version"))?;
    let library = output_of(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    Ok(format!("{}, {}, {}", rustc.trim(), library.trim(), std::env::consts::ARCH))
}

/// Builds the program as tests are built, which is nothing to do where they are built already, and runs it.
fn count() -> Result<Vec<(String, u64)>, String> {
    let build =
        ["test", "--quiet", "--workspace", "--exclude", "e2e", "--locked", "--test", "counts", "--no-run"];
    let messages = output_of(cargo().args(build).arg("--message-format=json-render-diagnostics"))?;
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some("counts"))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from));
    let program = program.ok_or("cargo has built no program counts")?;
    let folder = target().join("counts");
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(failed)?;
    }
    for inside in ["node", "out"] {
        fs::create_dir_all(folder.join(inside)).map_err(failed)?;
    }
    let folder = fs::canonicalize(&folder).map_err(failed)?;
    let names = callgrind(&program, &folder)?;
    let names = names.lines().enumerate();
    names
        .map(|(number, name)| {
            let part = folder.join(format!("out/part.{}", number + 1));
            let text = fs::read_to_string(&part).map_err(|error| format!("{}: {error}", part.display()))?;
            let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.parse().ok());
            let total = total.ok_or_else(|| format!("{} has no totals", part.display()))?;
            Ok((name.to_owned(), total))
        })
        .collect()
}

/// Runs the program in its folder and gives the names of what it did. Callgrind writes a file for each, in their order.
fn callgrind(program: &Path, folder: &Path) -> Result<String, String> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", IN_PLACE]).arg(program);
    command.args(["valgrind", "--tool=callgrind", "--callgrind-out-file=out/part"]);
    command.args([format!("--toggle-collect={MEASURED}"), format!("--dump-after={MEASURED}")]);
    command.current_dir(folder).stdin(Stdio::null());
    // The C library looks for the instructions of the newest processors, and counts would depend on which there are.
    command.env_clear().env("PATH", PATH).env("GLIBC_TUNABLES", OLDEST);
    let output = command.output().map_err(|error| format!("cannot run unshare: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}\n{}",
            program.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("output of {}: {error}", program.display()))
}

/// Instructions of each operation, and of whose making the program was.
struct Counts {
    made_with: String,
    operations: Vec<(String, u64)>,
}

impl Counts {
    fn text(&self) -> String {
        let mut text = format!(
            "# Instructions of the operations of bench/tests/counts, as `cargo xtask counts --update` writes them.\n# {}\n",
            self.made_with
        );
        for (name, count) in &self.operations {
            let _ = writeln!(text, "{count:>12} {name}");
        }
        text
    }

    fn parse(text: &str) -> Result<Self, String> {
        let made_with = text.lines().filter_map(|line| line.strip_prefix("# ")).nth(1).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let read = |line: &str| {
            let (count, name) = line.trim_start().split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        let operations = lines.map(|line| {
            read(line).ok_or_else(|| format!("{BASELINE}: expected a number and a name: {line:?}"))
        });
        Ok(Self { made_with: made_with.to_owned(), operations: operations.collect::<Result<_, String>>()? })
    }
}

/// Prints all, and fails if any became slower.
fn compare(before: &Counts, now: &Counts) -> Result<(), String> {
    let tolerance = if before.made_with == now.made_with {
        TOLERANCE
    } else {
        println!(
            "{BASELINE} is of {}; this is {}: only what grew by more than {WIDE} % is an error",
            before.made_with, now.made_with
        );
        WIDE
    };
    let mut known: BTreeMap<&str, u64> =
        before.operations.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let (mut errors, mut faster) = (Vec::new(), 0);
    println!("{:<64}{:>12}{:>12}{:>9}", "operation", "before", "now", "change");
    for (name, now) in &now.operations {
        let Some(before) = known.remove(name.as_str()) else {
            errors.push(format!("{BASELINE} has no line for {name:?}"));
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a share in percent")]
        let change = (*now as f64 / before as f64 - 1.0) * 100.0;
        println!("{name:<64}{before:>12}{now:>12}{change:>+8.1} %");
        if change > tolerance {
            errors.push(format!("{name} takes {now} instructions and took {before}: {change:+.1} %"));
        }
        faster += usize::from(change < -tolerance);
    }
    errors.extend(
        known.into_keys().map(|name| format!("{BASELINE} has a line for {name:?}, which is no operation")),
    );
    if faster > 0 {
        println!("{faster} became faster: cargo xtask counts --update keeps it so");
    }
    if errors.is_empty() {
        return Ok(());
    }
    errors.push("find what is done in vain, or write it down by cargo xtask counts --update and say why in the commit".to_owned());
    Err(errors.join("\nxtask: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(made_with: &str, operations: &[(&str, u64)]) -> Counts {
        let operations = operations.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { made_with: made_with.to_owned(), operations }
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let counts = counts("rustc 1", &[("look at all", 1_000), ("answer", 7)]);
        let read = Counts::parse(&counts.text()).unwrap();
        assert_eq!((read.made_with, read.operations), (counts.made_with, counts.operations));
        assert!(Counts::parse("# a\n# b\nmany look\n").is_err());
    }

    #[test]
    fn what_became_slower_is_named_with_how_much() {
        let before = counts("x", &[("look", 1_000), ("answer", 100)]);
        let error = compare(&before, &counts("x", &[("look", 1_009), ("answer", 102)])).unwrap_err();
        assert!(error.starts_with("answer takes 102 instructions and took 100: +2.0 %"), "{error}");
        assert!(!error.contains("look"), "less than 1 % is within the tolerance: {error}");
        assert_eq!(compare(&before, &counts("x", &[("look", 500), ("answer", 100)])), Ok(()), "faster");
    }

    #[test]
    fn of_another_compiler_only_much_slower_is_an_error() {
        let before = counts("x", &[("look", 1_000)]);
        assert_eq!(compare(&before, &counts("y", &[("look", 1_290)])), Ok(()));
        assert!(compare(&before, &counts("y", &[("look", 1_310)])).is_err());
    }

    #[test]
    fn operations_and_lines_belong_together() {
        let error = compare(&counts("x", &[("gone", 1)]), &counts("x", &[("new", 1)])).unwrap_err();
        assert!(error.contains("no line for \"new\"") && error.contains("line for \"gone\""), "{error}");
    }
}
