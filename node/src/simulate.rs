//! `simulate`: the plugins on a simulated node with an embedded kubelet, to see what they would do.

mod options;
mod view;
mod xpum;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cli::logs;
use device_plugin::{Manager, Paths, Rescan, Status};
use simulator::kubelet::{self, ContainerAdmission, ContainerRequest, Kubelet, PodRequest, State};
use simulator::{Profile, SimulatedNode};
use tokio::sync::watch;

use crate::families::FAMILIES;
use crate::place;
use crate::screen::{Screen, print};
use crate::table::Table;
use options::Options;
use view::{Container, Style};

/// The plugins register within milliseconds; a machine that is slower than this has another problem.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the command.
pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let outcome = if options.list_profiles { list_profiles() } else { simulate(&options) };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        // What is wrong has been shown.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => crate::commands::failed("simulate", &*error),
    }
}

fn list_profiles() -> Result<bool, Box<dyn Error>> {
    let mut table = Table::new(["PROFILE", "NODE"]);
    for (name, title) in Profile::builtin_names() {
        table.row([name.to_owned(), title.to_owned()]);
    }
    print(&table.lines(|_, line| line.to_owned()))?;
    Ok(true)
}

/// True when every container got what it asked for.
fn simulate(options: &Options) -> Result<bool, Box<dyn Error>> {
    if options.logs {
        logs::start(&options.log_options)?;
    }
    if options.xpum_port > 0 && !options.watch {
        return Err("-xpum-port needs -watch: without it, nobody would be there to ask".into());
    }
    let profile = place::profile(&options.profile)?;
    let temporary = tempfile::tempdir()?;
    let root = match options.dir.as_str() {
        "" => temporary.path().to_owned(),
        dir => PathBuf::from(dir),
    };
    let node = SimulatedNode::create(&root, &profile)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(options, &profile, &node));
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

async fn run(options: &Options, profile: &Profile, node: &SimulatedNode) -> Result<bool, Box<dyn Error>> {
    let live = io::stdout().is_terminal() && !options.json && !options.logs;
    let mut screen = Screen::new(live);
    let style = Style { colour: live };
    let host = node.host();
    // Not in the node's folder: a socket's path has 107 bytes at most, and some resources have long names.
    let sockets = tempfile::tempdir()?;
    let paths = Paths { kubelet: sockets.path().to_owned(), cdi: host.outside("/var/run/cdi") };
    xpum::serve(options.xpum_port, host.clone()).await?;
    let kubelet_options =
        kubelet::Options { pod_resources: options.pod_resources(&host), ..Default::default() };
    let kubelet = Kubelet::start(&paths.kubelet, kubelet_options)?;
    let (stop, stopped) = watch::channel(false);
    let mut plugins = Vec::new();
    for family in FAMILIES {
        let flags = options.plugin_flags.of(family.name);
        let rescan = Rescan::default();
        let start = (family.parse)(&flags)
            .map_err(|error| format!("the {} plugin does not start: {error}", family.name))?;
        let plugin = start(&host, &rescan);
        let manager = Manager::new(plugin, host.clone(), paths.clone(), rescan);
        plugins.push(cli::plugin::spawn(manager, stopped.clone()).0);
    }
    if !options.json {
        let place = style.faint(&format!("(in {})", node.root().display()));
        print(&[format!("{} {place}", style.bold(profile.title())), String::new()])?;
    }
    settle(&kubelet, &plugins, &mut screen, style).await?;
    let state = kubelet.state();
    let containers = start_containers(&kubelet, options, &state).await;
    if options.json {
        let view = view::json(profile.name(), &kubelet.state(), &containers);
        print(&[serde_json::to_string_pretty(&view)?])?;
    } else {
        screen.leave(&view::resources(&state, style))?;
        for container in &containers {
            print(&[String::new()])?;
            print(&view::container(container, node.root(), style))?;
        }
        if options.watch {
            follow(&kubelet, node.root(), &mut screen, style).await?;
        }
    }
    stop.send_replace(true);
    kubelet.stop().await;
    Ok(containers.iter().all(|container| container.outcome.is_ok()))
}

