//! The admission webhooks on a real cluster, with nothing but the API server beside them: from `deployments`, with certificates of
//! their own.
//!
//! One cluster serves all tests, one after the other; each leaves it as it found it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod certificates;
mod demos;
mod fpga;
mod image;
mod sgx;
mod world;
