//! The run loop of a device plugin's binary: the flags that all plugins have, status pages, and an orderly end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use device_plugin::{DeadMount, DevicePlugin, Manager, Paths, Rescan, Status, status};
use host::Host;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::confinement::{Confined, Confinement, Needs, Rules};
use crate::{FlagSet, LogOptions, fatal, logs, signals};

/// The flags that all plugins have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginOptions {
    /// klog's flags.
    pub logs: LogOptions,
    /// Where to serve `/metrics`, `/healthz` and `/readyz`; nowhere when empty.
    pub metrics_address: String,
    /// The folder of the kubelet's device plugin sockets.
    pub kubelet_dir: String,
    /// The folder of the CDI files.
    pub cdi_dir: String,
    /// How far the process confines itself.
    pub confinement: Confinement,
}

impl Default for PluginOptions {
    fn default() -> Self {
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let Paths { kubelet, cdi } = Paths::default();
        Self {
            logs: LogOptions::default(),
            metrics_address: String::new(),
            kubelet_dir: text(kubelet),
            cdi_dir: text(cdi),
            confinement: Confinement::default(),
        }
    }
}

impl PluginOptions {
    /// Adds them all, under headings of their own.
    pub fn add_flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        let section = flags.section("Common flags");
        flags.string(
            "metrics-address",
            &mut self.metrics_address,
            "serve /metrics, /healthz and /readyz on this address, such as `:9090` or 127.0.0.1:9090; off when empty",
        );
        flags.string("kubelet-dir", &mut self.kubelet_dir, "folder of the kubelet's device plugin sockets");
        flags.string("cdi-dir", &mut self.cdi_dir, "folder that container runtimes read CDI files from");
        self.confinement.add_flag(flags);
        flags.section(section);
        self.logs.add_flags(flags);
    }

    /// The folders that the plugin writes to.
    pub fn paths(&self) -> Paths {
        Paths { kubelet: self.kubelet_dir.clone().into(), cdi: self.cdi_dir.clone().into() }
    }

    /// The address that the status pages are to be served on, if any.
    pub fn status_address(&self) -> Result<Option<SocketAddr>, String> {
        crate::address("metrics-address", &self.metrics_address)
    }
}

/// A plugin whose flags were found good: starts it on a node, with the handle by which its tasks ask for a new look at
/// the hardware. They run in the current runtime, and end when the plugin is dropped.
pub type Start = Box<dyn FnOnce(&Host, &Rescan) -> Arc<dyn DevicePlugin> + Send>;

/// Starts logging, gives up what is not among what the plugin `needs`, and runs the plugin that `make` gives until SIGTERM. `make`
/// runs in the runtime, so it may start tasks, and gets the handle by which they ask for a new look at the hardware.
pub fn run<P: DevicePlugin>(
    options: &PluginOptions,
    host: Host,
    needs: Needs,
    make: impl FnOnce(&Rescan) -> P,
) -> ExitCode {
    run_any(options, host, needs, Box::new(|rescan| Arc::new(make(rescan))))
}

type Make<'a> = Box<dyn FnOnce(&Rescan) -> Arc<dyn DevicePlugin> + 'a>;

/// One server for plugins of all kinds: it is a quarter of a megabyte of code for each kind that it is made for.
fn run_any(options: &PluginOptions, host: Host, needs: Needs, make: Make<'_>) -> ExitCode {
    if let Err(error) = logs::start(&options.logs) {
        return fatal(device_plugin::error_chain(&error));
    }
    let address = match options.status_address() {
        Ok(address) => address,
        Err(error) => return fatal(error),
    };
    let confined = Confined::new(options, &host, &[needs], Rules::default());
    let runtime = match runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return fatal(error),
    };
    let code = runtime.block_on(async {
        let terminated = signals::terminated();
        let rescan = Rescan::default();
        let manager = Manager::new(make(&rescan), host, options.paths(), rescan);
        let plugins = vec![manager.status()];
        tokio::select! {
            ended = manager.run(terminated) => match ended {
                Ok(()) => ExitCode::SUCCESS,
                Err(dead) => {
                    tracing::error!("{dead}");
                    ExitCode::FAILURE
                }
            },
            error = serve_status(address, confined, move || plugins.clone()) => fatal(error),
        }
    });
    // A driver that hangs in a read must not keep the process from ending.
    runtime.shutdown_timeout(Duration::from_millis(100));
    code
}

/// Runs a plugin as a task of the current runtime, until `stop` is true. It ends before only with an error.
pub fn spawn(
    manager: Manager<Arc<dyn DevicePlugin>>,
    mut stop: watch::Receiver<bool>,
) -> (Arc<Status>, JoinHandle<Result<(), DeadMount>>) {
    let status = manager.status();
    let task = tokio::spawn(manager.run(async move {
        // A sender that is gone means stop, too.
        let _ = stop.wait_for(|stop| *stop).await;
    }));
    (status, task)
}

/// The runtime of a process of so many plugins: what hangs in one leaves the others their threads. Those that are idle
/// for 10 s end.
pub fn runtime(plugins: usize) -> Result<Runtime, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(plugins * device_plugin::MAX_BLOCKING_THREADS)
        // Discovery is not recursive; the default of 2 MiB is only address space, but is counted by some limits.
        .thread_stack_size(512 * 1024)
        .build();
    runtime.map_err(|error| format!("cannot start: {error}"))
}

/// Serves the status pages of `plugins` for ever, or nothing without an address. The answer is why it can't.
pub async fn serve_status(
    address: Option<SocketAddr>,
    confined: Confined,
    plugins: impl Fn() -> Vec<Arc<Status>> + Send + Sync + 'static,
) -> String {
    let Some(address) = address else {
        return std::future::pending().await;
    };
    match status::serve(address, move |figures| confined.show(figures), plugins).await {
        Err(error) => format!("cannot serve metrics on {address}: {error}"),
        Ok(never) => match never {},
    }
}
