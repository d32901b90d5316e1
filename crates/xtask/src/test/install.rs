//! `--install`: missing parts are installed, what is there is left alone. Debian packages by apt-get, Python packages
//! into a virtual environment under `target/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use parts::{Install, Part};

use crate::step::{self, step};

pub fn missing_parts() -> Result<(), String> {
    let python_is_due = python_packages_are_due()?;
    let mut packages = BTreeSet::new();
    for part in parts::ALL.iter().filter(|part| part.find().is_none()) {
        if let Install::Packages(names) = part.install {
            packages.extend(names);
        }
    }
    if python_is_due && !python_can_make_environments() {
        packages.insert(&"python3-venv");
    }
    if !packages.is_empty() {
        let names: Vec<&str> = packages.into_iter().copied().collect();
        step(&format!("Install {}", names.join(", ")), || debian_packages(&names))?;
    }
    if python_is_due {
        step("Install Python packages", python_packages)?;
    }
    Ok(())
}

/// What a person types who does not want `--install` to do it.
pub fn instruction(part: &Part) -> String {
    match part.install {
        Install::Packages(names) => format!("apt-get install {}", names.join(" ")),
        Install::Python => "a virtual environment at target/venv with crates/testkit/requirements.txt".to_owned(),
    }
}

fn debian_packages(names: &[&str]) -> Result<(), String> {
    let advice = format!("Install {} the way this system does, then run this again.", names.join(", "));
    let refused = |error: String| format!("{error}\n{advice}");
    step::run(apt_get().arg("update").arg("--quiet")).map_err(refused)?;
    step::run(apt_get().args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(names)).map_err(refused)
}

/// Root calls apt-get itself; anybody else asks sudo.
fn apt_get() -> Command {
    let user = Command::new("id").arg("--user").output();
    let is_root = user.is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).stdin(Stdio::null());
    command
}

fn requirements() -> PathBuf {
    parts::workspace_root().join("crates/testkit/requirements.txt")
}

/// A copy of the requirements that were installed; when it differs from the file, they are installed again.
fn installed_requirements() -> PathBuf {
    parts::virtual_environment().join("installed-requirements.txt")
}

fn python_packages_are_due() -> Result<bool, String> {
    let wanted = fs::read(requirements()).map_err(|error| format!("{}: {error}", requirements().display()))?;
    Ok(fs::read(installed_requirements()).ok() != Some(wanted))
}

fn python_can_make_environments() -> bool {
    let output = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn python_packages() -> Result<(), String> {
    let environment = parts::virtual_environment();
    step::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-input", "--requirement"]).arg(requirements());
    step::run(pip.stdin(Stdio::null()))?;
    fs::copy(requirements(), installed_requirements())
        .map(|_| ())
        .map_err(|error| format!("{}: {error}", installed_requirements().display()))
}
