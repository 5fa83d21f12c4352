//! Configures an accelerator, or leaves it as it was.

use std::error::Error as _;

use host::plan::PlanError;

use super::accelerator::Accelerator;
use super::layout::Layout;
use super::steps;

/// Makes the writes of a plan, and looks whether the accelerator is as wanted then. When one fails, it gets its former
/// configuration again: disabling it made the kernel forget it, so undoing write by write would not do.
pub(crate) fn apply(accelerator: &Accelerator<'_>, wanted: &Layout, plan: &host::Plan) -> Result<(), String> {
    let (host, name) = (accelerator.host, &accelerator.name);
    let former = Layout::of(accelerator)?;
    if let Err(error) = plan.apply(host, |step| tracing::info!("{name}: {step}")) {
        let why = why(accelerator, &error);
        return Err(format!("{name}: {why}; {}", restore(accelerator, &former)));
    }
    match steps::difference(accelerator, wanted)? {
        None => Ok(()),
        Some(difference) => Err(format!("{name}: the kernel took all writes, but {difference}")),
    }
}

/// Configures an accelerator as it was, as far as the kernel lets it: one write that fails does not keep the others from
/// being made. The answer is how it is then.
pub(crate) fn restore(accelerator: &Accelerator<'_>, former: &Layout) -> String {
    let name = &accelerator.name;
    let failed = |what: &str| format!("it could not be configured as before: {what}");
    let mut settable = former.clone();
    let draft = settable.drop_unsettable(accelerator).and_then(|()| steps::plan(accelerator, &settable));
    let draft = match draft {
        Ok(draft) => draft,
        Err(error) => return failed(&error),
    };
    let mut first = None;
    for step in draft.plan.steps() {
        tracing::info!("{name}: back: {step}");
        if let Err(error) = accelerator.host.write(&step.path, &step.value) {
            let error = format!("cannot write {:?} to {}: {}", step.value, step.path.display(), error.source);
            tracing::warn!("{name}: back: {error}");
            first.get_or_insert(error);
        }
    }
    match (steps::difference(accelerator, former), first) {
        (Ok(None), _) => "it is configured as before".to_owned(),
        (Ok(Some(difference)), None) => failed(&difference),
        (Ok(Some(difference)), Some(error)) => failed(&format!("{error}; {difference}")),
        (Err(error), _) => failed(&error),
    }
}

/// Which write failed, and why.
fn why(accelerator: &Accelerator<'_>, error: &PlanError) -> String {
    let path = &error.source.path;
    let reason = error.source.source().map(ToString::to_string).unwrap_or_default();
    let PlanError { number, of, value, .. } = error;
    // It says more than the error. When attributes are written it is left as it was.
    let status = match accelerator.number("cmd_status") {
        Ok(Some(status)) if status != 0 && path.ends_with("bind") => {
            format!(" (cmd_status {status:#x}{})", meaning(status))
        }
        _ => String::new(),
    };
    format!("step {number} of {of} failed: cannot write {value:?} to {}: {reason}{status}", path.display())
}

/// What the driver means (`enum idxd_scmd_stat` in `include/uapi/linux/idxd.h`), or the device (`CMDSTS` in the
/// architecture specification), of what a file can cause and is not found by the checks.
fn meaning(status: u64) -> &'static str {
    match status {
        0x8005_0000 | 0x800c_0000 => ": shared queues need PASIDs; start the node with intel_iommu=on,sm_on",
        0x800f_0000 => ": a dedicated queue of the kernel needs privileged PASIDs",
        0x8011_0000 => ": queues of users need PASIDs; start the node with intel_iommu=on,sm_on",
        0x8020_0000 => ": driver_name is another driver's",
        0x14 => ": the queues are too large in all",
        0x15 => ": a group lacks queues or engines",
        0x18 => ": the groups' read buffers do not fit",
        0x2c => ": ats_disable does not fit the platform",
        _ => "",
    }
}
