//! The containers of a pod, and what they ask for.

use serde_json::json;
use webhook::resources::{self, Stage};
use webhook::{Document, Pointer};

use crate::{ENCLAVE, EPC, PROVISION, Refusal};

/// How the names of all resources of SGX begin.
const PREFIX: &str = "sgx.intel.com/";

/// A container of a pod. Ephemeral containers are none here: the API lets them ask for nothing.
#[derive(Debug)]
pub(crate) struct Container {
    /// Its place in the pod.
    pub(crate) place: Pointer,
    pub(crate) name: String,
    pub(crate) stage: Stage,
    /// Bytes of enclave memory, if its author asks for any; may be 0.
    pub(crate) epc: Option<i64>,
    /// Units of the device node for enclaves that its author asks for; may be 0.
    pub(crate) enclave: Option<i64>,
    /// Units of the device node for provisioning that its author asks for; may be 0.
    pub(crate) provision: Option<i64>,
}

impl Container {
    /// All containers of the pod, in the order in which they start. The amounts of all resources of SGX are checked as the
    /// API does later.
    pub(crate) fn all(pod: &Document) -> Result<Vec<Self>, Refusal> {
        let containers = resources::containers(pod)?.into_iter();
        let read = containers.map(|resources::Container { place, name, stage }| {
            match resources::asked(pod, &place, PREFIX) {
                Ok(asked) => {
                    let units = |resource| asked.get(resource).copied();
                    let (epc, enclave, provision) = (units(EPC), units(ENCLAVE), units(PROVISION));
                    Ok(Self { place, name, stage, epc, enclave, provision })
                }
                Err(problem) => Err(Refusal::Container { container: name, problem }),
            }
        });
        read.collect()
    }

    /// Has it ask for one unit.
    pub(crate) fn ask(&self, pod: &mut Document, resource: &str) -> Result<(), Refusal> {
        let resources = self.place.key("resources");
        for amounts in ["limits", "requests"] {
            pod.set(&resources.key(amounts).key(resource), json!("1"))?;
        }
        Ok(())
    }
}

/// The most enclave memory that the pod has at one time, in bytes, by the rule of the scheduler: init containers run one
/// after the other, sidecars stay. None if it is more than 2⁶³-1.
pub(crate) fn memory(containers: &[Container]) -> Option<i64> {
    let (mut stay, mut most) = (0_i64, 0);
    for container in containers {
        let now = stay.checked_add(container.epc.unwrap_or(0))?;
        most = most.max(now);
        if container.stage != Stage::Init {
            stay = now;
        }
    }
    Some(most)
}
