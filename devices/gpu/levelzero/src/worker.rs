//! The thread that calls the library, and what is known while a call does not come back.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use host::PciAddress;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::sysman::Sysman;

/// How long whoever asks waits. The GPU plugin gives up after 2 s.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long the library may take for a question until it counts as hung. A first question can be slow.
const QUESTION: Duration = Duration::from_secs(5);
/// How long the library may take to get ready: it starts every GPU's driver.
const START: Duration = Duration::from_secs(30);
/// How many questions may wait.
const QUEUE: usize = 64;

/// Hands questions to the thread.
#[derive(Clone)]
pub(crate) struct Worker {
    jobs: SyncSender<Job>,
    current: Current,
}

type Job = (Option<PciAddress>, Box<dyn FnOnce(&mut Sysman) + Send>);
type Current = Arc<Mutex<Option<Call>>>;

/// What the thread is at.
#[derive(Clone, Copy)]
struct Call {
    /// The device that was asked about; none for questions about all.
    about: Option<PciAddress>,
    since: Instant,
    allowed: Duration,
    is_reported: bool,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// A call about this device, or about all, has not come back in time.
    Hangs(Option<PciAddress>),
    /// The library is not ready, or slow, or too many ask.
    NotYet,
}

impl Worker {
    /// Starts the thread, which first makes the library ready. The receiver gets why that failed; it ends with the thread.
    pub(crate) fn start(wsl: bool) -> std::io::Result<(Self, oneshot::Receiver<Failure>)> {
        let (jobs, waiting) = sync_channel(QUEUE);
        let current = Current::default();
        let worker = Self { jobs, current: Arc::clone(&current) };
        let (failed, failure) = oneshot::channel();
        begin(&current, None, START);
        thread::Builder::new().name("level-zero".to_owned()).spawn(move || match Sysman::start(wsl) {
            Ok(mut sysman) => {
                end(&current);
                tracing::info!("Level Zero is ready");
                serve(&mut sysman, &waiting, &current);
            }
            Err(error) => {
                // Nobody listens any more when the process ends.
                let _ = failed.send(error);
            }
        })?;
        Ok((worker, failure))
    }

    /// Asks about one device or all.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        about: Option<PciAddress>,
        question: impl FnOnce(&mut Sysman) -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        if let Some(hanging) = self.hanging() {
            return Err(hanging);
        }
        let (answer, answered) = oneshot::channel();
        let run = move |sysman: &mut Sysman| {
            // Whoever asked may have given up.
            if !answer.is_closed() {
                let _ = answer.send(question(sysman));
            }
        };
        self.jobs.try_send((about, Box::new(run))).map_err(|_full| Unanswered::NotYet)?;
        match timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(self.hanging().unwrap_or(Unanswered::NotYet)),
        }
    }

    /// The call that has taken too long, if there is one.
    fn hanging(&self) -> Option<Unanswered> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let call = current.as_mut().filter(|call| call.since.elapsed() >= call.allowed)?;
        if !call.is_reported {
            call.is_reported = true;
            tracing::error!("the driver has not answered for {:?}: {}", call.allowed, subject(call.about));
        }
        Some(Unanswered::Hangs(call.about))
    }
}

/// Answers until nobody can ask any more.
fn serve(sysman: &mut Sysman, jobs: &Receiver<Job>, current: &Current) {
    while let Ok((about, run)) = jobs.recv() {
        begin(current, about, QUESTION);
        run(sysman);
        end(current);
    }
}

fn begin(current: &Current, about: Option<PciAddress>, allowed: Duration) {
    let call = Call { about, since: Instant::now(), allowed, is_reported: false };
    *current.lock().unwrap_or_else(PoisonError::into_inner) = Some(call);
}

fn end(current: &Current) {
    let call = current.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(call) = call.filter(|call| call.is_reported) {
        tracing::info!("the driver answers again, after {:?}: {}", call.since.elapsed(), subject(call.about));
    }
}

/// What a question was about.
pub(crate) fn subject(about: Option<PciAddress>) -> String {
    about.map_or_else(|| "asked about all devices".to_owned(), |address| format!("asked about {address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker_at(about: Option<PciAddress>, allowed: Duration) -> Worker {
        let current = Current::default();
        begin(&current, about, allowed);
        Worker { jobs: sync_channel(QUEUE).0, current }
    }

    #[tokio::test]
    async fn a_start_that_takes_too_long_is_about_all_devices() {
        let worker = worker_at(None, Duration::ZERO);
        assert_eq!(worker.ask(None, |_| ()).await, Err(Unanswered::Hangs(None)));
    }

    #[tokio::test]
    async fn too_many_questions_wait_for_no_answer() {
        let (jobs, _waiting) = sync_channel(0);
        let worker = Worker { jobs, ..worker_at(None, START) };
        assert_eq!(worker.ask(None, |_| ()).await, Err(Unanswered::NotYet));
    }
}
