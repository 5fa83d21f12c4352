//! What must hold before a release is made.

use std::path::Path;
use std::process::{Command, Stdio};

/// Fails where files differ from the last commit, or are not in it: what is released is what others can check out.
pub(crate) fn clean(repository: &Path) -> Result<(), String> {
    let changed = git(repository, &["status", "--porcelain"])?;
    if changed.is_empty() {
        return Ok(());
    }
    Err(format!("files differ from the commit that would be released:\n{}", changed.trim_end()))
}

/// Fails if the version's tag is there and is not this commit.
pub(crate) fn tag(repository: &Path, version: &str) -> Result<(), String> {
    let name = format!("v{version}");
    if git(repository, &["tag", "--list", &name])?.is_empty() {
        return Ok(());
    }
    let tagged = git(repository, &["rev-parse", &format!("{name}^{{commit}}")])?;
    let here = git(repository, &["rev-parse", "HEAD"])?;
    if tagged == here {
        return Ok(());
    }
    Err(format!(
        "version {version} is released already: {name} is {}, not {}; `cargo xtask version` sets the next",
        tagged.trim(),
        here.trim()
    ))
}

/// The release's part of the changelog, without its heading `## VERSION (DATE)`.
pub(crate) fn notes(changelog: &str, version: &str) -> Result<String, String> {
    let is_heading = |line: &str| line.starts_with("## ");
    let of_version = |line: &&str| {
        line.strip_prefix("## ")
            .and_then(|rest| rest.strip_prefix(version))
            .is_some_and(|rest| rest.starts_with(" ("))
    };
    let mut lines = changelog.lines().skip_while(|line| !of_version(line));
    let heading = lines.next();
    heading.ok_or_else(|| format!("CHANGELOG.md has no heading `## {version} (DATE)`"))?;
    let notes: Vec<&str> = lines.take_while(|line| !is_heading(line)).collect();
    let notes = notes.join("\n");
    match notes.trim() {
        "" => Err(format!("CHANGELOG.md says nothing of {version}")),
        notes => Ok(format!("{notes}\n")),
    }
}

fn git(repository: &Path, args: &[&str]) -> Result<String, String> {
    let output = Command::new("git").arg("-C").arg(repository).args(args).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git {} in {}: {}", args.join(" "), repository.display(), said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
