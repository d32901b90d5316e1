//! Wakes that a task gives itself while it is polled. Start at [`OwnWakes::poll`].
//!
//! The two halves of a connection wake each other, and the call that drives both is one task. A task that is woken while it
//! runs goes behind all others, and another thread is woken to take it: here it is polled again on the spot instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// How often something is polled before others have their turn.
const ROUNDS: usize = 4;

/// Of one connection, whichever task drives it.
pub(super) struct OwnWakes {
    bell: Arc<Bell>,
    waker: Waker,
}

#[derive(Default)]
struct Bell {
    /// Who drove it last, to be woken by whatever happens while it is not polled.
    task: Mutex<Option<Waker>>,
    is_polled: AtomicBool,
    is_rung: AtomicBool,
}

impl OwnWakes {
    pub fn new() -> Self {
        let bell = Arc::new(Bell::default());
        Self { waker: Waker::from(bell.clone()), bell }
    }

    /// Polls until it is ready, or has nothing to do before something comes from outside.
    pub fn poll<T>(&self, context: &mut Context<'_>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        self.bell.belongs_to(context.waker());
        let mut own = Context::from_waker(&self.waker);
        for _ in 0..ROUNDS {
            self.bell.is_rung.store(false, Ordering::SeqCst);
            self.bell.is_polled.store(true, Ordering::SeqCst);
            let polled = poll(&mut own);
            self.bell.is_polled.store(false, Ordering::SeqCst);
            // Who rings at this moment sees that it is not polled, or is seen here.
            if polled.is_ready() || !self.bell.is_rung.load(Ordering::SeqCst) {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Bell {
    fn belongs_to(&self, waker: &Waker) {
        let mut task = self.task.lock();
        if !task.as_ref().is_some_and(|task| task.will_wake(waker)) {
            *task = Some(waker.clone());
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::SeqCst);
        if !self.is_polled.load(Ordering::SeqCst) {
            let task = self.task.lock().take();
            task.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn task() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    #[test]
    fn what_wakes_itself_is_polled_again_and_wakes_no_task() {
        let ((woken, waker), wakes) = (task(), OwnWakes::new());
        let mut rounds = 0;
        let polled = wakes.poll(&mut Context::from_waker(&waker), |context| {
            rounds += 1;
            if rounds == 2 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!((polled, rounds, woken.0.load(Ordering::SeqCst)), (Poll::Ready(()), 2, 0));
    }

    #[test]
    fn what_comes_from_outside_wakes_whoever_polled_last() {
        let (((first, first_waker), (second, second_waker)), wakes) = ((task(), task()), OwnWakes::new());
        let mut kept = None;
        for waker in [&first_waker, &second_waker] {
            let polled: Poll<()> = wakes.poll(&mut Context::from_waker(waker), |context| {
                kept = Some(context.waker().clone());
                Poll::Pending
            });
            assert!(polled.is_pending());
        }
        let kept = kept.expect("it was polled");
        kept.wake_by_ref();
        kept.wake();
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
    }

    #[test]
    fn what_never_comes_to_rest_lets_others_have_their_turn() {
        let ((woken, waker), wakes) = (task(), OwnWakes::new());
        let mut rounds = 0;
        let polled: Poll<()> = wakes.poll(&mut Context::from_waker(&waker), |context| {
            rounds += 1;
            context.waker().wake_by_ref();
            Poll::Pending
        });
        assert!(polled.is_pending());
        assert_eq!((rounds, woken.0.load(Ordering::SeqCst)), (ROUNDS, 1));
    }
}
