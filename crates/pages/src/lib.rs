//! Pages that tell how a process is, over HTTP: [`serve`] shows [`Pages`], [`Figures`] writes the one that Prometheus reads, and
//! [`exposition`] reads it.
//!
//! ```
//! use pages::{Figures, Pages};
//!
//! let pages = Pages::default()
//!     .verdict("/readyz", || vec!["the first look has not finished".to_owned()])
//!     .text("/metrics", || {
//!         let mut figures = Figures::default();
//!         figures.counter("looks_total", "Times the node was looked at.", &[("node", "a")], 3);
//!         figures.finish()
//!     });
//! # drop(pages);
//! ```

pub mod exposition;
mod figures;
mod serve;

pub use figures::{Figures, Histogram, Label};
pub use hyper::StatusCode;
pub use serve::{Pages, serve, serve_guarded};