/// Waits until every plugin has looked at the node and all resources are registered, and shows them as they come.
async fn settle(
    kubelet: &Kubelet,
    plugins: &[Arc<Status>],
    screen: &mut Screen,
    style: Style,
) -> Result<(), Box<dyn Error>> {
    let mut changes = kubelet.subscribe();
    let settled = async {
        loop {
            let state = kubelet.state();
            screen.draw(&view::resources(&state, style))?;
            if missing(plugins, &state).is_none() {
                return Ok::<(), io::Error>(());
            }
            // Discovery that finds nothing changes nothing in the kubelet, so do not wait for that alone.
            let _ = tokio::time::timeout(Duration::from_millis(20), changes.changed()).await;
        }
    };
    if let Ok(drawn) = tokio::time::timeout(PATIENCE, settled).await {
        return Ok(drawn?);
    }
    let missing = missing(plugins, &kubelet.state()).unwrap_or_default();
    Err(format!("the plugins are not ready after {PATIENCE:?}: {missing}").into())
}

/// What is still to come, if anything.
fn missing(plugins: &[Arc<Status>], state: &State) -> Option<String> {
    plugins.iter().find_map(|plugin| plugin.not_ready()).or_else(|| {
        let silent = state.resources.iter().find(|(_, resource)| resource.lists == 0);
        silent.map(|(name, _)| format!("{name} has sent no list"))
    })
}

/// Starts the containers that were asked for, or one for each resource that has devices to give.
async fn start_containers(kubelet: &Kubelet, options: &Options, state: &State) -> Vec<Container> {
    let mut wanted = options.allocate.0.clone();
    if wanted.is_empty() {
        let resources = state.resources.iter().filter(|(_, resource)| resource.allocatable() > 0);
        wanted = resources.map(|(name, _)| BTreeMap::from([(name.clone(), 1)])).collect();
    }
    let mut containers = Vec::new();
    for (number, requests) in wanted.into_iter().enumerate() {
        let outcome = match unschedulable(&kubelet.state(), &requests) {
            Some(reason) => Err(reason),
            None => admit(kubelet, number, &requests).await,
        };
        containers.push(Container { requests, outcome });
    }
    containers
}

/// Why the scheduler would leave a pod pending, if it would: the kubelet never hears of such pods.
fn unschedulable(state: &State, requests: &BTreeMap<String, usize>) -> Option<String> {
    requests.iter().find_map(|(resource, wanted)| {
        let free = state.allocatable(resource).saturating_sub(state.in_use(resource).len());
        (free < *wanted)
            .then(|| format!("the pod would stay pending: {free} of {resource} are free on this node"))
    })
}

async fn admit(
    kubelet: &Kubelet,
    number: usize,
    requests: &BTreeMap<String, usize>,
) -> Result<ContainerAdmission, String> {
    let mut container = ContainerRequest::new("main");
    container.requests.clone_from(requests);
    let pod = PodRequest::new(format!("pod-{number}")).container(container);
    let mut admission = kubelet.admit(&pod).await.map_err(|error| error.to_string())?;
    Ok(admission.containers.remove("main").unwrap_or_default())
}

/// Shows every change until Ctrl-C.
async fn follow(kubelet: &Kubelet, root: &Path, screen: &mut Screen, style: Style) -> io::Result<()> {
    let hint = format!("watching {}; remove or add files there and see; end with Ctrl-C", root.display());
    print(&[String::new(), style.faint(&hint), String::new()])?;
    let end = cli::signals::terminated();
    let mut changes = kubelet.subscribe();
    let drawn = async {
        let mut said = kubelet.events().len();
        loop {
            screen.draw(&view::resources(&kubelet.state(), style))?;
            if !style.colour {
                let events = kubelet.events();
                let news: Vec<String> =
                    events.iter().skip(said).map(|event| event.kind.to_string()).collect();
                print(&news)?;
                said = events.len();
            }
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        () = end => Ok(()),
        drawn = drawn => drawn,
    }
}
