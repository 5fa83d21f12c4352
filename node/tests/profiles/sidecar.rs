//! A stand-in for the Level-Zero sidecar of the GPU plugin, by its wire format (`levelzero.proto`).

use std::convert::Infallible;
use std::fs;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use prost::Message;
use simulator::SimulatedNode;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// The `GetDeviceHealth` that every GPU has: all parts are good.
#[derive(Clone, PartialEq, Message)]
struct Health {
    #[prost(bool, tag = "1")]
    memory_ok: bool,
    #[prost(bool, tag = "2")]
    bus_ok: bool,
    #[prost(bool, tag = "3")]
    soc_ok: bool,
}

/// The `GetDeviceTemperature` that every GPU has, in degrees Celsius.
#[derive(Clone, PartialEq, Message)]
struct Temperature {
    #[prost(double, tag = "2")]
    gpu: f64,
}

/// The GPUs that Windows lends, by their position in Level Zero's list.
#[derive(Clone, PartialEq, Message)]
struct Indices {
    #[prost(uint32, repeated, tag = "1")]
    indices: Vec<u32>,
}

const HEALTH: Health = Health { memory_ok: true, bus_ok: true, soc_ok: true };
const TEMPERATURE: Temperature = Temperature { gpu: 97.0 };

/// Serves until it is dropped.
pub(crate) struct Sidecar(JoinHandle<()>);

impl Sidecar {
    pub(crate) fn serve(node: &SimulatedNode) -> Self {
        let folder = node.root().join("var/lib/levelzero");
        fs::create_dir_all(&folder).unwrap();
        let incoming = UnixListenerStream::new(UnixListener::bind(folder.join("server.sock")).unwrap());
        Self(tokio::spawn(async move {
            Server::builder().serve_with_incoming(Levelzero, incoming).await.unwrap();
        }))
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Clone)]
struct Levelzero;

impl NamedService for Levelzero {
    const NAME: &'static str = "Levelzero";
}

impl Service<http::Request<Body>> for Levelzero {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/Levelzero/GetDeviceHealth" => answer(HEALTH, request).await,
                "/Levelzero/GetDeviceTemperature" => answer(TEMPERATURE, request).await,
                "/Levelzero/GetIntelIndices" => answer(Indices { indices: vec![0, 1] }, request).await,
                _ => Status::unimplemented("not asked for").into_http(),
            })
        })
    }
}

async fn answer<T: Message + Default + Clone + 'static>(
    answer: T,
    request: http::Request<Body>,
) -> http::Response<Body> {
    Grpc::new(ProstCodec::<T, ()>::default()).unary(Always(answer), request).await
}

/// The same answer to every question.
struct Always<T>(T);

impl<T: Clone> UnaryService<()> for Always<T> {
    type Response = T;
    type Future = Ready<Result<Response<T>, Status>>;

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(self.0.clone())))
    }
}
