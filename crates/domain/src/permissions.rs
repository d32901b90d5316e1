//! What a person may do with an account that they belong to. One table; everything else asks it.

use std::fmt;

/// What a member is to an account, from the least to the most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    Member,
    Admin,
    /// An account always has one at least.
    Owner,
}

/// Something that is done with an account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    SeeAccount,
    SeeUsage,
    Use,
    SeeMembers,
    ManageOwnKeys,
    Leave,
    ChangeAccount,
    InviteMembers,
    ChangeMembers,
    ManageAllKeys,
    Buy,
    SeeAudit,
    ManageWebhooks,
    ChangeOwners,
    DeleteAccount,
}

/// Every action with the lowest role that may do it, and how it is described.
pub const TABLE: [(Action, Role, &str); 15] = [
    (Action::SeeAccount, Role::Member, "see the account, its plan and its subscription"),
    (Action::SeeUsage, Role::Member, "see what is used and what is left"),
    (Action::Use, Role::Member, "use what the plan includes, models as well"),
    (Action::SeeMembers, Role::Member, "see who belongs to the account"),
    (Action::ManageOwnKeys, Role::Member, "make and revoke API keys of their own"),
    (Action::Leave, Role::Member, "leave the account"),
    (Action::ChangeAccount, Role::Admin, "change the account's name and billing address"),
    (Action::InviteMembers, Role::Admin, "invite people and withdraw invitations"),
    (Action::ChangeMembers, Role::Admin, "change the role of members and admins, and remove them"),
    (Action::ManageAllKeys, Role::Admin, "make and revoke API keys of everybody"),
    (Action::Buy, Role::Admin, "buy, change and cancel the subscription"),
    (Action::SeeAudit, Role::Admin, "see who did what"),
    (Action::ManageWebhooks, Role::Admin, "say where the account's events are sent"),
    (Action::ChangeOwners, Role::Owner, "make somebody an owner, and take it back"),
    (Action::DeleteAccount, Role::Owner, "delete the account"),
];

impl Action {
    pub fn lowest_role(self) -> Role {
        let entry = TABLE.iter().find(|(action, _, _)| *action == self);
        entry.map_or(Role::Owner, |(_, role, _)| *role)
    }
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Member, Role::Admin, Role::Owner];

    pub fn may(self, action: Action) -> bool {
        self >= action.lowest_role()
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Admin => "admin",
            Role::Owner => "owner",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_role_may_all_that_a_lower_one_may() {
        for (action, lowest, _) in TABLE {
            for role in Role::ALL {
                assert_eq!(role.may(action), role >= lowest, "{role} {action:?}");
            }
        }
    }

    #[test]
    fn members_neither_buy_nor_manage_people_and_only_owners_delete() {
        for action in [Action::Buy, Action::InviteMembers, Action::ChangeMembers, Action::ManageAllKeys] {
            assert!(!Role::Member.may(action) && Role::Admin.may(action), "{action:?}");
        }
        assert!(!Role::Admin.may(Action::DeleteAccount) && Role::Owner.may(Action::DeleteAccount));
        assert!(Role::Member.may(Action::Use) && Role::Member.may(Action::SeeUsage));
    }

    #[test]
    fn every_action_stands_in_the_table_once() {
        let actions: std::collections::HashSet<Action> = TABLE.iter().map(|(action, _, _)| *action).collect();
        assert_eq!(actions.len(), TABLE.len());
    }

    /// The documents tell developers the same, in the same words.
    #[test]
    fn the_documents_have_the_same_table() {
        let documents = include_str!("../../../docs/people.md");
        let yes = |role: Role, lowest: Role| if role >= lowest { " yes |" } else { " |" };
        let rows = TABLE.map(|(_, lowest, does)| {
            let columns: String = Role::ALL.map(|role| yes(role, lowest)).concat();
            format!("| {does} |{columns}\n")
        });
        assert!(documents.contains(&rows.concat()), "docs/people.md lacks these rows:\n{}", rows.concat());
    }

    #[test]
    fn roles_read_back() {
        assert!(Role::ALL.iter().all(|role| Role::parse(role.as_str()) == Some(*role)));
        assert_eq!(Role::parse("Owner"), None);
    }
}
