//! API keys on both engines.

use domain::ids::AccountId;
use domain::name::Name;
use storage::StorageError;
use storage::records::api_keys::{self, ApiKey, KeyOwner};

use crate::engines::{Opened, at, on_both};

fn new_key(opened: &Opened, owner: KeyOwner, hash: u8, second: i64) -> ApiKey {
    ApiKey {
        id: opened.id(at(second)),
        owner,
        name: "CI".into(),
        prefix: "tw_live_abcd".into(),
        hash: [hash; 32],
        scopes: vec![Name::new("usage:read"), Name::new("usage:write")],
        member: Some(Name::new("ada")),
        created_at: at(second),
        expires_at: Some(at(1_000)),
        last_used_at: None,
        revoked_at: None,
    }
}

async fn add(opened: &Opened, key: &ApiKey) {
    let key = key.clone();
    opened.write(move |tx| api_keys::insert(tx, &key)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_by_its_hash() {
    on_both(|opened| async move {
        let account = KeyOwner::Account(AccountId::from_bits(7));
        let (first, second) = (new_key(&opened, account, 1, 0), new_key(&opened, account, 2, 1));
        let service = ApiKey { member: None, expires_at: None, ..new_key(&opened, KeyOwner::Service, 3, 2) };
        for key in [&first, &second, &service] {
            add(&opened, key).await;
        }
        assert_eq!(opened.read(|tx| api_keys::by_hash(tx, &[1; 32])).await.as_ref(), Some(&first));
        assert_eq!(opened.read(|tx| api_keys::by_hash(tx, &[9; 32])).await, None);
        let id = service.id;
        assert_eq!(opened.read(move |tx| api_keys::by_id(tx, id)).await.as_ref(), Some(&service));
        assert_eq!(opened.read(move |tx| api_keys::list(tx, account, 10)).await, [second, first.clone()]);
        assert_eq!(opened.read(|tx| api_keys::list(tx, KeyOwner::Service, 10)).await, [service]);
        let again = ApiKey { id: opened.id(at(3)), ..first };
        let taken = opened.try_write(move |tx| api_keys::insert(tx, &again)).await;
        assert!(matches!(taken, Err(StorageError::Taken(_))), "{taken:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_revoked_once_and_its_last_use_only_moves_forward() {
    on_both(|opened| async move {
        let owner = AccountId::from_bits(7);
        let key = new_key(&opened, KeyOwner::Account(owner), 1, 0);
        add(&opened, &key).await;
        let id = key.id;
        opened.write(move |tx| api_keys::touch(tx, &[(id, at(60))])).await;
        opened.write(move |tx| api_keys::touch(tx, &[(id, at(30))])).await;
        assert_eq!(opened.read(move |tx| api_keys::count(tx, owner)).await, 1);
        assert!(opened.write(move |tx| api_keys::revoke(tx, id, at(70))).await);
        assert!(!opened.write(move |tx| api_keys::revoke(tx, id, at(80))).await);
        let found = opened.read(move |tx| api_keys::by_id(tx, id)).await.unwrap();
        assert_eq!((found.last_used_at, found.revoked_at), (Some(at(60)), Some(at(70))));
        assert_eq!(opened.read(move |tx| api_keys::count(tx, owner)).await, 0);
    })
    .await;
}
