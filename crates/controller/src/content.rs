//! The ConfigMap that an object's pods read when they start.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

use crate::Family;
use crate::apply::Content;
use crate::ask::{Ask, AskError};
use crate::conditions::{CONFIG_MAP_MISSING, CONFIG_MAP_UNREADABLE, Problem};
use crate::stores::Stores;

/// What was read, by name, with the version that was read.
#[derive(Default)]
pub(crate) struct Contents(BTreeMap<String, (String, Content)>);

impl Contents {
    /// Says what the ConfigMap of an object with this spec holds; it is read only when it has another version than before. Fails only
    /// when another replica leads.
    pub(crate) async fn of(
        &mut self,
        family: &Family,
        spec: &Value,
        namespace: &str,
        stores: &Stores,
        ask: &Ask,
    ) -> Result<(Content, Option<Problem>), AskError> {
        let Ok(Some(name)) = family.config_map(spec) else { return Ok((Content::Unused, None)) };
        let missing = || {
            let message =
                format!("the pods cannot start: there is no ConfigMap {name:?} in namespace {namespace:?}");
            (Content::Missing, Some(Problem { reason: CONFIG_MAP_MISSING, message }))
        };
        let Some(version) = stores.config_map_version(&name) else { return Ok(missing()) };
        if let Some((read, content)) = self.0.get(&name)
            && read == version
        {
            return Ok((content.clone(), None));
        }
        match ask.config_map(namespace, &name).await {
            Ok(Some(map)) => {
                let content = Content::Known(digest(&map));
                let version = map.metadata.resource_version.unwrap_or_default();
                self.0.insert(name, (version, content.clone()));
                Ok((content, None))
            }
            Ok(None) => Ok(missing()),
            Err(error @ AskError::Lost(_)) => Err(error),
            Err(error) => {
                let message = format!("changes of ConfigMap {name:?} are not seen: {error}");
                Ok((Content::Missing, Some(Problem { reason: CONFIG_MAP_UNREADABLE, message })))
            }
        }
    }
}

/// The SHA-256 of names and contents, each with its length before it.
fn digest(map: &ConfigMap) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut add = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    let text = map.data.iter().flatten().map(|(name, text)| (name, text.as_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(name, bytes)| (name, bytes.0.as_slice()));
    for (name, content) in text.chain(binary) {
        add(name.as_bytes());
        add(content);
    }
    context.finish().as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_digest_is_of_the_content_only() {
        let digest = |map: Value| digest(&serde_json::from_value(map).unwrap());
        let one = digest(json!({"data": {"a": "1", "b": "2"}}));
        assert_eq!(one.len(), 64);
        assert_eq!(one, digest(json!({"metadata": {"labels": {"x": "y"}}, "data": {"a": "1", "b": "2"}})));
        for other in [
            json!({"data": {"a": "1", "b": "3"}}),
            json!({"data": {"a": "1"}}),
            json!({"data": {"a": "1b", "b": "2"}}),
            json!({"data": {"a": "1", "b": "2"}, "binaryData": {"c": "AA=="}}),
        ] {
            assert_ne!(one, digest(other));
        }
    }
}
