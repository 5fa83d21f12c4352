//! What [`manage`](crate::manage) is told.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is managed, where.
pub struct Options {
    /// The API server.
    pub client: kube::Client,
    /// The namespace of the Service and of the Secret: the server's own.
    pub namespace: String,
    /// The Service by which API servers reach this server.
    pub service: String,
    /// The Secret of the authorities, which all replicas share. Made when there is none.
    pub secret: String,
    /// The webhook configurations that get the bundle.
    pub configurations: Vec<Configuration>,
    /// How long certificates live.
    pub lifetimes: Lifetimes,
    /// The time of day: `Arc::new(SystemTime::now)`, or another in tests.
    pub clock: Clock,
}

/// Tells the time of day.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A webhook configuration, by its kind and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configuration {
    /// A `MutatingWebhookConfiguration`.
    Mutating(String),
    /// A `ValidatingWebhookConfiguration`.
    Validating(String),
}

/// How long certificates live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    authority: Duration,
    certificate: Duration,
}

const DAY: Duration = Duration::from_hours(24);

impl Lifetimes {
    /// The shortest life of an authority: a tenth of it is for API servers to get to know the next one.
    pub const SHORTEST_AUTHORITY: Duration = Duration::from_secs(30);
    /// The shortest life of a server's certificate.
    pub const SHORTEST_CERTIFICATE: Duration = Duration::from_secs(10);
    /// The longest life of both, 100 years of 365 days.
    pub const LONGEST: Duration = DAY.saturating_mul(36_500);

    /// `authority` for the authority in the Secret, `certificate` for what each replica shows.
    pub fn new(authority: Duration, certificate: Duration) -> Result<Self, OptionsError> {
        if authority < Self::SHORTEST_AUTHORITY || authority > Self::LONGEST {
            Err(OptionsError::Authority(authority))
        } else if certificate < Self::SHORTEST_CERTIFICATE || certificate > authority {
            Err(OptionsError::Certificate(certificate, authority))
        } else {
            Ok(Self { authority, certificate })
        }
    }

    pub(crate) fn authority(self) -> Duration {
        self.authority
    }

    pub(crate) fn certificate(self) -> Duration {
        self.certificate
    }
}

/// A year, and 90 days.
impl Default for Lifetimes {
    fn default() -> Self {
        Self { authority: 365 * DAY, certificate: 90 * DAY }
    }
}

/// What is wrong with options.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// The lifetime of an authority is out of bounds.
    #[error(
        "an authority's lifetime of {0:?} is not between {shortest:?} and {longest:?}",
        shortest = Lifetimes::SHORTEST_AUTHORITY, longest = Lifetimes::LONGEST
    )]
    Authority(Duration),
    /// The lifetime of a server's certificate is out of bounds.
    #[error(
        "a certificate's lifetime of {0:?} is not between {shortest:?} and its authority's, {1:?}",
        shortest = Lifetimes::SHORTEST_CERTIFICATE
    )]
    Certificate(Duration, Duration),
    /// This is no name of such an object.
    #[error(
        "{value:?} is no name of a {what}: use small letters, digits, \"-\" (and \".\" but for namespaces and Services)"
    )]
    Name {
        /// The kind of object.
        what: &'static str,
        /// The name.
        value: String,
    },
}

impl Options {
    /// Names end up in paths of requests and in certificates.
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let check = |what, value: &str, longest, dots: bool| {
            let fits = (1..=longest).contains(&value.len())
                && value.split('.').all(|part| !part.is_empty() && part.chars().all(label))
                && (dots || !value.contains('.'));
            fits.then_some(()).ok_or_else(|| OptionsError::Name { what, value: value.to_owned() })
        };
        check("namespace", &self.namespace, 63, false)?;
        check("Service", &self.service, 63, false)?;
        check("Secret", &self.secret, 253, true)?;
        self.configurations.iter().try_for_each(|configuration| match configuration {
            Configuration::Mutating(name) => check("MutatingWebhookConfiguration", name, 253, true),
            Configuration::Validating(name) => check("ValidatingWebhookConfiguration", name, 253, true),
        })
    }

    /// The names in the certificate. API servers ask for the first.
    pub(crate) fn dns_names(&self) -> Vec<String> {
        let short = format!("{}.{}", self.service, self.namespace);
        vec![format!("{short}.svc"), format!("{short}.svc.cluster.local"), short]
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("namespace", &self.namespace)
            .field("service", &self.service)
            .field("secret", &self.secret)
            .field("configurations", &self.configurations)
            .field("lifetimes", &self.lifetimes)
            .finish_non_exhaustive()
    }
}
