//! The Secret that the replicas share.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{GetParams, ObjectMeta, PostParams};
use kube::{Api, Client};

use crate::ask::{AskError, Request, ask};
use crate::authorities::Authorities;

/// Where the Secret is.
///
/// Its answers are read as text, and parsed here: the client logs the whole of an answer that it cannot parse, keys and all.
pub(crate) struct SharedSecret {
    client: Client,
    requests: kube::core::Request,
    namespace: String,
    name: String,
}

/// The Secret as it was read.
pub(crate) struct Stored {
    secret: Option<Secret>,
    /// What is fit in it.
    pub(crate) authorities: Authorities,
    /// What is not.
    pub(crate) problems: Vec<String>,
}

impl SharedSecret {
    pub(crate) fn new(client: Client, namespace: &str, name: &str) -> Self {
        let api = Api::<Secret>::namespaced(client.clone(), namespace);
        let requests = kube::core::Request::new(api.resource_url());
        Self { client, requests, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    pub(crate) async fn read(&self) -> Result<Stored, AskError> {
        let request = self.requests.get(&self.name, &GetParams::default());
        let text = match self.send("get", request).await {
            Ok(text) => text,
            Err(AskError::Missing(_)) => {
                return Ok(Stored {
                    secret: None,
                    authorities: Authorities::default(),
                    problems: Vec::new(),
                });
            }
            Err(error) => return Err(error),
        };
        // Not the parser's message, which quotes what it found.
        let secret: Secret = serde_json::from_str(&text).map_err(|error| {
            let place = format!("the answer is no Secret (line {}, column {})", error.line(), error.column());
            AskError::Failed(self.request("get"), place)
        })?;
        let (authorities, problems) = secret.data.as_ref().map(Authorities::read).unwrap_or_default();
        Ok(Stored { secret: Some(secret), authorities, problems })
    }

    /// Writes `authorities` in place of what was read, or fails with [`AskError::Changed`] if that is no longer there.
    pub(crate) async fn write(&self, stored: &Stored, authorities: &Authorities) -> Result<(), AskError> {
        let (verb, secret) = if let Some(secret) = &stored.secret {
            ("update", secret.clone())
        } else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            };
            ("create", Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() })
        };
        let mut data = secret.data.clone().unwrap_or_default();
        data.extend(authorities.data());
        let body = serde_json::to_vec(&Secret { data: Some(data), ..secret })
            .map_err(|error| AskError::Failed(self.request(verb), error.to_string()))?;
        let request = match verb {
            "update" => self.requests.replace(&self.name, &PostParams::default(), body),
            _ => self.requests.create(&PostParams::default(), body),
        };
        match self.send(verb, request).await {
            Ok(_) => Ok(()),
            // Deleted since it was read.
            Err(AskError::Missing(request)) if verb == "update" => {
                Err(AskError::Changed(request, "it was deleted".to_owned()))
            }
            Err(error) => Err(error),
        }
    }

    async fn send(
        &self,
        verb: &'static str,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<String, AskError> {
        let request = request.map_err(|error| AskError::Failed(self.request(verb), error.to_string()))?;
        ask(self.request(verb), self.client.request_text(request)).await
    }

    fn request(&self, verb: &'static str) -> Request {
        Request { verb, resource: "secrets", name: self.name.clone() }
    }
}
