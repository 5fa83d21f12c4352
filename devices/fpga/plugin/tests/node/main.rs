//! What is offered on a node, tree by tree.
#![expect(clippy::unwrap_used, reason = "tests")]

mod damage;
mod drivers;
mod functions;
mod health;
mod regions;
mod scene;
