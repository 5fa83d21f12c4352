//! A family of devices, as the operator knows it.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};
use kube::CustomResourceExt;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::template::{Template, TemplateError};
use crate::{Common, IMAGE_VERSION};

/// A kind of custom resource that stands for the DaemonSet of a plugin.
pub trait DevicePlugin: CustomResourceExt {
    /// What an object says.
    type Spec: DeserializeOwned;

    /// The family's name: `color`, of the kind `ColorDevicePlugin` and the DaemonSet `intel-color-plugin`.
    const NAME: &'static str;
    /// The DaemonSet of `deployments`, with which an object's begins.
    const TEMPLATE: &'static str;
    /// The fields that name images, the plugin's first.
    const IMAGES: &'static [ImageField];

    /// The plugin's flags that say which devices of a node are offered, and as which resources, with what they are when they are not
    /// given.
    const OFFERING: &'static [(&'static str, &'static str)] = &[];

    /// The part of the spec that all kinds have.
    fn common(spec: &Self::Spec) -> &Common;

    /// The ConfigMap whose files the plugin's pods read when they start, if the object names one: when it changes, they start anew.
    fn config_map(_spec: &Self::Spec) -> Option<&str> {
        None
    }

    /// What is wrong with a spec, beside its images, what its schema says and what the plugin itself refuses; the Go implementation's
    /// rules in their order.
    fn check(_spec: &Self::Spec) -> Result<(), String> {
        Ok(())
    }

    /// The plugin's arguments after `-v LEVEL`.
    fn args(_spec: &Self::Spec) -> Vec<String> {
        Vec::new()
    }

    /// Why the plugin itself does not start with these flags, if it does not.
    fn check_flags(flags: &[String]) -> Result<(), String>;

    /// What else the object asks of the DaemonSet: init containers, sidecars, volumes.
    fn shape(_spec: &Self::Spec, _template: &mut Template) {}
}

/// A field of a spec that names an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageField {
    /// Where it is in the spec, as a JSON pointer (RFC 6901): `/initImage`.
    pub pointer: &'static str,
    /// The names that the image may have, without registry and version; the first is the one there is.
    pub names: &'static [&'static str],
    /// Whether an object without it is refused.
    pub is_required: bool,
    /// Whether an object with another program's image, or an old one, is refused.
    pub is_checked: bool,
}

impl ImageField {
    /// The plugin's own image. An object without gets the default.
    pub const fn of_plugin(names: &'static [&'static str]) -> Self {
        Self { pointer: "/image", names, is_required: true, is_checked: true }
    }

    /// The image of the init container.
    pub const fn of_init(names: &'static [&'static str]) -> Self {
        Self { pointer: "/initImage", names, is_required: false, is_checked: true }
    }
}

/// What is the same for all objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The namespace of the DaemonSets.
    pub namespace: String,
    /// The Secret by which nodes pull images, if there is one.
    pub pull_secret: Option<String>,
    /// The service account of plugins that ask the API about their node, if there is one. Without it they have no token, for the
    /// namespace's default account may be that of the operator.
    pub service_account: Option<String>,
}

/// Why an object gives no DaemonSet.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// It is not as its schema says.
    #[error("the object's spec cannot be read")]
    Spec(#[from] serde_json::Error),
    /// The DaemonSet to begin with is none: an error of the operator itself.
    #[error("the plugin's DaemonSet cannot be read")]
    Template(#[from] TemplateError),
    /// A rule is broken.
    #[error("{0}")]
    Rule(String),
    /// The plugin says no to the flags that it would get.
    #[error("the plugin would not start: {0}")]
    Flags(String),
}

/// A line of the operator's table: a [`DevicePlugin`], called by values, so that one reconciler does for all.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// [`DevicePlugin::NAME`].
    pub name: &'static str,
    /// [`DevicePlugin::IMAGES`].
    pub images: &'static [ImageField],
    /// [`DevicePlugin::OFFERING`].
    pub offering: &'static [(&'static str, &'static str)],
    args: fn(&Value) -> Result<Vec<String>, SpecError>,
    check: fn(&Value) -> Result<(), SpecError>,
    config_map: fn(&Value) -> Result<Option<String>, SpecError>,
    daemonset: fn(&str, &Value, &Settings) -> Result<DaemonSet, SpecError>,
}

