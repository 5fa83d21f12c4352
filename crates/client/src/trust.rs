//! Whom to trust: certificates in PEM (RFC 7468), and the files that they are in.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// No bundle of certificates is longer, nor a token or a kubeconfig beside it. 1 MiB.
pub const MAX_BYTES: u64 = 1 << 20;

/// Trusts servers of these authorities only, and shows a certificate with its key if there is one. All are in PEM.
///
/// # Errors
/// Which of them cannot be used, and why.
pub fn trusting(authorities: &[u8], identity: Option<(Vec<u8>, Vec<u8>)>) -> Result<ClientConfig, String> {
    let bad = |what: &str, error: &dyn Display| format!("the {what} cannot be used: {error}");
    let mut roots = RootCertStore::empty();
    // As in Go, one that cannot be understood does not stand in the way of the others.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(bad("certificate authority", &"it holds no certificate"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad("TLS library", &error))?
        .with_root_certificates(roots);
    let Some((certificates, key)) = identity else { return Ok(config.with_no_client_auth()) };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificates).collect();
    let certificates = certificates.map_err(|error| bad("client certificate", &error))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| bad("client key", &error))?;
    config.with_client_auth_cert(certificates, key).map_err(|error| bad("client certificate", &error))
}

/// What is in a plain file of [`MAX_BYTES`] at most. It is read on the thread that asks, which may hang with the file system.
///
/// # Errors
/// Why it cannot be read, without its path.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Before it is opened, for opening a pipe waits.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}
