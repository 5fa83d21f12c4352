//! Rollouts that stand still. The DaemonSet controller replaces pods only while enough others are available; it does not say when it
//! cannot go on.

use std::time::Duration;

use tokio::time::Instant;

use crate::conditions::Rollout;

/// How long a rollout may stand still: as long as a Deployment's may.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// How one rollout went so far.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    at: Option<(i64, i32)>,
    /// When it moved last; none if it stands still already.
    since: Option<Instant>,
}

/// How it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// There is none.
    Done,
    /// It may stand still for so long.
    Moving(Duration),
    Stalled,
}

impl Stall {
    /// Looks at it. `was_stalled`: what the status says of it, which a new operator goes by until something moves.
    pub(crate) fn look(&mut self, rollout: Rollout, was_stalled: bool, now: Instant) -> Pace {
        if !rollout.is_going_on() {
            *self = Self::default();
            return Pace::Done;
        }
        let at = (rollout.generation, rollout.updated);
        if self.at != Some(at) {
            let is_first = self.at.is_none();
            self.since = (!(is_first && was_stalled)).then_some(now);
            self.at = Some(at);
        }
        let left = self.since.map(|since| PATIENCE.saturating_sub(now.duration_since(since)));
        match left {
            Some(left) if !left.is_zero() => Pace::Moving(left),
            _ => Pace::Stalled,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(generation: i64, updated: i32) -> Rollout {
        Rollout::of(&json!({"metadata": {"generation": generation},
            "status": {"observedGeneration": generation, "desiredNumberScheduled": 3, "updatedNumberScheduled": updated}}))
    }

    #[test]
    fn a_rollout_is_stalled_when_it_has_not_moved_for_ten_minutes() {
        let start = Instant::now();
        let minute = |minutes| start + Duration::from_mins(minutes);
        let mut stall = Stall::default();
        assert_eq!(stall.look(rollout(1, 3), false, start), Pace::Done);
        assert_eq!(stall.look(rollout(2, 0), false, start), Pace::Moving(PATIENCE));
        assert_eq!(stall.look(rollout(2, 0), false, minute(9)), Pace::Moving(Duration::from_mins(1)));
        assert_eq!(stall.look(rollout(2, 1), false, minute(9)), Pace::Moving(PATIENCE));
        assert_eq!(stall.look(rollout(2, 1), false, minute(19)), Pace::Stalled);
        assert_eq!(stall.look(rollout(2, 1), true, minute(20)), Pace::Stalled);
        assert_eq!(stall.look(rollout(3, 0), true, minute(21)), Pace::Moving(PATIENCE));
        assert_eq!(stall.look(rollout(3, 3), true, minute(22)), Pace::Done);
    }

    #[test]
    fn a_new_operator_goes_by_what_the_status_says_until_something_moves() {
        let now = Instant::now();
        let mut stall = Stall::default();
        assert_eq!(stall.look(rollout(2, 1), true, now), Pace::Stalled);
        assert_eq!(stall.look(rollout(2, 2), true, now), Pace::Moving(PATIENCE));
    }
}
