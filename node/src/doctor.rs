//! `doctor`: checks a node for every family, and says what fixes what is wrong.

mod offers;
mod running;

use std::error::Error;
use std::ffi::OsString;
use std::process::ExitCode;

use ::doctor::{Check, Kind, Needs, Severity, cdi, iommu, kubelet, limits, memory, programs, selinux};
use cli::{FlagSet, Stop};

use crate::families::{self, FAMILIES, Family};
use crate::place::{Node, Place};
use crate::plan::configuration::{Configuration, Given};
use crate::screen::print;
use crate::table::Table;

/// The exit code when something was found that is more than a note.
const FOUND: u8 = 2;

/// What to check, and how to show it.
#[derive(Debug, Default)]
struct Options {
    place: Place,
    given: Given,
    families: Vec<String>,
    json: bool,
    list: bool,
}

impl Options {
    fn parse(mut args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self::default();
        let is_word = |word: &OsString| !word.to_string_lossy().starts_with('-');
        let words = args.iter().take_while(|word| is_word(word)).count();
        let rest = args.split_off(words);
        let mut flags = FlagSet::new(
            "intel-device-plugins doctor [FAMILY...]",
            "Checks a node, for the families that are named or for those whose hardware it has, and says what is wrong, why it \
             matters, and the command that fixes it. Changes nothing. Without root it says what it could not see. Exit code 0: \
             nothing is wrong but notes; 2: there are warnings or errors; 1: it could not run.",
        );
        options.place.add_flags(&mut flags);
        options.given.add_flags(
            &mut flags,
            [
                "file of `node`, or manifest of the plugins, that says how they run, as for `plan`; when empty, what their \
                 processes tell of it",
                "flags for one plugin, such as 'gpu: -shared-dev-num=2', instead of those of its process; repeat it for more \
                 plugins",
            ],
        );
        flags.bool("json", &mut options.json, "print JSON");
        flags.bool("list", &mut options.list, "list all that can be found, and exit");
        let more = flags.parse(rest)?;
        options.families = args.iter().map(|word| word.to_string_lossy().into_owned()).chain(more).collect();
        Ok(options)
    }
}

/// Runs the command.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(stop) => return crate::commands::stopped(&stop),
    };
    let outcome = if options.list { list().map(|()| None) } else { run(&options) };
    match outcome {
        Ok(Some(Severity::Warning | Severity::Error)) => ExitCode::from(FOUND),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => crate::commands::failed("doctor", &*error),
    }
}

/// How bad the worst is that was found.
fn run(options: &Options) -> Result<Option<Severity>, Box<dyn Error>> {
    let mut named = Vec::new();
    for name in &options.families {
        named.push(families::named(name).ok_or_else(|| {
            let known: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
            format!("there is no family {name:?}; there are: {}", known.join(", "))
        })?);
    }
    let node = options.place.open()?;
    let given = if options.given.is_any() { Some(options.given.configuration()?) } else { None };
    let checks = examine(&node, &named, given.as_ref());
    if options.json {
        print(&[serde_json::to_string_pretty(&::doctor::json(&node.name, &checks))?])?;
    } else {
        print(&text(&node.name, &checks))?;
    }
    Ok(::doctor::worst(&checks))
}

/// The report for people.
pub(crate) fn text(node: &str, checks: &[Check]) -> Vec<String> {
    let mut table = Table::new(["CHECK", "RESULT"]);
    for check in checks {
        table.row([check.name.to_owned(), check.summary()]);
    }
    let mut lines = vec![node.to_owned(), String::new()];
    lines.extend(table.lines(|_, line| line.to_owned()));
    lines.extend(::doctor::text(checks));
    // Names of files and processes are anybody's.
    lines.iter().map(|line| cli::line(line)).collect()
}

/// All checks of a node; of families that are named, else of those that it has.
/// With what their processes tell of plugins, unless a configuration is `given`.
pub(crate) fn examine(node: &Node, named: &[&'static Family], given: Option<&Configuration>) -> Vec<Check> {
    let host = &node.host;
    let (mut of_families, mut present) = (Vec::new(), Vec::new());
    let mut needs = Needs::default();
    for family in
        FAMILIES.iter().filter(|family| named.is_empty() || named.iter().any(|one| one.name == family.name))
    {
        let check = match (family.doctor.examine)(host) {
            Some(check) => {
                present.push(family.name);
                needs.cdi |= family.needs.cdi;
                check
            }
            None if named.is_empty() => continue,
            None => {
                let mut check = Check::new(family.name);
                let what = format!("the node shows no hardware of {}", family.name);
                check.found(&::doctor::ABSENT, what, family.doctor.absent);
                check
            }
        };
        needs.iommu |= check.needs.iommu;
        needs.huge_pages |= check.needs.huge_pages;
        of_families.push(check);
    }
    let mut checks = Vec::new();
    let mut processes = Vec::new();
    if node.is_live {
        checks.push(kubelet::check(host));
        let (check, found) =
            programs::check(host, &running::programs(), |process| running::of(host, process, given));
        checks.push(check);
        processes = found;
    } else {
        let mut check = Check::new("kubelet");
        check.unseen("the kubelet and other programs", "a simulated node has none");
        checks.push(check);
    }
    checks.push(limits::check(host));
    checks.push(cdi::check(host, needs, node.is_live));
    checks.push(selinux::check(host));
    checks.push(memory::cgroups(host));
    checks.push(iommu::check(host, needs));
    checks.push(memory::huge_pages(host, needs));
    checks.extend(of_families);
    checks.push(offers::check(node, &present, &processes, given));
    checks
}

/// All that can be found, as rows of a Markdown table.
fn list() -> Result<(), Box<dyn Error>> {
    let mut kinds: Vec<&Kind> = [&::doctor::kinds(), offers::KINDS].concat();
    for family in FAMILIES {
        let new =
            family.doctor.kinds.iter().filter(|kind| !kinds.contains(kind)).copied().collect::<Vec<_>>();
        kinds.extend(new);
    }
    let row = |kind: &&Kind| {
        format!("| `{}` | {} | {} | {} |", kind.id, kind.severity.name(), kind.about, kind.why)
    };
    let mut lines =
        vec!["| id | severity | what | why it matters |".to_owned(), "|---|---|---|---|".to_owned()];
    lines.extend(kinds.iter().map(row));
    Ok(print(&lines)?)
}
