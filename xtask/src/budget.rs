//! `cargo xtask budget`: what a shipped binary may weigh.

use std::collections::BTreeSet;
use std::fs;

use crate::build::Shipped;
use crate::crates::linked;
use crate::elf::Linking;
use crate::platform::Platform;
use crate::{build, root};

const TABLE: &str = "xtask/budget.txt";

/// Crates that no binary of a node contains, and why.
const FORBIDDEN_ON_NODES: [(&str, &str); 3] = [
    ("kube", "a plugin does its job without the Kubernetes API"),
    ("kube-client", "a plugin does its job without the Kubernetes API"),
    ("k8s-openapi", "a plugin does its job without the Kubernetes API"),
];

/// Crates that no shipped binary contains, and why.
const FORBIDDEN: [(&str, &str); 3] = [
    ("openssl-sys", "TLS is rustls with ring, which needs no system library"),
    ("native-tls", "TLS is rustls with ring, which needs no system library"),
    ("aws-lc-sys", "ring needs neither cmake nor minutes to compile"),
];

/// The minor version of the oldest glibc 2 that runs what is not static: that of UBI 9. Debian bookworm has 36.
const GLIBC: u32 = 34;

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Budget {
    binary: String,
    bytes: u64,
    crates: usize,
}

/// Measures every shipped binary, prints what it found and fails if anything is over its limit.
pub(crate) fn run() -> Result<(), String> {
    let mut excesses = Vec::new();
    println!("{:<32}{:>12}{:>12}{:>10}{:>8}  linked", "binary", "bytes", "at most", "crates", "at most");
    for (shipped, budget, measured) in measure()? {
        println!(
            "{:<32}{:>12}{:>12}{:>10}{:>8}  {}",
            shipped.package,
            measured.bytes,
            budget.bytes,
            measured.crates.len(),
            budget.crates,
            measured.linked(),
        );
        excesses.extend(measured.excesses(&shipped, &budget));
    }
    if excesses.is_empty() { Ok(()) } else { Err(excesses.join("\nxtask: ")) }
}

/// The same as a table in Markdown, whatever is over its limit.
pub(crate) fn table() -> Result<String, String> {
    let mut table = "| figure | bar | here |\n|---|---|---|\n".to_owned();
    for (shipped, budget, measured) in measure()? {
        let mut row = |what: &str, bar: u64, here: u64| {
            let mark = if here > bar { " **missed**" } else { "" };
            table += &format!("| `{}`, {what} | ≤ {bar} | {here}{mark} |\n", shipped.package);
        };
        row("bytes", budget.bytes, measured.bytes);
        row("crates", budget.crates as u64, measured.crates.len() as u64);
        table += &format!("| `{}`, linked | | {} |\n", shipped.package, measured.linked());
    }
    Ok(table)
}

/// Builds all that is shipped and measures it.
fn measure() -> Result<Vec<(Shipped, Budget, Measured)>, String> {
    let text = fs::read_to_string(root().join(TABLE)).map_err(|error| format!("{TABLE}: {error}"))?;
    let mut budgets = parse(&text)?;
    let platform = Platform::host()?;
    let measured = build::SHIPPED.into_iter().map(|shipped| {
        let package = shipped.package;
        let budget = budgets.iter().position(|budget| budget.binary == package);
        let budget = budget.ok_or_else(|| format!("{TABLE} has no line for {package}"))?;
        let path = build::ship(&shipped, platform)?;
        let file = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let linking = Linking::of(&file).ok_or_else(|| format!("{} is no ELF file", path.display()))?;
        let crates = linked(package, platform)?.into_iter().map(|(name, _)| name).collect();
        Ok((shipped, budgets.swap_remove(budget), Measured { bytes: file.len() as u64, crates, linking }))
    });
    measured.collect()
}

/// What a binary weighs.
struct Measured {
    bytes: u64,
    crates: BTreeSet<String>,
    linking: Linking,
}

impl Measured {
    /// How it is linked, in words.
    fn linked(&self) -> String {
        let Linking { interpreter, libraries, glibc } = &self.linking;
        if !interpreter && libraries.is_empty() {
            return "static".to_owned();
        }
        let libraries: Vec<&str> = libraries.iter().map(String::as_str).collect();
        format!("{}, glibc 2.{glibc}", libraries.join(" "))
    }

    /// All in which it is not as it should be.
    fn excesses(&self, shipped: &Shipped, budget: &Budget) -> Vec<String> {
        let mut excesses = Vec::new();
        let binary = &budget.binary;
        if self.bytes > budget.bytes {
            excesses.push(format!(
                "{binary} has {} bytes and may have {}: find what grew, or raise the limit in {TABLE} and say why",
                self.bytes, budget.bytes
            ));
        }
        if self.crates.len() > budget.crates {
            excesses.push(format!(
                "{binary} has {} crates and may have {}: see `cargo tree -p {binary} -e normal`, \
                 or raise the limit in {TABLE} and say why",
                self.crates.len(),
                budget.crates
            ));
        }
        let on_nodes = FORBIDDEN_ON_NODES.iter().filter(|_| shipped.on_nodes);
        for (name, reason) in on_nodes.chain(&FORBIDDEN) {
            if self.crates.contains(*name) {
                excesses.push(format!(
                    "{binary} contains the crate {name}: {reason}; see `cargo tree -p {binary} -i {name}`"
                ));
            }
        }
        let Linking { interpreter, libraries, glibc } = &self.linking;
        if shipped.is_static() == *interpreter || !libraries.iter().eq(shipped.libraries) {
            excesses.push(if shipped.is_static() {
                format!("{binary} is not static, but linked with: {}", self.linked())
            } else {
                format!(
                    "{binary} is linked with: {}; it should be with {:?}",
                    self.linked(),
                    shipped.libraries
                )
            });
        }
        if *glibc > GLIBC {
            excesses.push(format!(
                "{binary} needs glibc 2.{glibc}, and images that it is for have 2.{GLIBC}: see \
                 `objdump -T` for the symbols, and build where glibc is older"
            ));
        }
        excesses
    }
}

