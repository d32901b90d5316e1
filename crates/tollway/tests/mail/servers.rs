//! Mail servers that want TLS or a password, `tollway mail test`, and settings that make no sense.

use testkit::server::Engine;
use testkit::smtp::{SmtpServer, SmtpSetup, SmtpTls};

use crate::stage::{Site, tollway};

use super::{outbox, warn};

/// What `mail test` says with these settings beside the server's own.
fn try_mail(server: &SmtpServer, to: &str, more: &[(&str, &str)]) -> (Option<i32>, String) {
    let site = Site::on(Engine::Sqlite);
    let environment = server.environment();
    let mut all: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend(more);
    let output = tollway(&site.folder, &["mail", "test", "--to", to], &all);
    (output.code, format!("{}{}", output.out, output.errors))
}

const USER: [(&str, &str); 2] = [("TOLLWAY_MAIL_SMTP_USER", "acme"), ("TOLLWAY_MAIL_SMTP_PASSWORD", "hunter2")];

#[test]
fn a_test_mail_says_whether_the_server_takes_it() {
    let Some(server) = SmtpServer::start() else { return };
    let (code, told) = try_mail(&server, "ada@example.com", &[("TOLLWAY_PRODUCT_NAME", "Acme Chat")]);
    assert!(code == Some(0) && told.contains(&format!("localhost:{} has taken a mail", server.port)), "{told}");
    let mail = server.taken().pop().expect("a mail");
    assert_eq!(
        (&mail["headers"]["Subject"], &mail["encrypted"]),
        (&"A test mail from Acme Chat".into(), &false.into())
    );
    let (code, told) = try_mail(&server, "nobody@example.com", &[]);
    assert!(code == Some(1) && told.contains("refused the mail") && told.contains("No such user here"), "{told}");
    let (code, told) = try_mail(&server, "busy-9@example.com", &[]);
    assert!(code == Some(1) && told.contains("did not take the mail") && told.contains("come back later"), "{told}");
    let (code, told) = try_mail(&server, "slow@example.com", &[("TOLLWAY_MAIL_TIMEOUT_SECONDS", "1")]);
    assert!(code == Some(1) && told.contains("within 1 s"), "{told}");
    let (code, told) = try_mail(&server, "not an address", &[]);
    assert!(code == Some(1) && told.contains("cannot be used"), "{told}");
    let (code, told) = try_mail(&server, "ada@example.com", &[("TOLLWAY_MAIL_TLS", "starttls")]);
    assert!(code == Some(1) && told.contains("did not take the mail"), "{told}");
    assert_eq!(server.taken().len(), 1, "nothing is sent in the clear where TLS is asked for");
    let none = tollway(&Site::on(Engine::Sqlite).folder, &["mail", "test", "--to", "ada@example.com"], &[]).expect(1);
    assert!(none.errors.contains("No mail server is configured"), "{}", none.errors);
}

#[test]
fn starttls_and_tls_are_spoken_and_certificates_are_checked() {
    for (tls, word) in [(SmtpTls::StartTls, "starttls"), (SmtpTls::Tls, "tls")] {
        let setup = SmtpSetup { tls, user: Some(("acme", "hunter2")), ..SmtpSetup::default() };
        let Some(server) = SmtpServer::with(setup) else { return };
        let with_tls = [("TOLLWAY_MAIL_TLS", word), USER[0], USER[1]];
        let (code, told) = try_mail(&server, "ada@example.com", &with_tls);
        assert_eq!(code, Some(0), "{told}");
        let mail = server.taken().pop().expect("a mail");
        assert_eq!((&mail["encrypted"], &mail["user"]), (&true.into(), &"acme".into()));
        // A certificate for another name, and one that nobody vouches for.
        let (code, told) =
            try_mail(&server, "x@example.com", &[&with_tls[..], &[("TOLLWAY_MAIL_SMTP_HOST", "127.0.0.1")]].concat());
        assert!(code == Some(1) && told.to_lowercase().contains("certificate"), "{told}");
        let (code, told) = try_mail(
            &server,
            "x@example.com",
            &[&with_tls[..], &[("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")]].concat(),
        );
        assert!(code == Some(1) && told.to_lowercase().contains("certificate"), "{told}");
        let (code, told) = try_mail(
            &server,
            "x@example.com",
            &[with_tls[0], with_tls[1], ("TOLLWAY_MAIL_SMTP_PASSWORD", "wrong-password")],
        );
        assert!(
            code == Some(1) && told.contains("did not take the mail") && !told.contains("wrong-password"),
            "{told}"
        );
        assert_eq!(server.taken().len(), 1);
    }
}

#[tokio::test]
async fn a_wrong_password_loses_no_mail() {
    let setup = SmtpSetup { user: Some(("acme", "hunter2")), ..SmtpSetup::default() };
    let Some(mails) = SmtpServer::with(setup) else { return };
    let mut site = Site::on(Engine::Sqlite);
    let settings = |password: &str| {
        let user = [("TOLLWAY_MAIL_SMTP_USER", "acme"), ("TOLLWAY_MAIL_SMTP_PASSWORD", password)];
        let user = user.map(|(name, value)| (name.to_owned(), value.to_owned()));
        mails.environment().into_iter().chain(user).collect::<Vec<_>>()
    };
    let catalog = crate::stage::TextFile::new("catalog.toml", crate::stage::SMALL_CATALOG);
    site.arguments = vec!["--catalog".into(), catalog.path().into()];
    site.environment = settings("wrong");
    let mut server = site.start();
    warn(&server, "ada", "ada@example.com").await;
    crate::stage::until("it was tried", async || {
        outbox(&server, "").await.first().is_some_and(|mail| mail["attempts"] == 1 && mail["state"] == "waiting")
    })
    .await;
    server.stop();
    site.environment = settings("hunter2");
    let server = site.start();
    server.advance(60).await;
    crate::stage::until("it was sent", async || outbox(&server, "state=sent").await.len() == 1).await;
    assert_eq!(mails.taken()[0]["user"], "acme");
}

#[test]
fn settings_that_make_no_sense_together_are_told() {
    let site = Site::on(Engine::Sqlite);
    std::fs::create_dir_all(&site.folder).expect("a temporary folder can be made");
    let text = "[mail]\nsmtp_host = \"smtp.example.com\"\nsmtp_user = \"acme\"\ntls = \"sometimes\"\n";
    std::fs::write(site.folder.join("tollway.toml"), text).expect("a file can be written");
    let checked = tollway(&site.folder, &["config", "check"], &[]).expect(1);
    for line in [
        "tollway.toml:2: with mail.smtp_host, mail.from says whom mails come from; set it too",
        "tollway.toml:3: mail.smtp_user is set without mail.smtp_password; set both or neither",
        "tollway.toml:4: mail.tls is \"sometimes\"; write auto or starttls or tls or none",
    ] {
        assert!(checked.errors.lines().any(|told| told == line), "{line} in\n{}", checked.errors);
    }
    let checked = tollway(&site.folder, &["config", "check"], &[("TOLLWAY_MAIL_FROM", "Acme")]).expect(1);
    assert!(checked.errors.contains("mail.from is \"Acme\"; write an address such as"), "{}", checked.errors);
}
