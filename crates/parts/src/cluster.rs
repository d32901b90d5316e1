//! A private PostgreSQL server in a temporary directory, for tests.
//!
//! It listens on a loopback port and on a socket in its directory, trusts whoever comes, and syncs to disk like a real
//! one. `initdb` refuses to run as root, so root hands the cluster to the user `postgres` (else `nobody`). A guard
//! process waits on a pipe that this process holds: whichever way this process ends, the pipe closes, and the guard
//! stops the server and removes the directory.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::port;

/// Two runs on one machine may be handed the same port; another one is tried.
const ATTEMPTS: u32 = 5;

const SETTINGS: &str = "\
listen_addresses = '127.0.0.1'
max_connections = 300
shared_buffers = 128MB
wal_level = minimal
max_wal_senders = 0
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 2GB
timezone = 'UTC'
lc_messages = 'C'
";

const GUARD: &str = r#"
trap '' INT TERM HUP
read -r _
"$1/pg_ctl" stop --silent --mode=immediate --pgdata="$2/data"
rm -rf "$2"
"#;

/// A running (or stopped) PostgreSQL cluster, gone when dropped.
pub struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    port: u16,
    owner: Option<Owner>,
    guard: Child,
}

#[derive(Clone, Copy)]
struct Owner {
    user: u32,
    group: u32,
}

impl Cluster {
    /// Makes a cluster with the programs in this directory, starts it and waits until it accepts connections.
    pub fn create(programs: &Path) -> io::Result<Cluster> {
        Self::create_with(programs, "")
    }

    /// As [`Cluster::create`], with further lines of `postgresql.conf`.
    pub fn create_with(programs: &Path, settings: &str) -> io::Result<Cluster> {
        let directory = std::env::temp_dir().join(format!("tollway-postgres-{:016x}", random()));
        fs::create_dir(&directory)?;
        let owner = owner_for_root(&directory)?;
        if let Some(owner) = owner {
            chown(&directory, Some(owner.user), Some(owner.group))?;
        }
        let guard = command(Path::new("sh"), &directory, owner)
            .args(["-c", GUARD, "guard"])
            .args([programs, &directory])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut cluster = Cluster { programs: programs.to_path_buf(), directory, port: 0, owner, guard };
        cluster.initialize(settings)?;
        cluster.start_on_an_unused_port()?;
        Ok(cluster)
    }

    /// A URL for its superuser and the database `postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The loopback port it listens on, the same for its whole life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its socket.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// What the server wrote to its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Starts it again after [`Cluster::stop`] or [`Cluster::kill`] and waits until it accepts connections.
    pub fn start(&self) -> io::Result<()> {
        let log = self.directory.join("log");
        let options = format!("-p {} -k {}", self.port, self.directory.display());
        self.control(&["start", "--wait", "--timeout=60", "--options", &options, "--log", &log.to_string_lossy()])
    }

    /// Stops it in order: open transactions are rolled back, connections are closed, a checkpoint is written.
    pub fn stop(&self) -> io::Result<()> {
        self.control(&["stop", "--wait", "--mode=fast"])
    }

    /// Stops it as a crash would: every process quits where it is, and the next start recovers from the log.
    pub fn kill(&self) -> io::Result<()> {
        self.control(&["stop", "--wait", "--mode=immediate"])
    }

    /// [`Cluster::stop`], then [`Cluster::start`].
    pub fn restart(&self) -> io::Result<()> {
        self.stop()?;
        self.start()
    }

    fn start_on_an_unused_port(&mut self) -> io::Result<()> {
        let mut last = Ok(());
        for _ in 0..ATTEMPTS {
            self.port = port::unused();
            last = self.start();
            if last.is_ok() {
                break;
            }
        }
        last
    }

    /// Databases sort text as most production servers do, by language, so that a forgotten `COLLATE "C"` shows.
    /// Servers built without ICU, or older than 15, sort by code point.
    fn initialize(&self, further: &str) -> io::Result<()> {
        let languages: [&[&str]; 2] = [&["--locale-provider=icu", "--icu-locale=en", "--locale=C"], &["--locale=C"]];
        let mut last = Ok(());
        for language in languages {
            let mut initdb = self.program("initdb");
            initdb.arg("--pgdata").arg(self.directory.join("data"));
            initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]).args(language);
            last = run(&mut initdb);
            if last.is_ok() {
                break;
            }
        }
        last?;
        let settings = self.directory.join("data/postgresql.conf");
        let defaults = fs::read_to_string(&settings)?;
        fs::write(&settings, defaults + SETTINGS + further)
    }

    fn control(&self, arguments: &[&str]) -> io::Result<()> {
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.args(arguments).arg("--silent").arg("--pgdata").arg(self.directory.join("data"));
        run(&mut pg_ctl).map_err(|error| io::Error::other(format!("{error}\nThe server's log:\n{}", self.log())))
    }

    fn program(&self, name: &str) -> Command {
        command(&self.programs.join(name), &self.directory, self.owner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // The guard has nothing to say that a test could act on; waiting for it is what makes the removal complete.
        let _ = self.guard.wait();
    }
}

fn command(program: &Path, directory: &Path, owner: Option<Owner>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env("LC_ALL", "C");
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group);
    }
    command
}

fn run(command: &mut Command) -> io::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    // pg_ctl leaves a server behind that keeps what it inherits open, so nothing is piped: output goes to a file.
    let output = command.get_current_dir().unwrap_or(Path::new(".")).join("output");
    let file = fs::File::create(&output)?;
    let status = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).status()?;
    if status.success() {
        return Ok(());
    }
    let said = fs::read_to_string(&output).unwrap_or_default();
    Err(io::Error::other(format!("{name} failed ({status}).\n{}", said.trim_end())))
}

/// Who a new file belongs to tells who we are. PostgreSQL's programs refuse to run as root.
fn owner_for_root(directory: &Path) -> io::Result<Option<Owner>> {
    if fs::metadata(directory)?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let owner = ["postgres", "nobody"].iter().find_map(|name| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f[0] == *name)?;
        Some(Owner { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
    });
    let refusal = "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as. Add one.";
    owner.map(Some).ok_or_else(|| io::Error::other(refusal))
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
