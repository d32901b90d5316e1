//! Waiting for a place at an upstream that is busy: a bounded line in which plans with priority go first, but not always.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// After so many calls with priority in a row one without goes, if any waits, so that nobody waits for ever.
const PRIORITY_STREAK: u32 = 4;

/// The calls that one upstream may have under way, and those that wait for a place.
#[derive(Debug)]
pub struct Line {
    state: Mutex<State>,
    /// Calls that may wait at once.
    room: usize,
    /// How long a call may wait.
    patience: Duration,
}

#[derive(Debug)]
struct State {
    free: usize,
    priority: VecDeque<oneshot::Sender<Slot>>,
    others: VecDeque<oneshot::Sender<Slot>>,
    streak: u32,
}

/// A call's place, given to whoever waits next when it is dropped.
#[derive(Debug)]
pub struct Slot(Option<Arc<Line>>);

/// The line is full, or a place was not found in time.
#[derive(Debug, PartialEq, Eq)]
pub struct Saturated;

impl Line {
    pub fn new(places: usize, room: usize, patience: Duration) -> Arc<Self> {
        let state = State { free: places, priority: VecDeque::new(), others: VecDeque::new(), streak: 0 };
        Arc::new(Self { state: Mutex::new(state), room, patience })
    }

    /// How long a call may wait here.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Takes a place, at once or after waiting.
    pub async fn enter(self: &Arc<Self>, has_priority: bool) -> Result<Slot, Saturated> {
        let waiting = {
            let mut state = self.state.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(Slot(Some(self.clone())));
            }
            // Who has left is in nobody's way.
            state.priority.retain(|waiting| !waiting.is_closed());
            state.others.retain(|waiting| !waiting.is_closed());
            if state.priority.len() + state.others.len() >= self.room {
                return Err(Saturated);
            }
            let (sender, waiting) = oneshot::channel();
            let line = if has_priority { &mut state.priority } else { &mut state.others };
            line.push_back(sender);
            waiting
        };
        match tokio::time::timeout(self.patience, waiting).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(Saturated),
        }
    }

    /// Gives a place that was left to the next one that still waits.
    fn hand_over(self: Arc<Self>) {
        let mut state = self.state.lock();
        let mut slot = Slot(Some(self.clone()));
        while let Some(next) = state.next() {
            match next.send(slot) {
                Ok(()) => return,
                Err(back) => slot = back,
            }
        }
        state.free += 1;
        slot.0 = None;
    }
}

impl State {
    fn next(&mut self) -> Option<oneshot::Sender<Slot>> {
        if (self.streak < PRIORITY_STREAK || self.others.is_empty())
            && let Some(next) = self.priority.pop_front()
        {
            self.streak += 1;
            return Some(next);
        }
        self.streak = 0;
        self.others.pop_front()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.hand_over();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait_until_waiting(line: &Arc<Line>, count: usize) {
        loop {
            let waiting = {
                let state = line.state.lock();
                state.priority.len() + state.others.len()
            };
            if waiting == count {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Who gets the single place in turn, when these wait for it: `p` with priority, `o` without.
    async fn order(waiting: &str) -> String {
        let line = Line::new(1, 64, Duration::from_secs(60));
        let held = line.enter(false).await.expect("the place is free");
        let order = Arc::new(Mutex::new(String::new()));
        let mut tasks = Vec::new();
        for (number, who) in waiting.chars().enumerate() {
            let (line, order) = (line.clone(), order.clone());
            tasks.push(tokio::spawn({
                let line = line.clone();
                async move {
                    let slot = line.enter(who == 'p').await.expect("a place in time");
                    order.lock().push(who);
                    drop(slot);
                }
            }));
            wait_until_waiting(&line, number + 1).await;
        }
        drop(held);
        for task in tasks {
            task.await.expect("no task panics");
        }
        assert_eq!(line.state.lock().free, 1, "the place came back");
        order.lock().clone()
    }

    #[tokio::test]
    async fn priority_goes_first_and_nobody_starves() {
        assert_eq!(order("ooopp").await, "ppooo");
        assert_eq!(order("oopppppppppp").await, "ppppoppppopp");
    }

    #[tokio::test]
    async fn a_full_line_and_a_long_wait_are_refused() {
        let line = Line::new(1, 1, Duration::from_millis(20));
        let held = line.enter(false).await.expect("the place is free");
        let waiting = tokio::spawn({
            let line = line.clone();
            async move { line.enter(true).await.map(|_| ()) }
        });
        wait_until_waiting(&line, 1).await;
        assert_eq!(line.enter(true).await.map(|_| ()), Err(Saturated));
        assert_eq!(waiting.await.expect("no panic"), Err(Saturated));
        drop(held);
        assert!(line.enter(false).await.is_ok());
    }

    #[tokio::test]
    async fn a_place_given_to_who_has_left_goes_on() {
        let line = Line::new(1, 8, Duration::from_secs(60));
        let held = line.enter(false).await.expect("the place is free");
        let leaving = tokio::spawn({
            let line = line.clone();
            async move { line.enter(true).await.map(|_| ()) }
        });
        wait_until_waiting(&line, 1).await;
        leaving.abort();
        let _ = leaving.await;
        drop(held);
        assert!(line.enter(false).await.is_ok());
    }
}
