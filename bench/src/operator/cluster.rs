//! An API server with its etcd, alone: no node, no scheduler and no controllers, so nothing happens but what is asked for.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use serde_json::{Value, json};

use super::Outcome;
use super::api::{Api, Call};
use crate::process::Process;

/// Where the operator's objects in a namespace are, as `deployments/operator` says.
pub(crate) const NAMESPACE: &str = "inteldeviceplugins-system";
const ACCOUNT: &str = "intel-deviceplugins-controller-manager";
const PORT: u16 = 6443;
const ETCD: &str = "http://127.0.0.1:2379";
/// Generous: a guard against hanging.
const PATIENCE: Duration = Duration::from_mins(2);

/// It ends when dropped.
pub(crate) struct Cluster {
    /// In this order: the server ends before its store.
    server: Process,
    _store: Process,
    pub(crate) api: Api,
    kubernetes: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Cluster {
    /// Starts it with all of its files in `folder`. `kubernetes` is what `tests/cluster/build` makes.
    pub(crate) async fn start(kubernetes: &Path, folder: &Path) -> Outcome<Self> {
        let api = keys(folder)?;
        audit(folder)?;
        let path = |name: &str| folder.join(name).display().to_string();
        let mut store = Command::new(kubernetes);
        store.args(["etcd", "--unsafe-no-fsync", "--quota-backend-bytes=8589934592", "--data-dir"]);
        store.arg(path("etcd")).args(["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD]);
        store.args(["--listen-peer-urls", "http://127.0.0.1:2380"]);
        let store = Process::run(store, &folder.join("etcd.log"))?;
        let mut server = Command::new(kubernetes);
        server.args(["kube-apiserver", "--etcd-servers", ETCD, "--bind-address=127.0.0.1"]);
        // An address of loopback would be refused; nobody asks for it.
        server.args(["--advertise-address=198.51.100.10", "--endpoint-reconciler-type=none"]);
        server.args(["--tls-cert-file", &path("server.crt"), "--tls-private-key-file", &path("server.key")]);
        server.args(["--client-ca-file", &path("ca.crt"), "--authorization-mode=RBAC"]);
        server.args(["--service-account-key-file", &path("accounts.pub")]);
        server.args(["--service-account-signing-key-file", &path("accounts.key")]);
        server.args(["--service-account-issuer=https://kubernetes.default.svc", "--allow-privileged"]);
        server.args(["--service-cluster-ip-range=10.96.0.0/16"]);
        // Nobody makes the accounts that pods have.
        server.args(["--disable-admission-plugins=ServiceAccount"]);
        server.args(["--audit-policy-file", &path("audit.json"), "--audit-log-path", &path("audit.log")]);
        let server = Process::run(server, &folder.join("kube-apiserver.log"))?;
        let (kubernetes, folder) = (kubernetes.to_owned(), folder.to_owned());
        let mut cluster = Self { server, _store: store, api, kubernetes, folder };
        let begun = Instant::now();
        while cluster.api.call(Call::get("/readyz")).await.is_err() {
            if begun.elapsed() > PATIENCE || cluster.server.ended()?.is_some() {
                return Err(format!("the API server is not ready; {}", cluster.said("kube-apiserver")).into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(cluster)
    }

    /// Runs kubectl with the repository as the working folder, and gives what it prints.
    pub(crate) fn kubectl(&self, args: &[&str]) -> Outcome<String> {
        let mut command = Command::new(&self.kubernetes);
        command.args(["kubectl", "--kubeconfig"]).arg(self.folder.join("admin.kubeconfig")).args(args);
        let output = command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).output()?;
        if output.status.success() {
            Ok(String::from_utf8(output.stdout)?)
        } else {
            Err(format!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)).into())
        }
    }

    /// Applies the operator's manifests, without its webhooks: no Service leads to a program outside of the cluster.
    pub(crate) fn install(&self) -> Outcome<()> {
        self.kubectl(&["apply", "--server-side", "-k", "deployments/operator"])?;
        for kind in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
            self.kubectl(&["delete", kind, "--all"])?;
        }
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all"])?;
        Ok(())
    }

    /// Lets the operator's account do everything: the Go implementation follows the objects of all namespaces.
    pub(crate) fn allow_all(&self) -> Outcome<()> {
        let account = format!("--serviceaccount={NAMESPACE}:{ACCOUNT}");
        let allow = ["create", "clusterrolebinding", "bench", "--clusterrole=cluster-admin", &account];
        self.kubectl(&allow).map(drop)
    }

    /// Writes a kubeconfig for the operator, with the token of its account.
    pub(crate) fn kubeconfig(&self) -> Outcome<PathBuf> {
        let token = self.kubectl(&["create", "token", ACCOUNT, "-n", NAMESPACE, "--duration=24h"])?;
        let file = self.folder.join("operator.kubeconfig");
        fs::write(&file, kubeconfig(&self.folder, &format!("token: {}", token.trim())))?;
        Ok(file)
    }

    /// How long the server took for each request by which the operator has written so far, in milliseconds.
    pub(crate) fn writes(&self) -> Outcome<Vec<f64>> {
        let log = fs::read_to_string(self.folder.join("audit.log"))?;
        // The last line may be half written.
        log.split_inclusive('\n').filter(|line| line.ends_with('\n')).map(took).collect()
    }

    /// The end of a log, for failures.
    pub(crate) fn said(&self, who: &str) -> String {
        let log = fs::read_to_string(self.folder.join(format!("{who}.log"))).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
        format!("the log of {who} ends with:\n{}", tail.join("\n"))
    }
}

/// From when a request came to when it was answered, in milliseconds.
fn took(line: &str) -> Outcome<f64> {
    let entry: Value = serde_json::from_str(line)?;
    let second = |field: &str| -> Outcome<f64> {
        // Such as 2026-01-01T01:02:03.456789Z; no request takes an hour.
        let text = entry.get(field).and_then(Value::as_str).unwrap_or_default();
        let (minute, second) =
            text.get(14..).and_then(|rest| rest.split_once(':')).ok_or("an entry has no time")?;
        Ok(minute.parse::<f64>()? * 60.0 + second.trim_end_matches('Z').parse::<f64>()?)
    };
    Ok((second("stageTimestamp")? - second("requestReceivedTimestamp")?).rem_euclid(3600.0) * 1e3)
}

/// Only what the operator writes is logged, a line each.
fn audit(folder: &Path) -> std::io::Result<()> {
    let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let verbs = ["create", "update", "patch", "delete", "deletecollection"];
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [user], "verbs": verbs}, {"level": "None"}]});
    fs::write(folder.join("audit.log"), "")?;
    fs::write(folder.join("audit.json"), policy.to_string())
}

