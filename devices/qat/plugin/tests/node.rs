//! The plugin and `setup qat` on simulated nodes.

#[cfg(test)]
mod node {
    mod allocation;
    mod damage;
    mod health;
    mod scan;
    mod scene;
    mod services;
}
