//! Settings on both engines.

use storage::records::settings;

use crate::engines::on_both;

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_is_kept_by_its_name() {
    on_both(|opened| async move {
        assert_eq!(opened.read(|tx| settings::get(tx, settings::CLOCK_OFFSET)).await, None);
        for value in ["60", "120"] {
            opened.write(move |tx| settings::put(tx, settings::CLOCK_OFFSET, value)).await;
            let found = opened.read(|tx| settings::get(tx, settings::CLOCK_OFFSET)).await;
            assert_eq!(found.as_deref(), Some(value));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_setting_loses_no_change() {
    on_both(|opened| async move {
        let counting = (0..16).map(|_| {
            let opened = opened.clone();
            let count = |tx: &mut storage::Tx<'_>| {
                let count: u32 = settings::lock(tx, "count", "0")?.parse().expect("a number");
                settings::put(tx, "count", &(count + 1).to_string())
            };
            tokio::spawn(async move { opened.write(count).await })
        });
        for one in counting.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        assert_eq!(opened.read(|tx| settings::get(tx, "count")).await.as_deref(), Some("16"));
    })
    .await;
}
