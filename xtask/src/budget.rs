//! `cargo xtask budget`: what a shipped binary may weigh.

use std::collections::BTreeSet;
use std::fs;

use crate::elf::Linking;
use crate::{build, cargo, output_of, root};

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

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Budget {
    binary: String,
    bytes: u64,
    crates: usize,
}

/// Measures every shipped binary, prints what it found and fails if anything is over its limit.
pub(crate) fn run() -> Result<(), String> {
    let text = fs::read_to_string(root().join(TABLE)).map_err(|error| format!("{TABLE}: {error}"))?;
    let budgets = parse(&text)?;
    let mut excesses = Vec::new();
    println!("{:<32}{:>12}{:>12}{:>10}{:>8}  linked", "binary", "bytes", "at most", "crates", "at most");
    for shipped in build::SHIPPED {
        let package = shipped.package;
        let budget = budgets.iter().find(|budget| budget.binary == package);
        let budget = budget.ok_or_else(|| format!("{TABLE} has no line for {package}"))?;
        let path = build::ship(&shipped)?;
        let file = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let linking = Linking::of(&file).ok_or_else(|| format!("{} is no ELF file", path.display()))?;
        let (bytes, crates) = (file.len() as u64, crates(package)?);
        let measured = Measured { bytes, crates, linking, on_nodes: shipped.on_nodes };
        println!(
            "{package:<32}{:>12}{:>12}{:>10}{:>8}  {}",
            measured.bytes,
            budget.bytes,
            measured.crates.len(),
            budget.crates,
            if measured.is_static() { "static" } else { "dynamic" },
        );
        excesses.extend(measured.excesses(budget));
    }
    if excesses.is_empty() { Ok(()) } else { Err(excesses.join("\nxtask: ")) }
}

/// What a binary weighs.
struct Measured {
    bytes: u64,
    crates: BTreeSet<String>,
    linking: Linking,
    on_nodes: bool,
}

impl Measured {
    fn is_static(&self) -> bool {
        self.linking == Linking { interpreter: false, libraries: 0 }
    }

    fn excesses(&self, budget: &Budget) -> Vec<String> {
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
        let on_nodes = FORBIDDEN_ON_NODES.iter().filter(|_| self.on_nodes);
        for (name, reason) in on_nodes.chain(&FORBIDDEN) {
            if self.crates.contains(*name) {
                excesses.push(format!(
                    "{binary} contains the crate {name}: {reason}; see `cargo tree -p {binary} -i {name}`"
                ));
            }
        }
        if !self.is_static() {
            excesses.push(format!("{binary} is not static: {:?}", self.linking));
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

/// The names of the crates that are linked into the package's binary, itself included.
fn crates(package: &str) -> Result<BTreeSet<String>, String> {
    let edges = "normal,no-proc-macro";
    let host = build::host()?;
    let tree = output_of(cargo().args(["tree", "--locked", "--prefix=none", "--edges", edges]).args([
        "--package",
        package,
        "--target",
        &host,
        "--format={p}",
    ]))?;
    Ok(tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget { binary: "x".to_owned(), bytes: 100, crates: 2 }
    }

    fn measured(bytes: u64, crates: &[&str], libraries: usize) -> Measured {
        Measured {
            bytes,
            crates: crates.iter().map(ToString::to_string).collect(),
            linking: Linking { interpreter: false, libraries },
            on_nodes: true,
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
        assert_eq!(measured(100, &["x", "y"], 0).excesses(&budget()), Vec::<String>::new());
    }

    #[test]
    fn the_kubernetes_client_is_forbidden_on_nodes_only() {
        let beside_the_api = Measured { on_nodes: false, ..measured(100, &["kube", "x"], 0) };
        assert_eq!(beside_the_api.excesses(&budget()), Vec::<String>::new());
        let openssl = Measured { on_nodes: false, ..measured(100, &["openssl-sys"], 0) };
        assert_eq!(openssl.excesses(&budget()).len(), 1);
    }

    #[test]
    fn each_excess_is_told() {
        let excesses = measured(101, &["kube", "x", "y"], 1).excesses(&budget());
        let beginnings =
            ["x has 101 bytes", "x has 3 crates", "x contains the crate kube:", "x is not static"];
        assert_eq!(excesses.len(), beginnings.len());
        for (excess, beginning) in excesses.iter().zip(beginnings) {
            assert!(excess.starts_with(beginning), "{excess}");
        }
    }
}
