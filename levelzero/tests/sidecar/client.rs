//! A client of the service, by its wire format (`levelzero.proto`) and not by the sidecar's own code.

use std::path::Path;

use prost::Message;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::PATIENCE;

#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    address: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Failure {
    #[prost(string, tag = "1")]
    pub(crate) description: String,
    #[prost(uint32, tag = "2")]
    pub(crate) code: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Health {
    #[prost(bool, tag = "1")]
    pub(crate) memory_ok: bool,
    #[prost(bool, tag = "2")]
    pub(crate) bus_ok: bool,
    #[prost(bool, tag = "3")]
    pub(crate) soc_ok: bool,
    #[prost(message, optional, tag = "42")]
    pub(crate) error: Option<Failure>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Temperature {
    #[prost(double, tag = "1")]
    pub(crate) global: f64,
    #[prost(double, tag = "2")]
    pub(crate) gpu: f64,
    #[prost(double, tag = "3")]
    pub(crate) memory: f64,
    #[prost(message, optional, tag = "42")]
    pub(crate) error: Option<Failure>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Indices {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) indices: Vec<u32>,
    #[prost(message, optional, tag = "42")]
    pub(crate) error: Option<Failure>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemoryAmount {
    #[prost(uint64, tag = "1")]
    pub(crate) bytes: u64,
    #[prost(message, optional, tag = "42")]
    pub(crate) error: Option<Failure>,
}

/// One connection, so that it is also seen that a sidecar goes on after a call that hung.
pub(crate) struct Client(Grpc<Channel>);

impl Client {
    pub(crate) fn of(socket: &Path) -> Self {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).unwrap();
        Self(Grpc::new(endpoint.connect_lazy()))
    }

    pub(crate) async fn health(&mut self, address: &str) -> Result<Health, Status> {
        self.ask("/Levelzero/GetDeviceHealth", address).await
    }

    pub(crate) async fn temperature(&mut self, address: &str) -> Result<Temperature, Status> {
        self.ask("/Levelzero/GetDeviceTemperature", address).await
    }

    pub(crate) async fn memory(&mut self, address: &str) -> Result<MemoryAmount, Status> {
        self.ask("/Levelzero/GetDeviceMemoryAmount", address).await
    }

    pub(crate) async fn indices(&mut self) -> Result<Indices, Status> {
        self.ask("/Levelzero/GetIntelIndices", "").await
    }

    async fn ask<T: Message + Default + Send + Sync + 'static>(
        &mut self,
        method: &'static str,
        address: &str,
    ) -> Result<T, Status> {
        self.0.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
        let question = Request::new(Question { address: address.to_owned() });
        let codec = ProstCodec::<Question, T>::default();
        let answer = self.0.unary(question, PathAndQuery::from_static(method), codec);
        Ok(timeout(PATIENCE, answer).await.expect("the sidecar is deaf")?.into_inner())
    }
}

impl Health {
    pub(crate) fn code(&self) -> u32 {
        self.error.as_ref().unwrap().code
    }

    pub(crate) fn description(&self) -> &str {
        &self.error.as_ref().unwrap().description
    }

    /// Memory, bus, system on chip.
    pub(crate) fn parts(&self) -> [bool; 3] {
        [self.memory_ok, self.bus_ok, self.soc_ok]
    }
}

impl Temperature {
    /// Global, GPU, memory.
    pub(crate) fn shown(&self) -> String {
        format!("{} {} {}", self.global, self.gpu, self.memory)
    }
}
