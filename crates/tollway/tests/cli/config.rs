//! `config`, `doctor` and `migrate`: what is wrong is told with its place, and what to do about it.

use testkit::server::{Engine, fresh_folder};

use crate::stage::{ENCRYPTION_KEY, Site, tollway};

#[test]
fn every_mistake_of_the_configuration_is_told_with_its_place() {
    let site = Site::on(Engine::Sqlite);
    std::fs::create_dir_all(&site.folder).expect("a temporary folder can be made");
    let text = "listen = \"nowhere\"\nlisten_to = 1\n\n[ledger]\nlanes = 0\n";
    std::fs::write(site.folder.join("tollway.toml"), text).expect("a file can be written");
    let checked =
        tollway(&site.folder, &["config", "check"], &[("TOLLWAY_LOG", "loud"), ("TOLLWAY_LGO", "x")]).expect(1);
    for line in [
        "tollway.toml:1: listen is \"nowhere\"; write an address and a port, such as 127.0.0.1:8080",
        "tollway.toml:2: no setting is called listen_to. Did you mean listen?",
        "tollway.toml:5: ledger.lanes is \"0\"; write a whole number from 1 to 64",
        "TOLLWAY_LOG: log is \"loud\"; write json or text",
        "TOLLWAY_LGO: no setting has this variable. See `tollway config reference`.",
    ] {
        assert!(checked.errors.lines().any(|told| told == line), "{line} in\n{}", checked.errors);
    }
    // The server explains the same before it starts.
    let served = tollway(&site.folder, &["serve"], &[]).expect(1);
    assert!(served.errors.contains("tollway.toml:1: listen is"), "{}", served.errors);
    std::fs::write(site.folder.join("tollway.toml"), "listen = \"127.0.0.1:0\"\n").expect("a file can be written");
    let checked = tollway(&site.folder, &["config", "check"], &[]).expect(0);
    assert_eq!(checked.out, "The configuration is right.\n");
    let missing = tollway(&site.folder, &["config", "check", "--config", "elsewhere.toml"], &[]).expect(1);
    assert!(missing.errors.contains("elsewhere.toml"), "{}", missing.errors);
}

#[test]
fn a_secret_may_come_from_a_file_and_is_never_shown() {
    let site = Site::on(Engine::Sqlite);
    std::fs::create_dir_all(&site.folder).expect("a temporary folder can be made");
    std::fs::write(site.folder.join("secret"), "mysql://user:hunter2@host/name\n").expect("a file can be written");
    let checked = tollway(&site.folder, &["config", "check"], &[("TOLLWAY_DATABASE_FILE", "secret")]).expect(1);
    assert!(checked.errors.starts_with("TOLLWAY_DATABASE_FILE: database is no database"), "{}", checked.errors);
    assert!(!checked.errors.contains("hunter2"), "{}", checked.errors);
    let checked = tollway(&site.folder, &["config", "check"], &[("TOLLWAY_DATABASE_FILE", "nowhere")]).expect(1);
    assert!(checked.errors.contains("TOLLWAY_DATABASE_FILE: nowhere"), "{}", checked.errors);
}

#[test]
fn real_money_and_development_do_not_go_together() {
    let folder = fresh_folder();
    let live = [ENCRYPTION_KEY, ("TOLLWAY_STRIPE_SECRET_KEY", "sk_live_hidden")];
    let refused = tollway(&folder, &["serve", "--dev", "--listen", "127.0.0.1:0"], &live).expect(1);
    assert!(refused.errors.starts_with("stripe.secret_key is a live key"), "{}", refused.errors);
    assert!(!refused.errors.contains("hidden"), "{}", refused.errors);
    assert!(std::fs::remove_dir_all(folder).is_ok());
}

#[test]
fn the_doctor_says_what_would_stop_the_server() {
    for engine in Engine::all() {
        let site = Site::on(engine);
        let database = site.database().unwrap_or_else(|| "tollway.db".into());
        let run = |arguments: &[&str], environment: &[(&str, &str)]| {
            let all: Vec<&str> = arguments.iter().copied().chain(["--database", &database]).collect();
            tollway(&site.folder, &all, environment)
        };
        let ill = run(&["doctor"], &[]).expect(1);
        for finding in [
            "stops: public_url is not set",
            "stops: encryption_key is not set",
            "stops: No catalog is in force",
            "stops: There is no service key",
        ] {
            assert!(ill.out.contains(finding), "{finding} in\n{}", ill.out);
        }
        let plain = run(&["doctor"], &[("TOLLWAY_PUBLIC_URL", "http://pay.example.com")]).expect(1);
        assert!(plain.out.contains("stops: public_url is http://pay.example.com"), "{}", plain.out);
        run(&["catalog", "apply"], &[]).expect(0);
        run(&["keys", "create"], &[]).expect(0);
        let well = run(&["doctor"], &[ENCRYPTION_KEY, ("TOLLWAY_PUBLIC_URL", "https://pay.example.com")]).expect(0);
        assert!(well.out.ends_with("Nothing stops this server.\n"), "{}", well.out);
    }
}

#[test]
fn the_doctor_names_a_database_that_is_not_there() {
    let folder = fresh_folder();
    let told = tollway(&folder, &["doctor", "--database", "postgres://nobody@127.0.0.1:1/none"], &[]).expect(1);
    assert!(
        told.out.lines().any(|line| line.starts_with("stops: ") && line.to_lowercase().contains("connect")),
        "{told:?}"
    );
    assert!(std::fs::remove_dir_all(folder).is_ok());
}

#[test]
fn migrating_twice_and_at_once_brings_the_schema_up_to_date() {
    for engine in Engine::all() {
        let site = Site::on(engine);
        let database = site.database();
        let url = database.clone().unwrap_or_else(|| "tollway.db".into());
        let migrate = || tollway(&site.folder, &["migrate", "--database", &url], &[]);
        if database.is_some() {
            let at_once: Vec<_> = std::thread::scope(|scope| {
                let running: Vec<_> = (0..4).map(|_| scope.spawn(migrate)).collect();
                running.into_iter().map(|run| run.join().expect("it ends")).collect()
            });
            for ended in at_once {
                ended.expect(0);
            }
        }
        assert_eq!(migrate().expect(0).out, "The schema is up to date.\n");
        assert_eq!(migrate().expect(0).out, "The schema is up to date.\n");
    }
}

#[test]
fn a_newer_schema_is_refused() {
    let Some(database) = testkit::postgres::TestDatabase::create() else { return };
    let folder = fresh_folder();
    tollway(&folder, &["migrate", "--database", &database.url()], &[]).expect(0);
    database.execute("INSERT INTO migrations SELECT 9999, 'from_the_future', applied_at FROM migrations LIMIT 1");
    let refused = tollway(&folder, &["migrate", "--database", &database.url()], &[]).expect(1);
    assert!(refused.errors.contains("newer"), "{}", refused.errors);
    assert!(std::fs::remove_dir_all(folder).is_ok());
}
