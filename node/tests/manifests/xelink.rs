//! The sidecar in XPU Manager's pod. XPU Manager's own manifest is not here, so a stand-in takes its place.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use simulator::golden;

use kustomize::{deployments, list, text};

/// Below `deployments`: what needs the network.
pub(crate) const FROM_ELSEWHERE: [&str; 3] = [
    "xpumanager_sidecar/base",
    "xpumanager_sidecar/overlays/cert-manager",
    "xpumanager_sidecar/overlays/http",
];

/// As much of XPU Manager as overlays change.
const XPU_MANAGER: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: intel-xpumanager}
spec:
  template:
    spec:
      containers:
      - {name: xpumd, image: intel/xpumanager, volumeMounts: [{name: run, mountPath: /tmp}]}
      - name: python-exporter
        image: intel/xpumanager
        command: [gunicorn, "xpum_rest_main:main()"]
        startupProbe: {httpGet: {path: /metrics, port: 29999}}
        livenessProbe: {httpGet: {path: /healthz, port: 29999}}
        volumeMounts: [{name: run, mountPath: /tmp}]
      volumes: [{name: run, emptyDir: {}}]
"#;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, to).unwrap();
        }
    }
}

/// All objects of an overlay.
fn rendered(overlay: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    copy(&deployments().join("xpumanager_sidecar"), folder.path());
    fs::write(folder.path().join("base/kustomization.yaml"), "resources: [xpumanager.yaml]").unwrap();
    fs::write(folder.path().join("base/xpumanager.yaml"), XPU_MANAGER).unwrap();
    kustomize::render(&folder.path().join("overlays").join(overlay))
}

/// The pod and the sidecar's container in it.
fn sidecar(objects: &[Value]) -> (&Value, &Value) {
    let pod = &objects[0]["spec"]["template"]["spec"];
    let container = list(&pod["containers"]).iter().find(|container| container["name"] == "xelink-sidecar");
    (pod, container.unwrap())
}

#[test]
fn overlays_are_what_the_golden_files_say() {
    for overlay in ["http", "cert-manager"] {
        let objects = rendered(overlay);
        assert!(objects.iter().all(|object| object["metadata"]["namespace"] == "monitoring"), "{overlay}");
        let found = serde_json::to_string_pretty(&objects).unwrap() + "\n";
        golden(format!("tests/golden/xelink-manifests/{overlay}.json"), &found);
    }
}

#[test]
fn the_sidecar_has_no_more_rights_than_it_needs() {
    for overlay in ["http", "cert-manager"] {
        let objects = rendered(overlay);
        let (pod, container) = sidecar(&objects);
        let expected = json!({
            "runAsUser": 0,
            "readOnlyRootFilesystem": true,
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        assert_eq!(container["securityContext"], expected, "{overlay}");
        for mount in list(&container["volumeMounts"]) {
            let volume = list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            let path = text(&mount["mountPath"]);
            if volume["hostPath"].is_null() {
                assert_eq!(mount["readOnly"], json!(true), "{overlay}: {path}");
                assert_eq!(volume["secret"]["items"], json!([{"key": "tls.crt", "path": "tls.crt"}]));
            } else {
                assert_eq!(volume["hostPath"]["path"], path, "{overlay}");
                assert_eq!(path, "/etc/kubernetes/node-feature-discovery/features.d/", "{overlay}");
            }
        }
    }
}

#[test]
fn the_sidecar_knows_its_flags_and_finds_the_certificate_that_it_is_told_of() {
    for (overlay, certificate) in [("http", None), ("cert-manager", Some("--cert=/cert/tls.crt"))] {
        let objects = rendered(overlay);
        let (_, container) = sidecar(&objects);
        let args: Vec<&str> = list(&container["args"]).iter().map(text).collect();
        assert_eq!(args.iter().copied().find(|arg| arg.starts_with("--cert")), certificate, "{overlay}");
        let is_mounted = list(&container["volumeMounts"]).iter().any(|mount| mount["mountPath"] == "/cert");
        assert_eq!(is_mounted, certificate.is_some(), "{overlay}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_intel-device-plugins"));
        let output = command.arg("xelink-sidecar").args(&args).arg("-h").stdin(Stdio::null()).output();
        assert!(output.unwrap().status.success(), "{overlay}: {args:?}");
    }
}

#[test]
fn xpu_manager_comes_from_elsewhere_in_one_version() {
    let path = deployments().join("xpumanager_sidecar/base/kustomization.yaml");
    let base: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let [resource] = list(&base["resources"]) else { panic!("one resource") };
    let (address, version) = text(resource).split_once("/?ref=V").unwrap();
    assert_eq!(address, "https://github.com/intel/xpumanager/deployment/kubernetes/daemonset/base");
    assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{version}");
}
