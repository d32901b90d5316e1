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
    /// Addresses and networks, separated by commas.
    Networks,
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
    Setting {
        name: "trusted_proxies",
        kind: Kind::Networks,
        default: "",
        help: "Addresses and networks of your own reverse proxies, separated by commas: what they say of a caller's address is believed.",
        secret: false,
    },
    Setting {
        name: "client_address_header",
        kind: Kind::Word(&["x-forwarded-for", "forwarded"]),
        default: "x-forwarded-for",
        help: "Where the trusted proxies write the address they were called from. They must write it themselves, in every request.",
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
        name: "redis_url",
        kind: Kind::Text,
        default: "",
        help: "`redis://user:password@host:6379/0`, or `rediss://` for TLS: several nodes then share rate limits. Empty: each node counts by itself.",
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
