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
    /// over, or because another authority signs now. `announced` are the authorities that are in every webhook
    /// configuration: a new one comes into use when API servers know it.
    pub(crate) fn due<'a>(
        current: Option<&Self>,
        authorities: &'a Authorities,
        announced: &[CertificateDer<'static>],
        now: Moment,
    ) -> Option<&'a Authority> {
        let signer = authorities.signer(now)?;
        let Some(leaf) = current else { return Some(signer) };
        if leaf.issuer == *signer.certificate() {
            return (now >= leaf.renewed).then_some(signer);
        }
        let trusted = announced.contains(&leaf.issuer) && now < leaf.ends;
        let known = announced.contains(signer.certificate()) && signer.age(now) >= signer.known_after();
        (known || !trusted && announced.contains(signer.certificate()) || now >= leaf.ends).then_some(signer)
    }
}
