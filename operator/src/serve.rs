//! Runs one webhook: its server, its certificates, and what shows how it is.

use std::ffi::OsString;
use std::future::{Future, pending};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use certificates::Configuration;
use cli::{fatal, logs, signals};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::net::TcpListener;
use webhook::{Certificate, Metrics, Server};

use crate::options::Options;
use crate::webhooks::StandAlone;

type Work = Pin<Box<dyn Future<Output = ()>>>;
/// What is still missing, if anything.
type Missing = Box<dyn Fn() -> Option<String> + Send + Sync>;
