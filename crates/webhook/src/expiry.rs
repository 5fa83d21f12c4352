//! When certificates expire.

use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

/// In seconds since 1970; none if the certificate cannot be read.
pub(crate) fn expiry(certificate: &CertifiedKey) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate.cert.first()?).ok()?;
    Some(certificate.validity().not_after.timestamp())
}
