//! What the workflows of `.github/workflows` may do: nothing but what a job says, with actions that are pinned by commit.

use std::fs;

use serde_json::Value;

use crate::root;
use crate::version::tracked;

/// Each offending workflow with what is wrong in it.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let mut offences = Vec::new();
    for path in tracked(&[".github/workflows"])? {
        let failed = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(root().join(&path)).map_err(|error| failed(error.to_string()))?;
        let found = of_workflow(&text).map_err(failed)?;
        offences.extend(found.into_iter().map(failed));
    }
    Ok(offences)
}

fn of_workflow(text: &str) -> Result<Vec<String>, String> {
    let workflow: Value = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut offences = Vec::new();
    if workflow.get("permissions") != Some(&Value::Object(serde_json::Map::new())) {
        offences.push("has to begin with `permissions: {}`; jobs say what they need".to_owned());
    }
    let jobs = workflow.get("jobs").and_then(Value::as_object);
    for (name, _) in jobs.into_iter().flatten().filter(|(_, job)| job.get("permissions").is_none()) {
        offences.push(format!("job {name} says no permissions"));
    }
    let actions =
        text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix("uses: "));
    for action in actions.filter(|action| !action.starts_with("./") && !is_pinned(action)) {
        offences.push(format!("{action} is not pinned: NAME@COMMIT # vVERSION"));
    }
    Ok(offences)
}

fn is_pinned(action: &str) -> bool {
    let commit_and_version = action.split_once('@').and_then(|(_, rest)| rest.split_once(" # v"));
    commit_and_version
        .is_some_and(|(commit, _)| commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "permissions: {}\njobs:\n  a:\n    permissions: {contents: read}\n    steps:\n      - uses: \
                        x/y@0123456789012345678901234567890123456789 # v1.2.3\n  b:\n    permissions: {}\n    uses: ./z.yaml\n";

    #[test]
    fn rights_that_no_job_asks_for_and_actions_that_can_change_are_found() {
        assert_eq!(of_workflow(GOOD).unwrap(), [""; 0]);
        for (good, bad, why) in [
            ("permissions: {}\njobs", "jobs", "has to begin with"),
            ("permissions: {}\njobs", "permissions: write-all\njobs", "has to begin with"),
            ("    permissions: {contents: read}\n", "", "job a says no permissions"),
            ("@0123456789012345678901234567890123456789 # v1.2.3", "@v1.2.3", "x/y@v1.2.3 is not pinned"),
            ("@0123456789012345678901234567890123456789", "@0123456", "x/y@0123456 # v1.2.3 is not pinned"),
            (" # v1.2.3", "", "is not pinned"),
        ] {
            let offences = of_workflow(&GOOD.replacen(good, bad, 1)).unwrap();
            assert!(matches!(&offences[..], [one] if one.contains(why)), "{bad}: {offences:?}");
        }
    }
}
