//! Questions for devices at any time, also when they come and go.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::oracle::Asked;
use crate::world::{World, ask, lock, socket_of};

/// Between two questions, so that devices change between them.
const PACE: Duration = Duration::from_millis(1);

/// Asks for random devices until it is dropped, and has the oracle judge each answer.
#[derive(Debug)]
pub(crate) struct Race(JoinHandle<()>);

impl Race {
    pub(crate) fn start(world: &mut World) -> Self {
        let mut random = world.random.fork();
        let (hardware, checks) = (Arc::clone(&world.hardware), Arc::clone(&world.checks));
        let folder: PathBuf = world.kubelet.folder().to_owned();
        Self(tokio::spawn(async move {
            loop {
                let (part, socket, id) = {
                    let hardware = lock(&hardware);
                    let part = random.usize(..hardware.parts.len());
                    let Some(found) = hardware.parts.get(part) else { continue };
                    (part, socket_of(&found.resource), found.id.clone())
                };
                let from = Instant::now();
                let answer = ask(&folder.join(socket), &id).await;
                let asked = Asked { from, to: Instant::now(), answer };
                if let Some(part) = lock(&hardware).parts.get(part) {
                    checks.judge(part, &asked);
                }
                tokio::time::sleep(PACE).await;
            }
        }))
    }
}

impl Drop for Race {
    fn drop(&mut self) {
        self.0.abort();
    }
}