/// Reads lines of a binary's name, bytes and crates; `#` begins a comment.
fn parse(text: &str) -> Result<Vec<Budget>, String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let [binary, bytes, crates] = line.split_whitespace().collect::<Vec<_>>()[..] else {
                return Err(format!("{TABLE}: expected three words: {line:?}"));
            };
            let (Ok(bytes), Ok(crates)) = (bytes.replace('_', "").parse(), crates.parse()) else {
                return Err(format!("{TABLE}: expected a name and two numbers: {line:?}"));
            };
            Ok(Budget { binary: binary.to_owned(), bytes, crates })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget { binary: "x".to_owned(), bytes: 100, crates: 2 }
    }

    const STATIC: Shipped = Shipped { package: "x", on_nodes: true, libraries: &[] };
    const DYNAMIC: Shipped =
        Shipped { package: "x", on_nodes: true, libraries: &["libc.so.6", "libgcc_s.so.1"] };

    fn measured(bytes: u64, crates: &[&str]) -> Measured {
        Measured {
            bytes,
            crates: crates.iter().map(ToString::to_string).collect(),
            linking: Linking::default(),
        }
    }

    fn linked(libraries: &[&str], glibc: u32) -> Measured {
        let libraries = libraries.iter().map(ToString::to_string).collect();
        Measured { linking: Linking { interpreter: true, libraries, glibc }, ..measured(100, &["x"]) }
    }

    /// Each begins like this, and there are no others.
    fn assert_excesses(excesses: &[String], beginnings: &[&str]) {
        assert_eq!(excesses.len(), beginnings.len(), "{excesses:?}");
        for (excess, beginning) in excesses.iter().zip(beginnings) {
            assert!(excess.starts_with(beginning), "{excess}");
        }
    }

    #[test]
    fn the_table_is_read_without_comments() {
        let text = "# binary bytes crates\n\nx 100 2 # why\ny 4_000_000 70\n";
        let second = Budget { binary: "y".to_owned(), bytes: 4_000_000, crates: 70 };
        assert_eq!(parse(text), Ok(vec![budget(), second]));
        for bad in ["x 100", "x 100 2 3", "x many 2", "x 100 -2"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_binary_at_its_limits_is_within_its_budget() {
        assert_excesses(&measured(100, &["x", "y"]).excesses(&STATIC, &budget()), &[]);
        assert_excesses(&linked(DYNAMIC.libraries, 34).excesses(&DYNAMIC, &budget()), &[]);
    }

    #[test]
    fn the_kubernetes_client_is_forbidden_on_nodes_only() {
        let beside_the_api = Shipped { on_nodes: false, ..STATIC };
        assert_excesses(&measured(100, &["kube", "x"]).excesses(&beside_the_api, &budget()), &[]);
        let openssl = measured(100, &["openssl-sys"]).excesses(&beside_the_api, &budget());
        assert_excesses(&openssl, &["x contains the crate openssl-sys:"]);
    }

    #[test]
    fn each_excess_is_told() {
        let excesses = measured(101, &["kube", "x", "y"]).excesses(&STATIC, &budget());
        assert_excesses(&excesses, &["x has 101 bytes", "x has 3 crates", "x contains the crate kube:"]);
    }

    #[test]
    fn what_is_to_be_static_has_neither_libraries_nor_an_interpreter() {
        for libraries in [&["libc.so.6"][..], &[]] {
            let excesses = linked(libraries, 0).excesses(&STATIC, &budget());
            assert_excesses(&excesses, &["x is not static"]);
        }
    }

    #[test]
    fn what_loads_libraries_is_linked_with_those_that_are_listed_and_no_others() {
        let more = ["libc.so.6", "libgcc_s.so.1", "libssl.so.3"];
        for libraries in [&more[..], &["libc.so.6"], &[]] {
            let excesses = linked(libraries, 34).excesses(&DYNAMIC, &budget());
            assert_excesses(&excesses, &["x is linked with: "]);
        }
        let static_one = measured(100, &["x"]).excesses(&DYNAMIC, &budget());
        assert_excesses(&static_one, &["x is linked with: static; it should be with"]);
    }

    #[test]
    fn a_newer_glibc_than_images_have_is_an_excess() {
        let excesses = linked(DYNAMIC.libraries, 35).excesses(&DYNAMIC, &budget());
        assert_excesses(&excesses, &["x needs glibc 2.35"]);
    }
}
