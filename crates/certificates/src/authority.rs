//! One certificate authority: its certificate, its key, and what follows from its dates.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A moment, in seconds since the start of 1970. Certificates know no parts of a second.
pub(crate) type Moment = u64;

/// How much earlier than now the certificates made here begin, in seconds: clocks of replicas and API servers differ.
pub(crate) const BACKDATE: u64 = 10 * 60;

const DAY: u64 = 24 * 60 * 60;

/// A certificate authority that is trusted, and that can sign while its key is there.
#[derive(Clone)]
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    key: Option<Arc<KeyPair>>,
    public_key: Vec<u8>,
    not_before: Moment,
    not_after: Moment,
}

impl Authority {
    /// A new authority with a key of its own (ECDSA, P-256), as if made at `created`.
    pub(crate) fn new(created: Moment, lifetime: Duration) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        set_dates(&mut params, created.saturating_sub(BACKDATE), created.saturating_add(lifetime.as_secs()));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name = DistinguishedName::new();
        // A name of its own, so that who verifies finds the right one of several at once.
        params.distinguished_name.push(DnType::CommonName, format!("admission authority {created}"));
        let certificate = params.self_signed(&key)?;
        let made =
            Self::read(certificate.der()).map_err(|_unreadable| rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { key: Some(Arc::new(key)), ..made })
    }

    /// Reads the certificate of an authority. Its key is not known yet.
    pub(crate) fn read(der: &[u8]) -> Result<Self, Unfit> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|_unreadable| Unfit::NoCertificate)?;
        if !rest.is_empty() {
            return Err(Unfit::NoCertificate);
        }
        let may_sign = match certificate.key_usage() {
            Ok(Some(usage)) => usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        if !certificate.is_ca() || !may_sign {
            return Err(Unfit::NoAuthority);
        }
        let validity = certificate.validity();
        match (validity.not_before.timestamp().try_into(), validity.not_after.timestamp().try_into()) {
            (Ok(not_before), Ok(not_after)) if not_before < not_after => Ok(Self {
                certificate: CertificateDer::from(der.to_vec()),
                key: None,
                public_key: certificate.public_key().raw.to_vec(),
                not_before,
                not_after,
            }),
            _ => Err(Unfit::Dates),
        }
    }

    /// Takes `key`, if it is this authority's.
    pub(crate) fn take_key(&mut self, key: &Arc<KeyPair>) -> bool {
        let matches = key.subject_public_key_info() == self.public_key;
        if matches {
            self.key = Some(key.clone());
        }
        matches
    }

    /// The same authority, which signs nothing any more.
    pub(crate) fn retired(&self) -> Self {
        Self { key: None, ..self.clone() }
    }

    pub(crate) fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    pub(crate) fn key(&self) -> Option<&Arc<KeyPair>> {
        self.key.as_ref()
    }

    /// When it was made.
    pub(crate) fn created(&self) -> Moment {
        self.not_before.saturating_add(BACKDATE)
    }

    /// When it ends.
    pub(crate) fn ends(&self) -> Moment {
        self.not_after
    }

    /// Whether it is trusted at this moment by whoever knows it.
    pub(crate) fn is_valid(&self, now: Moment) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// Seconds since it was made.
    pub(crate) fn age(&self, now: Moment) -> u64 {
        now.saturating_sub(self.created())
    }

    /// How long it is trusted before it signs, in seconds. It follows from the certificate, not from a setting, so that
    /// replicas with other settings (an update of the Deployment) agree.
    pub(crate) fn overlap(&self) -> u64 {
        (self.lifetime() / 10).clamp(1, DAY)
    }

    /// How long after it came into the webhook configurations every API server surely has them, in seconds.
    pub(crate) fn known_after(&self) -> u64 {
        (self.overlap() / 2).min(60)
    }

    /// Whether it is time for the next one: less than a third of its life is left.
    pub(crate) fn is_old(&self, now: Moment) -> bool {
        self.not_after.saturating_sub(now) < self.lifetime() / 3
    }

    fn lifetime(&self) -> u64 {
        self.not_after.saturating_sub(self.created())
    }
}

/// Shows dates, and never the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("not_before", &self.not_before)
            .field("not_after", &self.not_after)
            .field("signs", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

/// Why something is not the certificate of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("it cannot be read as an X.509 certificate")]
    NoCertificate,
    #[error("it is no certificate authority")]
    NoAuthority,
    #[error("its dates are no span of time after 1970")]
    Dates,
}

/// The end of the last year that a certificate can name, 9999.
const LAST: Moment = 253_402_300_799;

/// Sets from when to when a certificate is valid.
pub(crate) fn set_dates(params: &mut CertificateParams, not_before: Moment, not_after: Moment) {
    let start = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = start + Duration::from_secs(not_before.min(LAST));
    params.not_after = start + Duration::from_secs(not_after.min(LAST));
}
