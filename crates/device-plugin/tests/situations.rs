//! A plugin on a simulated node with the embedded kubelet, in all the situations that a node gets into.
//!
//! Most tests run on tokio's paused clock, which jumps when nothing is left to do. So the framework's long pauses cost
//! nothing, and time that passes on that clock shows that something was noticed by looking again and not by an event.

#[cfg(test)]
mod situations {
    mod allocation;
    mod calls;
    mod cdi;
    mod colors;
    mod discovery;
    mod instances;
    mod limits;
    mod lists;
    mod log;
    mod registration;
    mod restarts;
    mod shutdown;
    mod status;
    mod world;
}
