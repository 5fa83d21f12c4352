//! The API server that all tests share, and what the real kustomize makes of `deployments`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use e2e::{Cluster, Kubernetes, Prerequisites, XPU_MANAGER};
use kustomize::{deployments, list, text};
use serde_json::Value;
use tempfile::TempDir;

/// Folders that need another project's manifests. Node Feature Discovery's are in its Go module, which is at hand; for XPU Manager's,
/// which are in no package, there is a stand-in.
pub(crate) const FROM_ELSEWHERE: [&str; 5] = [
    "nfd",
    "nfd/base",
    "xpumanager_sidecar/base",
    "xpumanager_sidecar/overlays/cert-manager",
    "xpumanager_sidecar/overlays/http",
];
const NFD: &str = "node-feature-discovery";

/// An API server and its client, for one test at a time.
pub(crate) struct World {
    pub(crate) cluster: MutexGuard<'static, Cluster>,
    pub(crate) kubernetes: Kubernetes,
}

/// A folder of `deployments`.
pub(crate) struct Folder {
    /// Its path from there.
    pub(crate) path: String,
    pub(crate) objects: Vec<Value>,
}

/// `None` where no cluster can be had.
pub(crate) fn world() -> Option<World> {
    static CLUSTER: OnceLock<Option<Mutex<Cluster>>> = OnceLock::new();
    let start = || Some(Mutex::new(Cluster::start_api(&Prerequisites::find()?)));
    let cluster = CLUSTER.get_or_init(start).as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
    let kubernetes = cluster.kubernetes();
    Some(World { cluster, kubernetes })
}

impl World {
    /// All folders with a `kustomization.yaml`, rendered by the real kustomize.
    pub(crate) fn rendered(&self) -> &'static [Folder] {
        static FOLDERS: OnceLock<Vec<Folder>> = OnceLock::new();
        FOLDERS.get_or_init(|| {
            let copy = self.copy();
            let paths = kustomize::folders();
            let folders: Vec<PathBuf> =
                paths.iter().map(|path| copy.path().join("deployments").join(path)).collect();
            let rendered = self.cluster.kustomize(&folders).unwrap();
            assert_eq!(rendered.len(), paths.len());
            paths.into_iter().zip(rendered).map(|(path, objects)| Folder { path, objects }).collect()
        })
    }

    /// A copy of `deployments` that needs no network.
    fn copy(&self) -> TempDir {
        let folder = TempDir::new().unwrap();
        copy(&deployments(), &folder.path().join("deployments"));

        let module = self.cluster.module(NFD);
        copy(&module.join("deployment"), &folder.path().join(NFD));
        let file = folder.path().join("deployments/nfd/base/kustomization.yaml");
        let nfd = kustomize::yaml(&file);
        let [remote] = list(&nfd["resources"]) else { panic!("{}: one resource", file.display()) };
        let (_, version) = text(remote).split_once("/deployment/overlays/default?ref=").unwrap();
        let at_hand = fs::read_link(&module).unwrap().display().to_string();
        assert!(
            at_hand.ends_with(&format!("@{version}")),
            "{version} in manifests, and {at_hand} from tests/cluster/build"
        );
        let local = fs::read_to_string(&file)
            .unwrap()
            .replace(text(remote), &format!("../../../{NFD}/overlays/default"));
        fs::write(&file, local).unwrap();

        let base = folder.path().join("deployments/xpumanager_sidecar/base");
        fs::write(base.join("kustomization.yaml"), "resources: [stand-in.yaml]\n").unwrap();
        // The overlays say of the probes only how to ask.
        let probe = "Probe: {httpGet: {path: /metrics, port: 29999}}";
        let probes = format!("          startup{probe}\n          liveness{probe}\n          volumeMounts");
        fs::write(base.join("stand-in.yaml"), XPU_MANAGER.replace("          volumeMounts", &probes))
            .unwrap();
        folder
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").args(["-rL", "--no-preserve=mode"]).args([from, to]).status().unwrap();
    assert!(status.success(), "copy {}", from.display());
}
