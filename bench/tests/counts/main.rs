//! Operations that are the same work each time, for counting their instructions: `cargo xtask counts` runs this program under
//! callgrind, which collects only what [`measured`] does. By itself it only shows that each of them works.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    reason = "tests"
)]

mod control;
mod node;
mod rounds;

// An API server in memory, and an operator on it.
#[path = "../../../crates/controller/tests/rounds/fake/mod.rs"]
#[expect(dead_code, reason = "scenarios of the reconciler need more of it")]
mod fake;
#[path = "../../../crates/controller/tests/rounds/world.rs"]
#[expect(dead_code, reason = "scenarios of the reconciler need more of it")]
mod world;

use std::path::Path;

use host::Host;

/// Something that is counted.
struct Operation {
    name: String,
    /// Makes ready what `run` finds, before each time.
    prepare: Box<dyn FnMut()>,
    run: Box<dyn FnMut()>,
}

impl Operation {
    fn new<T>(name: impl Into<String>, mut run: impl FnMut() -> T + 'static) -> Self {
        let run = Box::new(move || drop(std::hint::black_box(run())));
        Self { name: name.into(), prepare: Box::new(|| ()), run }
    }

    /// Ten times, for what is short and has tables with dice in their keys (`HashMap`).
    fn ten<T>(name: &str, mut run: impl FnMut() -> T + 'static) -> Self {
        Self::new(format!("{name}, 10 times"), move || (0..10).map(|_| run()).collect::<Vec<T>>())
    }

    fn after(self, prepare: impl FnMut() + 'static) -> Self {
        Self { prepare: Box::new(prepare), ..self }
    }
}

/// What callgrind collects. There is one such function, and it is called once for each operation.
#[inline(never)]
fn measured(run: &mut dyn FnMut()) {
    run();
}

/// Without arguments all run once, on a simulated node in a folder of its own. `cargo xtask counts` makes the folder with
/// `-prepare FOLDER`, and runs this in it with `-counted` where the simulated node is the real one: valgrind does not know the
/// system call that keeps paths below a folder, and a path of another length would be other work.
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["-prepare", folder] => drop(node::prepare(Path::new(folder))),
        // The stack of the main thread is where the environment ends, and how fast texts are looked through depends on that.
        ["-counted"] => std::thread::spawn(|| run(&Host::real(), Path::new(""))).join().unwrap(),
        _ => {
            let folder = tempfile::tempdir().unwrap();
            run(&node::prepare(folder.path()), folder.path());
        }
    }
}

fn run(host: &Host, folder: &Path) {
    let mut operations = node::operations(host, folder);
    operations.extend(control::operations());
    operations.push(rounds::unchanged());
    for Operation { name, mut prepare, mut run } in operations {
        // What is done once in a process, and what the allocator has to fetch.
        prepare();
        run();
        prepare();
        measured(&mut *run);
        println!("{name}");
    }
}
