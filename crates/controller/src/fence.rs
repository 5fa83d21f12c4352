//! Who may write: of several replicas only the one that leads.

use tokio::sync::watch;
use tokio::time::Instant;

/// Asked before each write. Clones follow the same source.
#[derive(Debug, Clone)]
pub struct Fence(Option<watch::Receiver<Option<Instant>>>);

/// Another replica leads, or nobody does for the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another replica leads")]
pub struct Lost;

impl Fence {
    /// Lets everything through: for a single replica.
    pub fn open() -> Self {
        Self(None)
    }

    /// Lets writes through until the moment that the source names; none when it names none.
    pub fn until(source: watch::Receiver<Option<Instant>>) -> Self {
        Self(Some(source))
    }

    /// Fails when nothing may be written now.
    pub fn may_write(&self) -> Result<(), Lost> {
        let Some(source) = &self.0 else { return Ok(()) };
        let until = *source.borrow();
        until.filter(|until| Instant::now() < *until).map(|_| ()).ok_or(Lost)
    }

    /// Waits until the source names another moment; for ever if it never will.
    pub(crate) async fn changed(&mut self) {
        if let Some(source) = &mut self.0
            && source.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_are_let_through_until_the_moment_that_the_source_names() {
        assert_eq!(Fence::open().may_write(), Ok(()));
        let (source, receiver) = watch::channel(None);
        let fence = Fence::until(receiver);
        assert_eq!(fence.may_write(), Err(Lost));
        source.send_replace(Some(Instant::now() + Duration::from_secs(10)));
        assert_eq!(fence.may_write(), Ok(()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(fence.may_write(), Err(Lost));
    }
}