/// Makes the keys of all, and gives the admin's way in.
fn keys(folder: &Path) -> Outcome<Api> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "bench");
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?.pem();
    fs::write(folder.join("ca.crt"), &authority)?;
    let issuer = Issuer::new(params, key);
    let save = |name: &str, params: CertificateParams| -> Outcome<(String, String)> {
        let key = KeyPair::generate()?;
        let pair = (params.signed_by(&key, &issuer)?.pem(), key.serialize_pem());
        fs::write(folder.join(format!("{name}.crt")), &pair.0)?;
        fs::write(folder.join(format!("{name}.key")), &pair.1)?;
        Ok(pair)
    };
    save("server", CertificateParams::new(["127.0.0.1".to_owned()])?)?;
    let mut admin = CertificateParams::default();
    admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
    admin.distinguished_name.push(DnType::CommonName, "admin");
    let (certificate, admin_key) = save("admin", admin)?;
    let accounts = KeyPair::generate()?;
    fs::write(folder.join("accounts.key"), accounts.serialize_pem())?;
    fs::write(folder.join("accounts.pub"), accounts.public_key_pem())?;
    let file = |name: &str| folder.join(name).display().to_string();
    let user = format!("client-certificate: {}, client-key: {}", file("admin.crt"), file("admin.key"));
    fs::write(folder.join("admin.kubeconfig"), kubeconfig(folder, &user))?;
    let identity = (certificate.into_bytes(), admin_key.into_bytes());
    let tls = client::trusting(authority.as_bytes(), Some(identity))?;
    Ok(Api::new((Ipv4Addr::LOCALHOST, PORT).into(), Arc::new(tls)))
}

fn kubeconfig(folder: &Path, user: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: x, contexts: [{{name: x, context: {{cluster: c, user: u}}}}],
          clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{PORT}', certificate-authority: {}}}}}],
          users: [{{name: u, user: {{{user}}}}}]}}",
        folder.join("ca.crt").display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_write_is_that_of_its_entry() {
        let entry = |from: &str, to: &str| {
            json!({"requestReceivedTimestamp": from, "stageTimestamp": to}).to_string() + "\n"
        };
        for (from, to, expected) in [
            ("2026-01-01T01:02:03.456789Z", "2026-01-01T01:02:03.500789Z", 44.0),
            ("2026-01-01T01:59:59.900000Z", "2026-01-01T02:00:00.100000Z", 200.0),
        ] {
            let found = took(&entry(from, to)).unwrap();
            assert!((found - expected).abs() < 0.01, "{found}");
        }
        assert!(took("{}").is_err());
    }
}
