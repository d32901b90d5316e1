//! `admin create`: who operates the platform, made beside the database.

use serde_json::json;
use testkit::server::Engine;

use crate::stage::{Person, Site, ask, tollway};

#[tokio::test]
async fn a_superadmin_is_made_by_command_and_never_by_a_request() {
    for engine in Engine::all() {
        let site = Site::on(engine);
        let database = site.database().unwrap_or_else(|| "tollway.db".into());
        let create = |more: &[&str]| {
            let arguments =
                [&["admin", "create", "--email", "ops@example.com", "--database", &database], more].concat();
            tollway(&site.folder, &arguments, &[])
        };
        let made = create(&[]).expect(0);
        let password = made.out.trim_end().to_owned();
        assert!(password.len() > 20 && !made.errors.contains(&password), "{made:?}");
        let server = &site.start();
        let admin = Person::sign_in(server, "ops@example.com", &password).await;
        let me = admin.me().await;
        assert_eq!(
            (&me["superadmin"], &me["email_verified"], &me["accounts"]),
            (&json!(true), &json!(true), &json!([]))
        );
        admin.get("/api/v1/admin/users").await.expect(200);
        let body = json!({ "email": "eve@example.com", "password": "Violet-harbour-9-lantern", "superadmin": true });
        ask(server, "POST", "/api/v1/auth/register", body).await.expect(422);
    }
}

#[test]
fn a_weak_password_and_no_address_are_refused() {
    let site = Site::on(Engine::Sqlite);
    let refused = tollway(&site.folder, &["admin", "create", "--email", "nobody"], &[]).expect(1);
    assert!(refused.errors.contains("not an email address"), "{}", refused.errors);
}
