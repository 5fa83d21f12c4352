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

fn restore(accelerator: &Accelerator<'_>, former: &Layout) -> String {
    let name = &accelerator.name;
    let restored = steps::plan(accelerator, former).and_then(|draft| {
        draft
            .plan
            .apply(accelerator.host, |step| tracing::info!("{name}: back: {step}"))
            .map_err(|error| why(accelerator, &error))
    });
    match restored {
        Ok(()) => "it is configured as before".to_owned(),
        Err(error) => format!("nor could it be configured as before: {error}"),
    }
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
