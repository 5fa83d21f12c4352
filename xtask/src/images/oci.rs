//! Images by the [OCI image specification](https://github.com/opencontainers/image-spec), v1.1: layer, configuration, manifest, and
//! index, and the archive of a layout with one image.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use super::archive::{Entry, Tree, compress, pack};
use crate::hash::sha256;
use crate::platform::Platform;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Bytes with the name that they go by.
#[derive(Debug, Clone)]
struct Blob {
    media_type: &'static str,
    /// SHA-256, in hexadecimal digits.
    digest: String,
    content: Vec<u8>,
}

impl Blob {
    fn new(media_type: &'static str, content: Vec<u8>) -> Self {
        Self { media_type, digest: sha256(&content), content }
    }

    fn json(media_type: &'static str, value: &Value) -> Self {
        Self::new(media_type, value.to_string().into_bytes())
    }

    fn descriptor(&self) -> Value {
        let digest = format!("sha256:{}", self.digest);
        json!({"mediaType": self.media_type, "digest": digest, "size": self.content.len()})
    }

    /// Its path in a layout.
    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }
}

/// The object with these fields, too.
fn with(mut object: Value, fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    if let Some(object) = object.as_object_mut() {
        object.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

/// The files of images, packed.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    /// The digest before compression.
    diff_id: String,
    blob: Blob,
}

impl Layer {
    pub(crate) fn of(tree: &Tree) -> io::Result<Self> {
        let archive = pack(tree)?;
        Ok(Self { diff_id: sha256(&archive), blob: Blob::new(LAYER, compress(&archive)?) })
    }
}

/// How an image's container begins, and what is said of the image.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The program and the name that it is run by.
    pub(crate) entry_point: String,
    /// `USER:GROUP`; root without.
    pub(crate) user: Option<String>,
    pub(crate) working_folder: String,
    pub(crate) labels: BTreeMap<&'static str, String>,
    /// As RFC 3339 has it.
    pub(crate) created: String,
}

/// An image for one platform.
#[derive(Debug)]
pub(crate) struct Variant {
    platform: Platform,
    config: Blob,
    layer: Layer,
    manifest: Blob,
}

impl Variant {
    pub(crate) fn new(platform: Platform, config: &Config, layer: &Layer) -> Self {
        let run = json!({
            "Entrypoint": [config.entry_point],
            "Env": ["PATH=/usr/local/bin"],
            "WorkingDir": config.working_folder,
            "Labels": config.labels,
        });
        let run = with(run, config.user.iter().map(|user| ("User", json!(user))));
        let config = Blob::json(
            CONFIG,
            &json!({
                "architecture": platform.name(),
                "os": "linux",
                "created": config.created,
                "config": run,
                "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", layer.diff_id)]},
            }),
        );
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.descriptor(),
            "layers": [layer.blob.descriptor()],
        });
        Self { platform, manifest: Blob::json(MANIFEST, &manifest), config, layer: layer.clone() }
    }

    fn descriptor(&self) -> Value {
        let platform = json!({"architecture": self.platform.name(), "os": "linux"});
        with(self.manifest.descriptor(), [("platform", platform)])
    }
}

/// An image, ready to be written: for one platform, or an index of those for several.
#[derive(Debug)]
pub(crate) struct Packed {
    /// At least one, the one for most nodes first.
    variants: Vec<Variant>,
    index: Option<Blob>,
}

impl Packed {
    /// Of at least one.
    pub(crate) fn new(variants: Vec<Variant>) -> Self {
        let descriptors: Vec<Value> = variants.iter().map(Variant::descriptor).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors});
        Self { index: (variants.len() > 1).then(|| Blob::json(INDEX, &index)), variants }
    }

    fn descriptor(&self) -> Value {
        let only = self.variants.first().map(Variant::descriptor);
        self.index.as_ref().map(Blob::descriptor).or(only).unwrap_or_default()
    }

    /// What a registry calls the image, whatever its names.
    pub(crate) fn digest(&self) -> String {
        self.descriptor().get("digest").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// What a registry calls the manifest for each platform.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = String> {
        self.variants.iter().map(|variant| format!("sha256:{}", variant.manifest.digest))
    }

    /// A layout (<https://github.com/opencontainers/image-spec/blob/v1.1.0/image-layout.md>) with the image under each of these
    /// names, such as `docker.io/intel/intel-gpu-plugin:devel`. The file `manifest.json` is for Docker without containerd's store,
    /// which keeps images for one platform.
    pub(crate) fn archive(&self, names: &[String]) -> io::Result<Vec<u8>> {
        let descriptor = |name: &String| {
            let annotations =
                json!({"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name});
            with(self.descriptor(), [("annotations", annotations)])
        };
        let manifests: Vec<Value> = names.iter().map(descriptor).collect();
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let docker = self.variants.first().map(|variant| {
            json!({"Config": variant.config.path(), "RepoTags": names, "Layers": [variant.layer.blob.path()]})
        });
        let file = |value: Value| Entry::File(value.to_string().into_bytes());
        let mut tree = Tree::from([
            ("oci-layout".to_owned(), file(json!({"imageLayoutVersion": "1.0.0"}))),
            ("index.json".to_owned(), file(index)),
            ("manifest.json".to_owned(), file(docker.into_iter().collect())),
        ]);
        let of_variants = self
            .variants
            .iter()
            .flat_map(|variant| [&variant.config, &variant.layer.blob, &variant.manifest]);
        for blob in of_variants.chain(&self.index) {
            tree.insert(blob.path(), Entry::File(blob.content.clone()));
        }
        pack(&tree)
    }
}
