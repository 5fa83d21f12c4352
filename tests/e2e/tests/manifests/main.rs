//! All of `deployments` by the real kustomize and a real API server, which has no node: nothing runs here.
#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "tests")]

mod folders;
mod objects;
mod pod_security;
mod world;
