//! What admission webhooks share, as functions on raw JSON: no typed objects, so that fields which this build has never heard of
//! stay as they are.
//!
//! [`review`] reads what the API server asks, of the object only the [`fields`] that decide, and writes the answer; [`patch`]
//! changes an object and keeps account of it as a JSON patch; [`quantity`] reads and writes amounts of resources, and
//! [`resources`] finds those that containers ask for. [`server`] is the HTTPS server that the API server asks.

mod expiry;
pub mod fields;
pub mod metrics;
pub mod mounted;
pub mod patch;
pub mod quantity;
pub mod resources;
pub mod review;
pub mod server;

pub use fields::Fields;
pub use metrics::Metrics;
pub use mounted::Mounted;
pub use patch::{Document, Patch, Pointer};
pub use quantity::Quantity;
pub use review::{Outcome, Request};
pub use server::{Certificate, Server, Webhook};
