//! Where the server has its certificate from.

use std::sync::Arc;
use std::time::SystemTime;

use certificates::{Configuration, Lifetimes};
use webhook::{Certificate, Mounted};

use crate::api::Api;
use crate::options::Options;
use crate::serve::Beside;

/// The mounted certificate if there is one, else one of our own.
pub(crate) async fn obtain(options: &Options, api: &Api, beside: &mut Beside) -> Result<Certificate, String> {
    if let Some(folder) = options.mounted() {
        let (certificate, mounted) = Mounted::load(&folder).map_err(|error| error.to_string())?;
        tracing::info!("the certificate is the one in {}", folder.display());
        beside.add(Box::new(|| None), Box::pin(mounted.follow()));
        return Ok(certificate);
    }
    if options.service.is_empty() {
        return Err(format!(
            "there is no certificate: mount one at {}, or have one made by saying with -webhook-service by which Service the API \
             server comes here",
            options.certificate_folder
        ));
    }
    let namespace = api.namespace(options).await?;
    let error = |error: certificates::OptionsError| format!("own certificates: {error}");
    let kinds = [
        (&options.mutating_configuration, Configuration::Mutating as fn(String) -> Configuration),
        (&options.validating_configuration, Configuration::Validating),
    ];
    let named = kinds.into_iter().filter(|(name, _)| !name.is_empty());
    let options = certificates::Options {
        client: api.client(options).await?,
        namespace,
        service: options.service.clone(),
        secret: options.secret.clone(),
        configurations: named.map(|(name, kind)| kind(name.clone())).collect(),
        lifetimes: Lifetimes::new(options.authority_lifetime, options.certificate_lifetime).map_err(error)?,
        clock: Arc::new(SystemTime::now),
    };
    tracing::info!("the certificate is made here, for Service {} in {}", options.service, options.namespace);
    let (certificate, missing, work) = certificates::manage(options).map_err(error)?;
    beside.add(Box::new(move || missing.borrow().clone()), Box::pin(work));
    Ok(certificate)
}
