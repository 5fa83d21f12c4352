//! The sidecar that asks Level Zero about a node's GPUs, for the GPU plugin, which loads no library.
//!
//! [`main`] is the process. `service` answers, through `worker`, the thread on which `sysman` calls the library; `ffi` is the
//! library's interface.

mod failure;
mod ffi;
mod service;
mod sysman;
mod worker;

mod api {
    #![expect(clippy::allow_attributes_without_reason, reason = "generated")]
    #![expect(unreachable_pub, unused_qualifications, reason = "generated")]
    #![expect(clippy::pedantic, clippy::allow_attributes, reason = "generated")]

    tonic::include_proto!("_");
}

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use api::levelzero_server::LevelzeroServer;
use service::Service;
use worker::Worker;

/// The largest question, in bytes: an address is 12.
const MAX_QUESTION: usize = 4096;

/// Serves until SIGTERM. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let mut logs = cli::LogOptions::default();
    let mut socket = "/var/lib/levelzero/server.sock".to_owned();
    let mut wsl = false;
    let mut flags =
        cli::FlagSet::new(program, "Answers the GPU plugin's questions about GPUs, by Level Zero.");
    flags.string("socket", &mut socket, "the socket to listen on; its folder must exist");
    flags.bool("wsl", &mut wsl, "run in the Windows Subsystem for Linux");
    logs.add_flags(&mut flags);
    if let Err(stop) = flags.parse(args) {
        return stop.report();
    }
    if let Err(error) = cli::logs::start(&logs) {
        return cli::fatal(device_plugin::error_chain(&error));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return cli::fatal(format!("cannot start: {error}")),
    };
    let socket = Path::new(&socket);
    let listener = {
        let _entered = runtime.enter();
        match listen(socket) {
            Ok(listener) => listener,
            Err(error) => return cli::fatal(error),
        }
    };
    let served = runtime.block_on(serve(listener, wsl));
    // If it can't be removed, the next instance replaces it.
    let _ = std::fs::remove_file(socket);
    if let Err(error) = &served {
        cli::fatal(error);
    }
    ffi::end_process(if served.is_ok() { 0 } else { 255 })
}

/// Takes the place of the socket that an earlier instance left.
fn listen(socket: &Path) -> Result<UnixListener, String> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(format!("-socket: cannot remove the old {}: {error}", socket.display()));
        }
        _ => {}
    }
    UnixListener::bind(socket).map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::NotFound { ": make its folder first" } else { "" };
        format!("-socket: cannot listen on {}: {error}{hint}", socket.display())
    })
}

async fn serve(listener: UnixListener, wsl: bool) -> Result<(), String> {
    let terminated = cli::signals::terminated();
    let (worker, failure) = Worker::start(wsl).map_err(|error| format!("cannot start a thread: {error}"))?;
    let service = LevelzeroServer::new(Service(worker)).max_decoding_message_size(MAX_QUESTION);
    let server = Server::builder().serve_with_incoming(service, UnixListenerStream::new(listener));
    tracing::info!("serving");
    tokio::select! {
        () = terminated => Ok(()),
        failure = failure => Err(match failure {
            Ok(failure) => format!("Level Zero cannot be used: {failure}"),
            Err(_ended) => "the thread that calls Level Zero has ended".to_owned(),
        }),
        ended = server => Err(match ended {
            Ok(()) => "serving ended".to_owned(),
            Err(error) => format!("serving ended: {}", device_plugin::error_chain(&error)),
        }),
    }
}
