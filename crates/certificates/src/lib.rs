//! Certificates that an admission server makes for itself when none is mounted.
//!
//! All replicas share certificate authorities in one Secret. Each makes itself a certificate in memory, signed by one of
//! them, and sees to it that the webhook configurations trust them (`caBundle`). Nothing else is needed, and nothing has a
//! leader. What happens when follows from the dates of the certificates alone:
//!
//! - An authority is trusted from the moment it is made until it ends: all that are in the Secret are in the bundle.
//! - The next one is made when less than a third of its life is left. It signs once it has been trusted for the overlap (a
//!   tenth of its life, at most a day), so every API server knows it before any replica shows a certificate of it.
//! - A replica renews its own certificate after two thirds of its life, and when another authority signs.
//! - An authority whose key is lost, because the Secret was deleted or broken, stays in the bundle for twice the overlap of
//!   the one that comes in its place, for the certificates that are still shown. So to replace a key at once, delete the
//!   Secret: replicas change over within about a minute, and the old key is no longer trusted two days later. To end the
//!   trust right away, stop all replicas, delete the Secret, and start them again.
//!
//! # Permissions
//!
//! In a `Role` of the own namespace:
//!
//! | resource | names | verbs |
//! |---|---|---|
//! | `secrets` | any (creation cannot be limited to a name) | create |
//! | `secrets` | [`Options::secret`] | get, list, watch, update |
//!
//! In a `ClusterRole`:
//!
//! | resource | names | verbs |
//! |---|---|---|
//! | `mutatingwebhookconfigurations.admissionregistration.k8s.io` | those of [`Options::configurations`] | get, list, watch, patch |
//! | `validatingwebhookconfigurations.admissionregistration.k8s.io` | those of [`Options::configurations`] | get, list, watch, patch |

mod ask;
mod authorities;
mod authority;
mod injection;
mod keeper;
mod leaf;
mod options;
mod secret;
mod watches;

use std::sync::Arc;

use rustls::sign::CertifiedKey;
use tokio::sync::watch;

pub use options::{Clock, Configuration, Lifetimes, Options, OptionsError};

/// The certificate to show now: none until there is one. It changes as certificates are renewed.
pub type Certificate = watch::Receiver<Option<Arc<CertifiedKey>>>;

/// What is missing before API servers can trust this server, for `/readyz`; none when it is ready.
///
/// It is ready once it has a certificate and all configurations have the bundle, and stays ready unless its certificate
/// ends: a configuration that is deleted or spoilt later is logged, and must not take the server away from the others.
pub type Missing = watch::Receiver<Option<String>>;

/// A certificate in memory that is never renewed, and that nobody has signed but itself: readers of pages are told not to look at it.
pub fn self_signed() -> Result<Certificate, String> {
    let certified = leaf::self_signed().map_err(|error| error.to_string())?;
    Ok(watch::channel(Some(Arc::new(certified))).1)
}

/// Manages certificates as long as the future in the third value is polled. It never ends, and goes on with what is in
/// memory while there is no API server.
pub fn manage(
    options: Options,
) -> Result<(Certificate, Missing, impl Future<Output = ()> + Send + 'static), OptionsError> {
    options.check()?;
    let (show, certificate) = watch::channel(None);
    let (tell, missing) = watch::channel(Some("the API server has not been asked yet".to_owned()));
    Ok((certificate, missing, keeper::Keeper::new(options, show, tell).run()))
}
