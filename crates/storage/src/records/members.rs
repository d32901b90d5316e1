//! Who belongs to which account, and as what.

use domain::ids::{AccountId, UserId};
use domain::permissions::Role;
use domain::time::Timestamp;

use crate::value::{Row, Value};
use crate::{StorageError, Tx};

const INSERT: &str = "INSERT INTO members (account_id, user_id, role, joined_at) VALUES ($1, $2, $3, $4) \
    ON CONFLICT DO NOTHING";
const OF_USER: &str = "SELECT account_id, user_id, role, joined_at FROM members WHERE user_id = $1 \
    ORDER BY joined_at, account_id";
const OF_ACCOUNT: &str = "SELECT account_id, user_id, role, joined_at FROM members WHERE account_id = $1 \
    ORDER BY joined_at, user_id";
const ONE: &str = "SELECT account_id, user_id, role, joined_at FROM members WHERE account_id = $1 AND user_id = $2";
const COUNT: &str = "SELECT COUNT(*) AS members FROM members WHERE account_id = $1";
const SET_ROLE: &str = "UPDATE members SET role = $3 WHERE account_id = $1 AND user_id = $2";
const DELETE: &str = "DELETE FROM members WHERE account_id = $1 AND user_id = $2";
const DELETE_OF_ACCOUNT: &str = "DELETE FROM members WHERE account_id = $1";

pub(crate) const STATEMENTS: &[&str] = &[INSERT, OF_USER, OF_ACCOUNT, ONE, COUNT, SET_ROLE, DELETE, DELETE_OF_ACCOUNT];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    pub account: AccountId,
    pub user: UserId,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// False: the user is a member already, with the role as it was.
pub fn insert(tx: &mut Tx<'_>, member: &Member) -> Result<bool, StorageError> {
    let values: [Value; 4] =
        [member.account.into(), member.user.into(), member.role.as_str().into(), member.joined_at.into()];
    let inserted = tx.execute(INSERT, &values)? == 1;
    tx.note_people_changed();
    Ok(inserted)
}

/// The accounts of a user, the one joined first at the front.
pub fn of_user(tx: &mut Tx<'_>, user: UserId) -> Result<Vec<Member>, StorageError> {
    tx.query(OF_USER, &[user.into()])?.iter().map(decode).collect()
}

/// In the order they joined.
pub fn of_account(tx: &mut Tx<'_>, account: AccountId) -> Result<Vec<Member>, StorageError> {
    tx.query(OF_ACCOUNT, &[account.into()])?.iter().map(decode).collect()
}

pub fn get(tx: &mut Tx<'_>, account: AccountId, user: UserId) -> Result<Option<Member>, StorageError> {
    tx.query_optional(ONE, &[account.into(), user.into()])?.as_ref().map(decode).transpose()
}

pub fn count(tx: &mut Tx<'_>, account: AccountId) -> Result<i64, StorageError> {
    tx.query_optional(COUNT, &[account.into()])?.map_or(Ok(0), |row| row.integer("members"))
}

/// False: no such member.
pub fn set_role(tx: &mut Tx<'_>, account: AccountId, user: UserId, role: Role) -> Result<bool, StorageError> {
    let changed = tx.execute(SET_ROLE, &[account.into(), user.into(), role.as_str().into()])? == 1;
    tx.note_people_changed();
    Ok(changed)
}

/// Ends a membership, and with it what the member's keys may do. False: no such member.
pub fn delete(tx: &mut Tx<'_>, account: AccountId, user: UserId) -> Result<bool, StorageError> {
    let deleted = tx.execute(DELETE, &[account.into(), user.into()])? == 1;
    tx.note_people_changed();
    Ok(deleted)
}

pub fn delete_of_account(tx: &mut Tx<'_>, account: AccountId) -> Result<(), StorageError> {
    tx.execute(DELETE_OF_ACCOUNT, &[account.into()])?;
    tx.note_people_changed();
    Ok(())
}

fn decode(row: &Row) -> Result<Member, StorageError> {
    Ok(Member {
        account: row.parsed("account_id", AccountId::parse)?,
        user: row.parsed("user_id", UserId::parse)?,
        role: row.parsed("role", Role::parse)?,
        joined_at: row.time("joined_at")?,
    })
}
