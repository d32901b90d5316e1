//! Every setting, defined once: from here come the parser, the environment variables, `config check` and the reference.

/// One setting of `tollway.toml`. Its variable is `TOLLWAY_` and the name in capitals, dots as underscores; a secret may
/// also be named by a file, with `_FILE` behind.
pub struct Setting {
    pub name: &'static str,
    pub kind: Kind,
    pub default: &'static str,
    pub help: &'static str,
    pub secret: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Text,
    /// `address:port`
    Listen,
    /// `http://…` or `https://…`
    Url,
    Flag,
    /// A whole number between the two.
    Count(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
}

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        kind: Kind::Listen,
        default: "127.0.0.1:8080",
        help: "Address and port to serve on; port 0 takes a free one.",
        secret: false,
    },
    Setting {
        name: "public_url",
        kind: Kind::Url,
        default: "",
        help: "Where customers reach this server; upgrade links begin with it. Empty: the address it listens on.",
        secret: false,
    },
    Setting { name: "data_dir", kind: Kind::Text, default: "data", help: "Folder of the SQLite file.", secret: false },
    Setting {
        name: "database",
        kind: Kind::Text,
        default: "",
        help: "`postgres://user:password@host/name`, or the path of a SQLite file. Empty: `tollway.db` in data_dir.",
        secret: true,
    },
    Setting {
        name: "catalog",
        kind: Kind::Text,
        default: "",
        help: "The catalog file. Empty: the starter catalog that is built in.",
        secret: false,
    },
    Setting {
        name: "auto_create_accounts",
        kind: Kind::Flag,
        default: "true",
        help: "A consume or reservation by service key for an unknown external_id makes the account.",
        secret: false,
    },
    Setting {
        name: "encryption_key",
        kind: Kind::Text,
        default: "",
        help: "What secrets are sealed with that must be read again: 32 random characters or more. Production does not start without one.",
        secret: true,
    },
    Setting {
        name: "former_encryption_key",
        kind: Kind::Text,
        default: "",
        help: "The key before this one, while something may still be sealed with it.",
        secret: true,
    },
    Setting {
        name: "registration",
        kind: Kind::Word(&["instant", "private", "closed"]),
        default: "instant",
        help: "`instant`: signed in at once. `private`: every address is answered the same, and a mail tells the rest. `closed`: by invitation only.",
        secret: false,
    },
    Setting {
        name: "unverified",
        kind: Kind::Word(&["may_use", "may_look", "may_nothing"]),
        default: "may_use",
        help: "What people may do whose address is not verified: everything, look around, or not even sign in.",
        secret: false,
    },
    Setting {
        name: "password.min_length",
        kind: Kind::Count(6, 128),
        default: "10",
        help: "Characters of a password at least.",
        secret: false,
    },
    Setting {
        name: "password.upper",
        kind: Kind::Flag,
        default: "false",
        help: "A password holds a capital letter.",
        secret: false,
    },
    Setting {
        name: "password.lower",
        kind: Kind::Flag,
        default: "false",
        help: "A password holds a small letter.",
        secret: false,
    },
    Setting {
        name: "password.digit",
        kind: Kind::Flag,
        default: "false",
        help: "A password holds a digit.",
        secret: false,
    },
    Setting {
        name: "password.special",
        kind: Kind::Flag,
        default: "false",
        help: "A password holds a character that is no letter and no digit.",
        secret: false,
    },
    Setting {
        name: "password.min_strength",
        kind: Kind::Count(0, 4),
        default: "2",
        help: "How hard a password is to guess, as zxcvbn counts it: 2 withstands guesses at the front door, 3 some with the hash at hand.",
        secret: false,
    },
    Setting {
        name: "password.memory_kib",
        kind: Kind::Count(8, 1_048_576),
        default: "19456",
        help: "Memory of one argon2id hash, in KiB. Changed, hashes are made anew as people sign in.",
        secret: false,
    },
    Setting {
        name: "password.passes",
        kind: Kind::Count(1, 100),
        default: "2",
        help: "Passes of argon2id over its memory.",
        secret: false,
    },
    Setting {
        name: "access_token_seconds",
        kind: Kind::Count(30, 86_400),
        default: "3600",
        help: "How long an access token is good for.",
        secret: false,
    },
    Setting {
        name: "refresh_token_days",
        kind: Kind::Count(1, 400),
        default: "30",
        help: "How long a session lives without being used.",
        secret: false,
    },
    Setting {
        name: "recent_sign_in_minutes",
        kind: Kind::Count(1, 1_440),
        default: "15",
        help: "How long after signing in a person may change what matters without proving who they are again.",
        secret: false,
    },
    Setting {
        name: "verify_link_hours",
        kind: Kind::Count(1, 720),
        default: "48",
        help: "How long a link that verifies an address is good for.",
        secret: false,
    },
    Setting {
        name: "reset_link_minutes",
        kind: Kind::Count(5, 1_440),
        default: "60",
        help: "How long a link that sets a new password is good for.",
        secret: false,
    },
    Setting {
        name: "invitation_days",
        kind: Kind::Count(1, 90),
        default: "7",
        help: "How long an invitation is good for.",
        secret: false,
    },
    Setting {
        name: "token_audience",
        kind: Kind::Text,
        default: "",
        help: "What access tokens name as their audience. Empty: the public URL.",
        secret: false,
    },
    Setting {
        name: "personal_account_for_invited",
        kind: Kind::Flag,
        default: "false",
        help: "Who registers by an invitation gets a personal account too.",
        secret: false,
    },
    Setting {
        name: "log",
        kind: Kind::Word(&["json", "text"]),
        default: "json",
        help: "Form of the log lines on standard error.",
        secret: false,
    },
    Setting {
        name: "log_level",
        kind: Kind::Text,
        default: "info",
        help: "What is logged: error, warn, info, debug, or filters such as `info,web=debug`.",
        secret: false,
    },
    Setting {
        name: "ledger.queue",
        kind: Kind::Count(1, 1_000_000),
        default: "4096",
        help: "Commands that may wait before callers are answered 503.",
        secret: false,
    },
    Setting {
        name: "ledger.deadline_seconds",
        kind: Kind::Count(1, 60),
        default: "10",
        help: "How long a command may wait before it is given up unapplied.",
        secret: false,
    },
    Setting {
        name: "ledger.remembered_accounts",
        kind: Kind::Count(100, 100_000_000),
        default: "400000",
        help: "Accounts kept in memory, at about 2 kB each; half of them are always at hand.",
        secret: false,
    },
    Setting {
        name: "shutdown_delay_seconds",
        kind: Kind::Count(0, 300),
        default: "0",
        help: "How long requests are still taken after the server was told to stop, while `/readyz` says no, so that a load balancer looks elsewhere first.",
        secret: false,
    },
    Setting {
        name: "gateway.held_output_tokens",
        kind: Kind::Count(1, 10_000_000),
        default: "4096",
        help: "Tokens of a model's answer that quota is held for where the call gives no bound of its own.",
        secret: false,
    },
    Setting {
        name: "ledger.lanes",
        kind: Kind::Count(1, 64),
        default: "2",
        help: "Batches at once on PostgreSQL, each with a connection of its own.",
        secret: false,
    },
    Setting {
        name: "ledger.connections",
        kind: Kind::Count(4, 1_000),
        default: "16",
        help: "Connections to PostgreSQL in all.",
        secret: false,
    },
];

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("TOLLWAY_{}", name.replace('.', "_").to_uppercase())
}