impl Family {
    /// The line of a kind.
    pub const fn of<P: DevicePlugin>() -> Self {
        Self {
            name: P::NAME,
            images: P::IMAGES,
            offering: P::OFFERING,
            args: |spec| Ok(args::<P>(&read::<P>(spec)?)),
            check: |spec| check::<P>(&read::<P>(spec)?),
            config_map: |spec| Ok(P::config_map(&read::<P>(spec)?).map(str::to_owned)),
            daemonset: |name, spec, settings| daemonset::<P>(name, &read::<P>(spec)?, settings),
        }
    }

    /// `colordeviceplugins`, as in the API's paths.
    pub fn plural(&self) -> String {
        format!("{}deviceplugins", self.name)
    }

    /// `ColorDevicePlugin`.
    pub fn kind(&self) -> String {
        let mut name: Vec<char> = self.name.chars().collect();
        name.iter_mut().take(1).for_each(|first| *first = first.to_ascii_uppercase());
        name.into_iter().chain("DevicePlugin".chars()).collect()
    }

    /// `intel-color-plugin`: the value of the label `app` on its DaemonSets and pods.
    pub fn app(&self) -> String {
        format!("intel-{}-plugin", self.name)
    }

    /// `color.intel.com/`: how the names of its resources begin.
    pub fn domain(&self) -> String {
        format!("{}.intel.com/", self.name)
    }

    /// The plugin's image of an object that names none.
    pub fn default_image(&self) -> String {
        format!("intel/{}:{IMAGE_VERSION}", self.app())
    }

    /// The arguments of the plugin's container.
    pub fn args(&self, spec: &Value) -> Result<Vec<String>, SpecError> {
        (self.args)(spec)
    }

    /// What is wrong with a spec beside its images.
    pub fn check(&self, spec: &Value) -> Result<(), SpecError> {
        (self.check)(spec)
    }

    /// The ConfigMap that its pods read, of the DaemonSet's namespace.
    pub fn config_map(&self, spec: &Value) -> Result<Option<String>, SpecError> {
        (self.config_map)(spec)
    }

    /// The DaemonSet that the object `name` with this spec stands for: all that is to be in it, but the owner.
    pub fn daemonset(&self, name: &str, spec: &Value, settings: &Settings) -> Result<DaemonSet, SpecError> {
        (self.daemonset)(name, spec, settings)
    }
}

/// A spec that is not there says as much as an empty one.
fn read<P: DevicePlugin>(spec: &Value) -> Result<P::Spec, serde_json::Error> {
    if spec.is_null() { P::Spec::deserialize(json!({})) } else { P::Spec::deserialize(spec) }
}

/// The definition of the custom resource, with the columns that `kubectl get` shows of each kind. Only who writes its file needs it: no
/// part of [`Family`], so that the operator has no schemas in it.
pub fn definition<P: DevicePlugin>() -> CustomResourceDefinition {
    let column = |(name, type_, path): (&str, &str, &str)| CustomResourceColumnDefinition {
        name: name.to_owned(),
        type_: type_.to_owned(),
        json_path: path.to_owned(),
        ..CustomResourceColumnDefinition::default()
    };
    let columns = [
        ("Desired", "integer", ".status.desiredNumberScheduled"),
        ("Ready", "integer", ".status.numberReady"),
        ("Node Selector", "string", ".spec.nodeSelector"),
        ("Age", "date", ".metadata.creationTimestamp"),
    ];
    let mut definition = P::crd();
    for version in &mut definition.spec.versions {
        version.additional_printer_columns = Some(columns.map(column).to_vec());
    }
    definition
}

/// The kind's own rules first: they speak of fields, and the plugin of flags.
fn check<P: DevicePlugin>(spec: &P::Spec) -> Result<(), SpecError> {
    P::check(spec).map_err(SpecError::Rule)?;
    P::check_flags(&args::<P>(spec)).map_err(SpecError::Flags)
}

/// The arguments of the plugin's container.
fn args<P: DevicePlugin>(spec: &P::Spec) -> Vec<String> {
    let level = ["-v".to_owned(), P::common(spec).log_level.to_string()];
    level.into_iter().chain(P::args(spec)).collect()
}

fn daemonset<P: DevicePlugin>(
    name: &str,
    spec: &P::Spec,
    settings: &Settings,
) -> Result<DaemonSet, SpecError> {
    let mut template = Template::read(P::TEMPLATE)?;
    let common = P::common(spec);
    template.plugin().args = Some(args::<P>(spec));
    P::shape(spec, &mut template);
    let default = Family::of::<P>().default_image();
    Ok(template.finish(name, common, &default, settings))
}
