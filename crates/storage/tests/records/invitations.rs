//! Invitations on both engines.

use domain::ids::AccountId;
use domain::permissions::Role;
use domain::time::Timestamp;
use storage::StorageError;
use storage::records::invitations::{self, Invitation, InvitationState};

use crate::engines::{Opened, at, on_both};

fn account() -> AccountId {
    AccountId::from_bits(7)
}

fn invitation(opened: &Opened, email: &str, made_at: Timestamp) -> Invitation {
    Invitation {
        id: opened.id(made_at),
        account: account(),
        email: email.to_owned(),
        role: Role::Member,
        invited_by: "usr_1".to_owned(),
        state: InvitationState::Open,
        created_at: made_at,
        expires_at: made_at.plus_micros(100_000_000),
        settled_at: None,
    }
}

async fn add(opened: &Opened, invitation: &Invitation, hash: u8) {
    let invitation = invitation.clone();
    opened.write(move |tx| invitations::insert(tx, &invitation, &[hash; 32])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_one_open_invitation_whose_last_link_opens_it() {
    on_both(|opened| async move {
        let first = invitation(&opened, "Ada@example.com", at(0));
        add(&opened, &first, 1).await;
        let second = invitation(&opened, "ada@EXAMPLE.com", at(1));
        let taken = opened.try_write(move |tx| invitations::insert(tx, &second, &[2; 32])).await;
        assert!(matches!(taken, Err(StorageError::Taken(_))), "{taken:?}");
        let renewed = Invitation { role: Role::Admin, expires_at: at(500), ..first.clone() };
        let written = renewed.clone();
        opened.write(move |tx| invitations::renew(tx, &written, &[3; 32])).await;
        let by = async |hash: u8, now| opened.read(move |tx| invitations::by_token(tx, &[hash; 32], now)).await;
        assert_eq!(by(1, at(2)).await, None);
        assert_eq!(by(3, at(499)).await.as_ref(), Some(&renewed));
        assert_eq!(by(3, at(500)).await, None, "it is over");
        let found = opened.read(|tx| invitations::open_to(tx, account(), "ADA@example.com")).await;
        assert_eq!(found.as_ref(), Some(&renewed));
        let other = AccountId::from_bits(8);
        assert_eq!(opened.read(move |tx| invitations::by_id(tx, other, first.id)).await, None);
        let settle = async |state| opened.write(move |tx| invitations::settle(tx, first.id, state, at(3))).await;
        assert!(settle(InvitationState::Accepted).await);
        assert!(!settle(InvitationState::Withdrawn).await);
        assert_eq!(by(3, at(4)).await, None);
        let found = opened.read(move |tx| invitations::by_id(tx, account(), first.id)).await.unwrap();
        assert_eq!((found.state, found.settled_at), (InvitationState::Accepted, Some(at(3))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_holds_no_seat_and_is_marked_a_few_at_a_time() {
    on_both(|opened| async move {
        for (number, email) in ["a@x", "b@x", "c@x"].into_iter().enumerate() {
            add(&opened, &invitation(&opened, email, at(number as i64)), number as u8).await;
        }
        let count = async |now| opened.read(move |tx| invitations::count_open(tx, account(), now)).await;
        assert_eq!((count(at(3)).await, count(at(101)).await, count(at(200)).await), (3, 1, 0));
        let expire = async |now, limit| opened.write(move |tx| invitations::expire(tx, now, limit)).await;
        assert_eq!(expire(at(99), 10).await, []);
        let list = async |open| {
            let found = opened.read(move |tx| invitations::list(tx, account(), (open, at(101)), None, 10)).await;
            found.into_iter().map(|invitation| (invitation.email, invitation.settled_at)).collect::<Vec<_>>()
        };
        assert_eq!(list(true).await, [("c@x".to_owned(), None)]);
        assert_eq!(list(false).await, [("b@x".to_owned(), None), ("a@x".to_owned(), None)]);
        assert!(opened.read(|tx| invitations::any_over(tx, at(101))).await);
        assert_eq!(expire(at(101), 10).await, [account()]);
        assert!(!opened.read(|tx| invitations::any_over(tx, at(101))).await);
        assert_eq!(list(false).await, [("b@x".to_owned(), Some(at(101))), ("a@x".to_owned(), Some(at(100)))]);
        opened.write(|tx| invitations::withdraw_all(tx, account(), at(102))).await;
        assert_eq!(list(true).await, []);
        assert_eq!(list(false).await.len(), 3);
    })
    .await;
}
