//! The certificate that this replica shows. Its key never leaves memory.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use crate::authorities::Authorities;
use crate::authority::{Authority, BACKDATE, Moment, set_dates};

/// A certificate for the Service, and by whom it is signed.
pub(crate) struct Leaf {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) issuer: CertificateDer<'static>,
    pub(crate) ends: Moment,
    renewed: Moment,
}

/// A certificate that nobody has signed but itself, for pages whose readers are told not to look at it.
pub(crate) fn self_signed() -> Result<CertifiedKey, LeafError> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["localhost".to_owned()])?.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(CertifiedKey::new(vec![certificate.into()], rustls::crypto::ring::sign::any_ecdsa_type(&key)?))
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeafError {
    #[error("cannot make a certificate: {0}")]
    Made(#[from] rcgen::Error),
    #[error("cannot use a certificate that was just made: {0}")]
    Used(#[from] rustls::Error),
}

impl Leaf {
    /// A new certificate with a key of its own, for `names`, signed by `authority`. It ends when the authority does.
    pub(crate) fn new(
        authority: &Authority,
        names: Vec<String>,
        now: Moment,
        lifetime: Duration,
    ) -> Result<Self, LeafError> {
        let issuer_key = authority.key().ok_or(rcgen::Error::CouldNotParseKeyPair)?;
        let issuer = Issuer::from_ca_cert_der(authority.certificate(), issuer_key.as_ref())?;
        let ends = now.saturating_add(lifetime.as_secs()).min(authority.ends());
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        set_dates(&mut params, now.saturating_sub(BACKDATE), ends);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "admission server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key)?;
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(vec![certificate.into()], key)),
            issuer: authority.certificate().clone(),
            ends,
            renewed: now.saturating_add(ends.saturating_sub(now) / 3 * 2),
        })
    }

    /// The authority that has to sign a new one now, if any: because there is none, because two thirds of its life are
    /// over, or because another authority signs. The latter comes into use when API servers know it.
    pub(crate) fn due<'a>(
        current: Option<&Self>,
        authorities: &'a Authorities,
        announced: &Announced,
        now: Moment,
    ) -> Option<&'a Authority> {
        let signer = authorities.signer(now)?;
        let Some(leaf) = current else { return Some(signer) };
        if leaf.issuer == *signer.certificate() {
            return (now >= leaf.renewed).then_some(signer);
        }
        let trusted = announced.since(&leaf.issuer).is_some();
        let known = announced.since(signer.certificate()).is_some_and(|since| {
            // Nothing is lost by haste if what is shown is not trusted.
            !trusted || now.saturating_sub(since) >= signer.known_after()
        });
        (known || now >= leaf.ends).then_some(signer)
    }
}

/// The authorities that this replica saw in every webhook configuration when it last looked, and since when. The dates of
/// an authority do not tell that: it may be an old one that was brought back.
#[derive(Debug, Default)]
pub(crate) struct Announced(Vec<(CertificateDer<'static>, Moment)>);

impl Announced {
    /// Takes what is in every configuration now.
    pub(crate) fn see(&mut self, authorities: &Authorities, now: Moment) {
        let seen = authorities.iter().map(|authority| {
            let certificate = authority.certificate();
            (certificate.clone(), self.since(certificate).unwrap_or(now))
        });
        self.0 = seen.collect();
    }

    fn since(&self, certificate: &CertificateDer<'_>) -> Option<Moment> {
        self.0.iter().find(|(one, _)| one == certificate).map(|(_, since)| *since)
    }
}
