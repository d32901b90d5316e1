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
const PAGE: &str = "SELECT members.account_id, members.user_id, members.role, members.joined_at, users.name, users.email \
    FROM members JOIN users ON users.id = members.user_id \
    WHERE members.account_id = $1 AND (members.joined_at, members.user_id) > ($2, $3) \
    ORDER BY members.joined_at, members.user_id LIMIT $4";
/// Those whose address is known to be theirs.
const ADDRESSES_OF_MANAGERS: &str = "SELECT users.email FROM members JOIN users ON users.id = members.user_id \
    WHERE members.account_id = $1 AND members.role IN ('owner', 'admin') AND users.status = 'active' \
    AND users.email_verified_at IS NOT NULL ORDER BY members.joined_at, members.user_id LIMIT $2";
const COUNT_OWNED: &str = "SELECT COUNT(*) AS members FROM members WHERE user_id = $1 AND role = 'owner'";
const COUNT: &str = "SELECT COUNT(*) AS members FROM members WHERE account_id = $1";
const SET_ROLE: &str = "UPDATE members SET role = $3 WHERE account_id = $1 AND user_id = $2";
const DELETE: &str = "DELETE FROM members WHERE account_id = $1 AND user_id = $2";
const DELETE_OF_ACCOUNT: &str = "DELETE FROM members WHERE account_id = $1";

pub(crate) const STATEMENTS: &[&str] = &[
    INSERT,
    OF_USER,
    OF_ACCOUNT,
    ONE,
    PAGE,
    ADDRESSES_OF_MANAGERS,
    COUNT_OWNED,
    COUNT,
    SET_ROLE,
    DELETE,
    DELETE_OF_ACCOUNT,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    pub account: AccountId,
    pub user: UserId,
    pub role: Role,
    pub joined_at: Timestamp,
}

/// A member with what others of the account see of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedMember {
    pub member: Member,
    pub name: String,
    pub email: String,
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

/// In the order they joined, from the one after `after`.
pub fn list(
    tx: &mut Tx<'_>,
    account: AccountId,
    after: Option<(Timestamp, UserId)>,
    limit: u32,
) -> Result<Vec<ListedMember>, StorageError> {
    let (joined_at, user): (Value, Value) =
        after.map_or((i64::MIN.into(), "".into()), |(joined_at, user)| (joined_at.into(), user.into()));
    let rows = tx.query(PAGE, &[account.into(), joined_at, user, i64::from(limit).into()])?;
    let listed = |row: &Row| -> Result<ListedMember, StorageError> {
        Ok(ListedMember {
            member: decode(row)?,
            name: row.text("name")?.to_owned(),
            email: row.text("email")?.to_owned(),
        })
    };
    rows.iter().map(listed).collect()
}

/// The verified addresses of at most so many owners and admins, the one who joined first at the front.
pub fn addresses_of_managers(tx: &mut Tx<'_>, account: AccountId, limit: u32) -> Result<Vec<String>, StorageError> {
    let rows = tx.query(ADDRESSES_OF_MANAGERS, &[account.into(), i64::from(limit).into()])?;
    rows.iter().map(|row| row.text("email").map(str::to_owned)).collect()
}

/// How many accounts a user is an owner of.
pub fn count_owned(tx: &mut Tx<'_>, user: UserId) -> Result<i64, StorageError> {
    tx.query_optional(COUNT_OWNED, &[user.into()])?.map_or(Ok(0), |row| row.integer("members"))
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
