//! Where the Kubernetes API is, whom to trust there, and who this is: a pod's own account, or a kubeconfig file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use client::Server;
use hyper::Uri;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::PATIENCE;

/// Where the kubelet mounts a pod's account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What is read to ask the API as a pod: its account, and where the resolver of glibc looks up the server's name, if that is no address.
pub const READS: [&str; 6] =
    [ACCOUNT, "/etc/gai.conf", "/etc/host.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf"];

/// How to reach the API. The token in it is good for an hour or so: make it anew for questions that are asked again and again.
#[derive(Clone)]
pub struct Access {
    pub(crate) server: Server,
    /// Before the API's own paths; mostly empty.
    pub(crate) path: String,
    pub(crate) token: Option<String>,
}

/// Not the token.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Access {
    /// By the account of the pod that this process runs in.
    pub async fn in_cluster() -> Result<Self, String> {
        patiently(Self::of_pod).await
    }

    /// By the current context of a kubeconfig file; `master` is the address instead of the file's, unless empty.
    pub async fn of_kubeconfig(file: &str, master: &str) -> Result<Self, String> {
        let (file, master) = (file.to_owned(), master.to_owned());
        patiently(move || Self::of_file(file.as_ref(), &master)).await
    }

    fn of_pod() -> Result<Self, String> {
        let variable =
            |name: &str| std::env::var(name).map_err(|error| format!("{name}: {error}: this is no pod"));
        let host = variable("KUBERNETES_SERVICE_HOST")?;
        let port = variable("KUBERNETES_SERVICE_PORT")?;
        let port = port.parse().map_err(|error| format!("KUBERNETES_SERVICE_PORT is {port:?}: {error}"))?;
        Self::of_account(host, port, Path::new(ACCOUNT))
    }

    /// By a pod's account whose files, `ca.crt` and `token`, are in this folder.
    pub fn of_account(host: String, port: u16, folder: &Path) -> Result<Self, String> {
        let authorities = folder.join("ca.crt");
        let trusted = read(&authorities)?;
        let token = text(&folder.join("token"))?;
        let tls = client::trusting(&trusted, None)
            .map_err(|error| format!("{}: {error}", authorities.display()))?;
        let tls = Some((Arc::new(tls), server_name(&host)?));
        Ok(Self { server: Server { host, port, tls }, path: String::new(), token: Some(token) })
    }

    pub(crate) fn of_file(file: &Path, master: &str) -> Result<Self, String> {
        let folder = file.parent().unwrap_or(Path::new("."));
        Self::of_text(&text(file)?, folder, master).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn of_text(text_of_file: &str, folder: &Path, master: &str) -> Result<Self, String> {
        // An excerpt of the file in an error would have the token in it.
        let options = serde_saphyr::options! { with_snippet: false };
        let whole: Value =
            serde_saphyr::from_str_with_options(text_of_file, options).map_err(|error| error.to_string())?;
        let context = whole.get("current-context").and_then(Value::as_str).unwrap_or_default();
        let context = Entry::find(&whole, folder, "contexts", "context", context)?;
        let entry = |list: &str, kind: &str| {
            Entry::find(&whole, folder, list, kind, context.text(kind).unwrap_or_default())
        };
        let (cluster, user) = (entry("clusters", "cluster")?, entry("users", "user")?);
        let server = if master.is_empty() { cluster.text("server").unwrap_or_default() } else { master };
        let address: Uri = server.parse().map_err(|error| format!("server {server:?}: {error}"))?;
        if address.scheme_str() != Some("https") {
            return Err(format!("server {server:?} is no https address"));
        }
        let host = address.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let authorities = cluster.bytes("certificate-authority")?;
        let authorities = authorities.ok_or("the cluster has no certificate-authority")?;
        let identity = user.bytes("client-certificate")?.zip(user.bytes("client-key")?);
        let token = match (user.text("token"), user.text("tokenFile")) {
            (Some(token), _) => Some(token.to_owned()),
            (None, Some(file)) => Some(text(&folder.join(file))?),
            (None, None) => None,
        };
        if token.is_none() && identity.is_none() {
            return Err("the user has neither a token nor a client certificate".to_owned());
        }
        let name = cluster.text("tls-server-name").unwrap_or(&host);
        let tls = Some((Arc::new(client::trusting(&authorities, identity)?), server_name(name)?));
        Ok(Self {
            path: address.path().trim_end_matches('/').to_owned(),
            server: Server { port: address.port_u16().unwrap_or(443), host, tls },
            token,
        })
    }

    pub(crate) fn address(&self) -> String {
        self.server.authority()
    }
}

/// Reads on a thread of its own: a file may be on a file system that hangs.
async fn patiently(read: impl FnOnce() -> Result<Access, String> + Send + 'static) -> Result<Access, String> {
    let Ok(access) = timeout(PATIENCE, spawn_blocking(read)).await else {
        return Err(format!("the account's files could not be read within {PATIENCE:?}"));
    };
    access.map_err(|error| format!("reading the account's files broke off: {error}"))?
}

/// An entry of one of the lists of a kubeconfig file.
struct Entry<'a> {
    value: &'a Value,
    /// What relative paths begin at.
    folder: &'a Path,
}

impl<'a> Entry<'a> {
    fn find(whole: &'a Value, folder: &'a Path, list: &str, kind: &str, name: &str) -> Result<Self, String> {
        let entries = whole.get(list).and_then(Value::as_array);
        let named = |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(name);
        let found = entries.and_then(|entries| entries.iter().find(named)).and_then(|entry| entry.get(kind));
        found.map(|value| Self { value, folder }).ok_or_else(|| format!("{list} has no {name:?}"))
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// What stands in `KEY-data`, or in the file that `KEY` names.
    fn bytes(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
        if let Some(data) = self.text(&format!("{key}-data")) {
            let decoded = STANDARD.decode(data).map_err(|error| format!("{key}-data: {error}"))?;
            return Ok(Some(decoded));
        }
        self.text(key).map(|file| read(&self.folder.join(file))).transpose()
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(name.to_owned()).map_err(|error| format!("{name:?} is no name of a server: {error}"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    client::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn text(path: &Path) -> Result<String, String> {
    let text = String::from_utf8(read(path)?).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}
