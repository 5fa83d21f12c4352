//! What a request asks for.

use http::Method;

use super::{CONFIG_MAPS, DAEMONSETS, EVENTS, NODES, OBJECTS, PODS, UNKNOWN};

/// What is asked.
pub(super) struct Asked {
    pub(super) verb: &'static str,
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) subresource: String,
    pub(super) manager: String,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        [&self.name, &self.subresource]
            .into_iter()
            .filter(|part| !part.is_empty())
            .try_for_each(|part| write!(f, "/{part}"))
    }
}

impl Asked {
    pub(super) fn new(parts: &http::request::Parts) -> Self {
        let mut path: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        // api/v1 or apis/GROUP/v1
        path.drain(..if path[0] == "api" { 2 } else { 3 });
        let mut namespace = "";
        if path[0] == "namespaces" {
            namespace = path[1];
            path.drain(..2);
        }
        let part = |number: usize| path.get(number).copied().unwrap_or_default().to_owned();
        let (resource, name, subresource) = (part(0), part(1), part(2));
        assert!(
            [OBJECTS, DAEMONSETS, PODS, CONFIG_MAPS, NODES, EVENTS, UNKNOWN].contains(&resource.as_str()),
            "nobody asks for {resource}"
        );
        let query = parts.uri.query().unwrap_or_default();
        let manager =
            query.split('&').find_map(|pair| pair.strip_prefix("fieldManager=")).unwrap_or_default();
        let is_apply = parts
            .headers
            .get(http::header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/apply-patch+yaml");
        let verb = match &parts.method {
            &Method::GET if query.contains("watch=true") => "watch",
            &Method::GET if name.is_empty() => "list",
            &Method::GET => "get",
            &Method::POST => "create",
            &Method::PATCH if is_apply => "apply",
            &Method::PATCH => "patch",
            method => panic!("nobody asks {method}"),
        };
        Self {
            verb,
            resource,
            namespace: namespace.to_owned(),
            name,
            subresource,
            manager: manager.to_owned(),
        }
    }

    pub(super) fn key(&self) -> (String, String, String) {
        (self.resource.clone(), self.namespace.clone(), self.name.clone())
    }
}
