//! A certificate in a folder, where a Secret of type `kubernetes.io/tls` is mounted: `tls.crt`, the certificate with those that
//! signed it, and `tls.key`, both as PEM.
//!
//! ```no_run
//! # async fn follow() -> Result<(), Box<dyn std::error::Error>> {
//! let (certificate, mounted) = webhook::Mounted::load("/etc/serving-certs")?;
//! // For a server, which shows a new one from the moment on that it is in the folder.
//! tokio::spawn(mounted.follow());
//! # drop(certificate);
//! # Ok(())
//! # }
//! ```

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::Certificate;
use crate::expiry::expiry;

/// How often the folder is looked at. The kubelet, which takes up to a minute to bring a new Secret, replaces a link on the
/// way to the files, of which a watch of the files tells nothing.
const EVERY: Duration = Duration::from_secs(5);
/// Bytes of a file; a Secret has no more.
const MAX_FILE: u64 = 1 << 20;

/// Why there is no certificate in a folder.
#[derive(Debug, thiserror::Error)]
pub enum MountedError {
    /// A file is missing, or cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no file, or larger than a Secret can be.
    #[error("{} is not a file of at most {MAX_FILE} bytes", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// A file is not PEM, or what it should have is not in it.
    #[error("{} is not the PEM of a {expected}: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// A file is PEM, but a server cannot use what is in it.
    #[error("{} has no {expected} that can be used: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What it should have.
        expected: &'static str,
        /// What is wrong.
        source: TlsError,
    },
    /// The certificate is for another key.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    NotAPair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// A folder with a certificate.
pub struct Mounted {
    folder: PathBuf,
    shown: Files,
    sender: watch::Sender<Option<Arc<CertifiedKey>>>,
    bad: Option<Bad>,
}

#[derive(PartialEq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What was found at the last look, if it cannot be used.
struct Bad {
    files: Option<Files>,
    error: String,
    told: bool,
}

impl Mounted {
    /// Reads the certificate that is in the folder now. It stays as it is without [`follow`](Self::follow). One that has
    /// expired is only warned of.
    pub fn load(folder: impl Into<PathBuf>) -> Result<(Certificate, Self), MountedError> {
        let folder = folder.into();
        let shown = Files::read(&folder)?;
        let certificate = shown.parse(&folder)?;
        warn_of_expiry(&certificate, &folder);
        let (sender, receiver) = watch::channel(Some(Arc::new(certificate)));
        Ok((receiver, Self { folder, shown, sender, bad: None }))
    }

    /// Looks every 5 s whether another certificate is in the folder, as long as somebody has the receiver. One that cannot be
    /// used is warned of, and the last one stays.
    pub async fn follow(mut self) {
        let mut timer = tokio::time::interval(EVERY);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.sender.is_closed() {
            timer.tick().await;
            self.look();
        }
    }

    /// Reads two small files of a file system in memory, so it may be done where nothing may wait.
    fn look(&mut self) {
        let files = match Files::read(&self.folder) {
            Ok(files) => files,
            Err(error) => return self.refuse(None, &error),
        };
        if files == self.shown {
            self.bad = None;
            return;
        }
        match files.parse(&self.folder) {
            Ok(certificate) => {
                tracing::info!("there is a new certificate in {}", self.folder.display());
                warn_of_expiry(&certificate, &self.folder);
                self.sender.send_replace(Some(Arc::new(certificate)));
                (self.shown, self.bad) = (files, None);
            }
            Err(error) => self.refuse(Some(files), &error),
        }
    }

    /// Warns of what is there for the second time: the first time, the files may be about to be replaced.
    fn refuse(&mut self, files: Option<Files>, error: &MountedError) {
        let error = error.to_string();
        match &mut self.bad {
            Some(bad) if bad.files == files && bad.error == error => {
                if !bad.told {
                    tracing::warn!("{error}; the last certificate stays");
                    bad.told = true;
                }
            }
            bad => *bad = Some(Bad { files, error, told: false }),
        }
    }
}

impl Files {
    fn read(folder: &Path) -> Result<Self, MountedError> {
        Ok(Self { certificate: read(certificate_in(folder))?, key: read(key_in(folder))? })
    }

    fn parse(&self, folder: &Path) -> Result<CertifiedKey, MountedError> {
        let (path, expected) = (certificate_in(folder), "certificate");
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = match chain {
            Ok(chain) if chain.is_empty() => Err(pem::Error::NoItemsFound),
            chain => chain,
        };
        let chain = chain.map_err(|source| MountedError::Pem { path: path.clone(), expected, source })?;
        let (key_path, expected_key) = (key_in(folder), "private key");
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| MountedError::Pem {
            path: key_path.clone(),
            expected: expected_key,
            source,
        })?;
        let key = any_supported_type(&key).map_err(|source| MountedError::Unusable {
            path: key_path.clone(),
            expected: expected_key,
            source,
        })?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
            Err(TlsError::InconsistentKeys(_)) => {
                Err(MountedError::NotAPair { certificate: path, key: key_path })
            }
            Err(source) => Err(MountedError::Unusable { path, expected, source }),
        }
    }
}

fn certificate_in(folder: &Path) -> PathBuf {
    folder.join("tls.crt")
}

fn key_in(folder: &Path) -> PathBuf {
    folder.join("tls.key")
}

fn read(path: PathBuf) -> Result<Vec<u8>, MountedError> {
    let mut bytes = Vec::new();
    let read = || {
        // Before it is opened, for opening a pipe waits.
        if !path.metadata()?.is_file() {
            return Ok(false);
        }
        let length = File::open(&path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok(length as u64 <= MAX_FILE)
    };
    match { read }() {
        Ok(true) => Ok(bytes),
        Ok(false) => Err(MountedError::NotAFile { path }),
        Err(source) => Err(MountedError::Read { path, source }),
    }
}

fn warn_of_expiry(certificate: &CertifiedKey, folder: &Path) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if expiry(certificate).is_some_and(|expiry| i64::try_from(now).is_ok_and(|now| expiry < now)) {
        let path = certificate_in(folder);
        tracing::warn!("the certificate in {} has expired; clients will refuse it", path.display());
    }
}
