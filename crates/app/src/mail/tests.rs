//! The outbox with a real mail server: what is sent, when, and what is kept of it.

use std::time::Duration;

use domain::ids::KeyId;
use providers::mail::{MailServer, SmtpSettings};
use providers::secret::SecretText;
use testkit::smtp::SmtpServer;

use super::*;
use crate::Caller;
use crate::jobs::run_now;
use crate::stage::{Place, advance};

fn operator() -> Caller {
    Caller::Service { key: KeyId::from_bits(1), scopes: Vec::new() }
}

fn sending_by(app: &App, server: &SmtpServer) -> App {
    let settings = SmtpSettings {
        host: "127.0.0.1".into(),
        port: Some(server.port),
        tls: None,
        user: None,
        password: SecretText::new(""),
        from: "billing@acme.example".into(),
        timeout: Duration::from_secs(5),
    };
    app.clone().with_mail_server(Some(MailServer::new(&settings).unwrap()))
}

fn in_development(app: &App) -> App {
    let settings = crate::Settings { development: true, ..(*app.settings).clone() };
    app.clone().with_settings(settings)
}

/// Puts a mail with a link into the outbox, good for an hour.
async fn ask_to_verify(app: &App, to: &str) -> MailId {
    let link = Link {
        url: "https://pay.example.com/verify-email?token=tok_secret".into(),
        good_until: Some(app.now().plus_micros(3_600_000_000)),
    };
    let mail = NewMail {
        id: app.new_id(),
        to: to.into(),
        account: None,
        content: Mail::VerifyEmail { name: "Ada".into(), link },
        once: None,
        now: app.now(),
    };
    let id = mail.id;
    app.database.write::<_, StorageError, _>("test", move |tx| write(tx, &mail)).await.unwrap();
    id
}

async fn kept(app: &App, id: MailId) -> MailRow {
    app.database.read::<_, StorageError, _>("test", move |tx| mails::by_id(tx, id)).await.unwrap().unwrap()
}

/// The link as one mail shows it, and as the list does.
async fn links(app: &App, id: MailId) -> (Option<String>, Option<String>) {
    let shown = show_mail(app, &operator(), id).await.unwrap();
    let listed = list_mails(app, &operator(), MailFilter::default(), 10).await.unwrap().mails;
    assert_eq!(shown.text.contains("tok_secret"), shown.listed.link.is_some());
    (shown.listed.link, listed.into_iter().find(|mail| mail.row.id == id).and_then(|mail| mail.link))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_shown_while_its_mail_waits_and_not_kept_once_it_is_sent() {
    let Some(server) = SmtpServer::start() else { return };
    for place in Place::all() {
        let app = place.open().await;
        let id = ask_to_verify(&app, "ada@example.com").await;
        run_now(&app).await.unwrap();
        assert_eq!(kept(&app, id).await.state, MailState::Waiting, "there is no mail server yet");
        let (shown, listed) = links(&app, id).await;
        assert!(shown.is_some_and(|link| link.ends_with("tok_secret")) && listed.is_none());

        let app = sending_by(&app, &server);
        run_now(&app).await.unwrap();
        let taken = server.taken().pop().expect("it was sent");
        assert!(taken["text"].as_str().is_some_and(|text| text.contains("token=tok_secret")), "{taken}");
        assert_eq!(taken["headers"]["Message-ID"], format!("<{id}@acme.example>"));
        let row = kept(&app, id).await;
        assert!(row.state == MailState::Sent && !row.content.contains("tok_secret"), "{row:?}");
        assert_eq!(links(&app, id).await, (None, None));

        let app = in_development(&app);
        let id = ask_to_verify(&app, "ada@example.com").await;
        run_now(&app).await.unwrap();
        assert_eq!(kept(&app, id).await.state, MailState::Sent);
        let (shown, listed) = links(&app, id).await;
        assert!(shown.is_some() && shown == listed);
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_link_has_ended_is_not_sent_any_more() {
    let Some(server) = SmtpServer::start() else { return };
    for place in Place::all() {
        let app = sending_by(&place.open().await, &server);
        let id = ask_to_verify(&app, "late@example.com").await;
        advance(&app, 3_601);
        run_now(&app).await.unwrap();
        let row = kept(&app, id).await;
        assert_eq!(row.state, MailState::Failed);
        assert!(row.last_error.is_some_and(|error| error.contains("good until")));
        assert_eq!(server.tries_for("late@example.com"), 0);
        assert_eq!(links(&app, id).await, (None, None));
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_was_refused_is_sent_when_it_is_retried() {
    let Some(server) = SmtpServer::start() else { return };
    for place in Place::all() {
        let app = place.open().await;
        let id = ask_to_verify(&app, "nobody@example.com").await;
        let app = sending_by(&app, &server);
        run_now(&app).await.unwrap();
        let row = kept(&app, id).await;
        assert_eq!((row.state, row.attempts), (MailState::Failed, 1));
        assert!(row.last_error.is_some_and(|error| error.contains("No such user here")));
        retry_mail(&app, &operator(), id).await.unwrap();
        let twice = retry_mail(&app, &operator(), id).await;
        assert!(matches!(twice, Err(AppError::NotFailed { .. })), "{twice:?}");
        run_now(&app).await.unwrap();
        assert_eq!((kept(&app, id).await.state, kept(&app, id).await.attempts), (MailState::Failed, 2));
        // Also when its job is gone.
        let delete = move |tx: &mut Tx<'_>| {
            let job = jobs::retry(tx, job_of(id), Timestamp::EPOCH)?.expect("it was given up");
            let lease = jobs::Lease { from: Timestamp::EPOCH, until: Timestamp::MAX };
            let claimed = jobs::claim(tx, &job.kind, Timestamp::MAX, lease, 1)?.remove(0);
            jobs::finish(tx, &claimed)
        };
        assert!(app.database.write::<_, StorageError, _>("test", delete).await.unwrap());
        retry_mail(&app, &operator(), id).await.unwrap();
        run_now(&app).await.unwrap();
        assert_eq!(kept(&app, id).await.attempts, 3);
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_were_sent_are_deleted_after_thirty_days_and_others_stay() {
    let Some(server) = SmtpServer::start() else { return };
    for place in Place::all() {
        let app = sending_by(&place.open().await, &server);
        let (sent, refused) =
            (ask_to_verify(&app, "ada@example.com").await, ask_to_verify(&app, "nobody@example.com").await);
        run_now(&app).await.unwrap();
        let ids = async || {
            let listed = list_mails(&app, &operator(), MailFilter::default(), 10).await.unwrap().mails;
            listed.into_iter().map(|mail| mail.row.id).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(ids().await, [sent, refused].into());
        advance(&app, 29 * 86_400);
        run_now(&app).await.unwrap();
        assert_eq!(ids().await, [sent, refused].into());
        advance(&app, 2 * 86_400);
        run_now(&app).await.unwrap();
        assert_eq!(ids().await, [refused].into());
        app.database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_followed_each_mail_once() {
    for place in Place::all() {
        let app = place.open().await;
        ask_to_verify(&app, "before@example.com").await;
        advance(&app, 1);
        let mut written = WrittenMails::from_now_on(&app);
        for number in 0..5 {
            let to = format!("{number}@example.com");
            let id = ask_to_verify(&app, &to).await;
            let next =
                tokio::time::timeout(Duration::from_secs(10), written.next()).await.expect("it is seen").unwrap();
            assert_eq!(next.into_iter().map(|mail| mail.row.id).collect::<Vec<_>>(), [id]);
            advance(&app, 8);
        }
        app.database.close().await;
    }
}
