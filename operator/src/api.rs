//! The API server, for those who need it.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::OnceCell;

use crate::options::Options;

/// The longest that a connection may say nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(295);

/// A client that is made when the first asks for it: a webhook with a mounted certificate may have no access to the API.
#[derive(Default)]
pub(crate) struct Api(OnceCell<(Client, String)>);

impl Api {
    pub(crate) async fn client(&self, options: &Options) -> Result<Client, String> {
        self.connect(options).await.map(|(client, _)| client.clone())
    }

    /// The namespace of this program: what a flag says, or that of this pod, or of the kubeconfig's current context.
    pub(crate) async fn namespace(&self, options: &Options) -> Result<String, String> {
        match &*options.namespace {
            "" => self.connect(options).await.map(|(_, namespace)| namespace.clone()),
            namespace => Ok(namespace.to_owned()),
        }
    }

    async fn connect(&self, options: &Options) -> Result<&(Client, String), String> {
        self.0.get_or_try_init(|| connect(&options.kubeconfig)).await
    }
}

async fn connect(kubeconfig: &str) -> Result<(Client, String), String> {
    let mut config = if kubeconfig.is_empty() {
        Config::infer().await.map_err(|error| {
            format!("the API server is needed, but nothing says where it is: {error}; use -kubeconfig outside of a pod")
        })?
    } else {
        let error = |error| format!("-kubeconfig {kubeconfig}: {error}");
        let file = Kubeconfig::read_from(kubeconfig).map_err(error)?;
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(error)?
    };
    // A watch ends by itself before that. Without it, one whose connection died without a word would say nothing for ever.
    config.read_timeout.get_or_insert(READ_TIMEOUT);
    let namespace = config.default_namespace.clone();
    let client =
        Client::try_from(config).map_err(|error| format!("cannot make a client of the API: {error}"))?;
    Ok((client, namespace))
}
