//! A stream out of one future that gives its pieces one by one. A future for each piece would be made and moved as often
//! as there are tokens.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::Stream;
use futures_util::stream;
use parking_lot::Mutex;

use crate::boxed;

/// Where the future puts a piece.
pub struct Place<T>(Arc<Mutex<Option<T>>>);

impl<T> Place<T> {
    /// Gives a piece, and stands still until another is asked for.
    pub async fn give(&self, piece: T) {
        *self.0.lock() = Some(piece);
        let mut was_polled = false;
        // Nobody has to be woken: whoever wants the next piece polls.
        poll_fn(|_| if std::mem::replace(&mut was_polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// What the future gives, until it ends.
pub fn given_by<T, F: Future<Output = ()>>(giving: impl FnOnce(Place<T>) -> F) -> impl Stream<Item = T> {
    let place = Arc::new(Mutex::new(None));
    let mut given = boxed(|| giving(Place(place.clone())));
    stream::poll_fn(move |context| match given.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => place.lock().take().map_or(Poll::Pending, |piece| Poll::Ready(Some(piece))),
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn every_piece_comes_once_and_in_order() {
        let stream = given_by(|place| async move {
            for piece in 0..3 {
                tokio::task::yield_now().await;
                place.give(piece).await;
            }
            tokio::task::yield_now().await;
        });
        assert_eq!(stream.collect::<Vec<i32>>().await, [0, 1, 2]);
        let nothing = given_by(|_: Place<i32>| async {}).collect::<Vec<i32>>().await;
        assert!(nothing.is_empty());
    }

    #[tokio::test]
    async fn nothing_is_made_before_it_is_asked_for() {
        let made = Arc::new(Mutex::new(0));
        let counted = made.clone();
        let mut stream = Box::pin(given_by(|place| async move {
            loop {
                *counted.lock() += 1;
                place.give(()).await;
            }
        }));
        assert_eq!(*made.lock(), 0);
        for pieces in 1..4 {
            assert_eq!(stream.next().await, Some(()));
            assert_eq!(*made.lock(), pieces);
        }
        drop(stream);
        assert_eq!(Arc::strong_count(&made), 1, "what gave the pieces is gone");
    }
}
