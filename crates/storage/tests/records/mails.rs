//! The outbox on both engines.

use domain::ids::MailId;
use storage::records::mails::{self, MailFilter, MailRow, MailState, NewMailRow};

use crate::engines::{Opened, at, on_both};

async fn add(opened: &Opened, second: i64, to: &str, once: Option<&str>) -> Option<MailId> {
    let id = opened.id(at(second));
    let mail = NewMailRow {
        id,
        kind: "verify_email",
        to: to.into(),
        account: None,
        once: once.map(str::to_owned),
        content: "{}".into(),
    };
    opened.write(move |tx| mails::insert(tx, &mail, at(second))).await.then_some(id)
}

async fn list(opened: &Opened, filter: MailFilter) -> Vec<MailId> {
    let listed = opened.read(move |tx| mails::list(tx, &filter, 10)).await;
    listed.into_iter().map(|mail| mail.id).collect()
}

async fn get(opened: &Opened, id: MailId) -> MailRow {
    opened.read(move |tx| mails::by_id(tx, id)).await.expect("it is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_written_once() {
    on_both(|opened| async move {
        let first = add(&opened, 0, "a@example.com", Some("80 %")).await;
        assert!(first.is_some());
        assert_eq!(add(&opened, 1, "b@example.com", Some("80 %")).await, None);
        assert!(add(&opened, 2, "a@example.com", None).await.is_some());
        assert!(add(&opened, 3, "a@example.com", None).await.is_some());
        assert_eq!(list(&opened, MailFilter::default()).await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_found_by_state_and_address_newest_first() {
    on_both(|opened| async move {
        let mut ids = Vec::new();
        for (second, to) in ["a@example.com", "b@example.com", "a@example.com"].into_iter().enumerate() {
            ids.extend(add(&opened, second as i64, to, None).await);
        }
        let sent = ids[0];
        opened.write(move |tx| mails::note_sent(tx, sent, "kept", at(9))).await;
        let to = |address: &str| Some(address.to_owned());
        let waiting = Some(MailState::Waiting);
        let cases = [
            (MailFilter::default(), vec![ids[2], ids[1], ids[0]]),
            (MailFilter { before: Some(ids[2]), ..MailFilter::default() }, vec![ids[1], ids[0]]),
            (MailFilter { state: waiting, ..MailFilter::default() }, vec![ids[2], ids[1]]),
            (MailFilter { to: to("a@example.com"), ..MailFilter::default() }, vec![ids[2], ids[0]]),
            (MailFilter { to: to("a@example.com"), state: waiting, before: None }, vec![ids[2]]),
            (MailFilter { to: to("b@example.com"), state: waiting, before: Some(ids[1]) }, vec![]),
        ];
        for (filter, expected) in cases {
            assert_eq!(list(&opened, filter.clone()).await, expected, "{filter:?}");
        }
        let first = ids[0];
        let after = opened.read(move |tx| mails::written_after(tx, first, 10)).await;
        assert_eq!(after.iter().map(|mail| mail.id).collect::<Vec<_>>(), [ids[1], ids[2]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_fails_waits_again_and_is_sent_once() {
    on_both(|opened| async move {
        let id = add(&opened, 0, "a@example.com", None).await.expect("a mail");
        opened.write(move |tx| mails::note_failure(tx, id, "come \0 back", false)).await;
        let mail = get(&opened, id).await;
        assert_eq!(
            (mail.state, mail.attempts, mail.last_error.as_deref()),
            (MailState::Waiting, 1, Some("come  back"))
        );
        assert!(!opened.write(move |tx| mails::wait_again(tx, id)).await);
        opened.write(move |tx| mails::note_failure(tx, id, "never", true)).await;
        assert_eq!(get(&opened, id).await.state, MailState::Failed);
        assert!(opened.write(move |tx| mails::wait_again(tx, id)).await);
        opened.write(move |tx| mails::note_sent(tx, id, "kept", at(5))).await;
        // A runner that lost its lease comes too late.
        opened.write(move |tx| mails::note_failure(tx, id, "late", true)).await;
        opened.write(move |tx| mails::note_sent(tx, id, "other", at(6))).await;
        let mail = get(&opened, id).await;
        assert_eq!((mail.state, mail.attempts, mail.sent_at), (MailState::Sent, 3, Some(at(5))));
        assert_eq!((mail.content.as_str(), mail.last_error), ("kept", None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_sent_long_ago_is_deleted() {
    on_both(|opened| async move {
        let mut ids = Vec::new();
        for second in 0..4 {
            ids.extend(add(&opened, second, "a@example.com", None).await);
        }
        for (place, sent_at) in [(0, 10), (1, 90), (2, 20)] {
            let id: MailId = ids[place];
            opened.write(move |tx| mails::note_sent(tx, id, "", at(sent_at))).await;
        }
        assert!(!opened.write(|tx| mails::delete_sent(tx, at(50))).await);
        assert_eq!(list(&opened, MailFilter::default()).await, [ids[3], ids[1]]);
    })
    .await;
}
