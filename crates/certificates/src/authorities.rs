//! All authorities of a Secret, and the rule by which they follow each other: a pure function of their dates and the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use pem::Pem;
use rcgen::KeyPair;

use crate::authority::{Authority, Moment};

/// The certificates, as PEM, oldest first. The bundle of the webhook configurations is the same text.
pub(crate) const CERTIFICATES: &str = "ca.crt";
/// The keys, as PEM. Each finds its certificate by its public key.
pub(crate) const KEYS: &str = "ca.key";

/// More than this is not ours, in bytes of each entry.
const LARGEST: usize = 64 * 1024;
/// More authorities than this are not written: one or two are usual, and one for each time that the Secret was deleted of
/// late. So what is written is never too large to be read.
const MOST: usize = 32;

/// Authorities, the oldest first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Authorities(Vec<Authority>);

impl Authorities {
    fn new(mut list: Vec<Authority>) -> Self {
        list.sort_by(|a, b| {
            (a.created(), a.certificate().as_ref()).cmp(&(b.created(), b.certificate().as_ref()))
        });
        list.dedup_by(|a, b| a.certificate() == b.certificate());
        Self(list)
    }

    /// Reads what a Secret holds. What is not fit is left out and said in the second value; what is fit beside it stays.
    pub(crate) fn read(data: &BTreeMap<String, ByteString>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        if !data.contains_key(CERTIFICATES) && !data.contains_key(KEYS) {
            return (Self::default(), problems);
        }
        let mut list = Vec::new();
        for der in blocks(data, CERTIFICATES, &["CERTIFICATE"], &mut problems) {
            match Authority::read(&der) {
                Ok(authority) => list.push(authority),
                Err(unfit) => problems.push(format!("a certificate of {CERTIFICATES} is not used: {unfit}")),
            }
        }
        for der in blocks(data, KEYS, &["PRIVATE KEY"], &mut problems) {
            match KeyPair::try_from(der) {
                Ok(key) => {
                    let key = Arc::new(key);
                    // No short circuit: all certificates of this key get it.
                    let owners = list
                        .iter_mut()
                        .map(|authority| authority.take_key(&key))
                        .filter(|taken| *taken)
                        .count();
                    if owners == 0 {
                        problems.push(format!("a key of {KEYS} belongs to no certificate of {CERTIFICATES}"));
                    }
                }
                Err(_) => problems.push(format!("a key of {KEYS} cannot be read; it has to be PKCS #8")),
            }
        }
        (Self::new(list), problems)
    }

    /// What a Secret holds for these authorities.
    pub(crate) fn data(&self) -> BTreeMap<String, ByteString> {
        let keys = self
            .0
            .iter()
            .filter_map(|authority| authority.key())
            .map(|key| key.serialize_pem())
            .collect::<String>();
        BTreeMap::from([
            (CERTIFICATES.to_owned(), ByteString(self.bundle().into_bytes())),
            (KEYS.to_owned(), ByteString(keys.into_bytes())),
        ])
    }

    /// The certificates as PEM, which is what API servers have to trust. It depends on nothing but the Secret, so all
    /// replicas compute the same.
    pub(crate) fn bundle(&self) -> String {
        let line_ending = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
        let encode = |authority: &Authority| {
            pem::encode_config(&Pem::new("CERTIFICATE", authority.certificate().to_vec()), line_ending)
        };
        self.0.iter().map(encode).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Authority> {
        self.0.iter()
    }

    /// The authority that signs: the newest that has been trusted for its overlap, or else the oldest. One that ends
    /// soon signs no more, because its successor would not be known when it ends.
    pub(crate) fn signer(&self, now: Moment) -> Option<&Authority> {
        let usable = || {
            let able = |authority: &&Authority| authority.key().is_some() && authority.is_valid(now);
            let lasting =
                |authority: &&Authority| now.saturating_add(authority.overlap() / 2) < authority.ends();
            self.0.iter().filter(able).filter(lasting)
        };
        usable().rfind(|authority| authority.age(now) >= authority.overlap()).or_else(|| usable().next())
    }

    /// What the Secret has to hold instead of these, if anything else. `known` are all that this replica has seen in
    /// it: one that went away although leaves may still be signed by it comes back without its key, as trusted only.
    ///
    /// Replicas with other knowledge and clocks that differ come to the same, because what one of them drops (after
    /// twice the overlap) no other brings back (before the overlap).
    pub(crate) fn next(
        &self,
        known: &Authorities,
        now: Moment,
        lifetime: Duration,
    ) -> Result<Option<Authorities>, rcgen::Error> {
        let mut list = self.0.clone();
        for lost in known.0.iter().rev().filter(|known| !self.contains(known)) {
            let lasting = now.saturating_add(lost.overlap() / 2) < lost.ends();
            if lost.is_valid(now) && lasting && !self.replaces(lost, now, 1) && list.len() < MOST {
                list.push(lost.retired());
            }
        }
        list.retain(|authority| match authority.key() {
            Some(_) => now < authority.ends(),
            None => authority.is_valid(now) && !self.replaces(authority, now, 2),
        });
        let valid = || list.iter().filter(|authority| authority.is_valid(now));
        let newest =
            valid().filter(|authority| authority.key().is_some()).max_by_key(|authority| authority.created());
        let latest = valid().map(Authority::created).max().unwrap_or(now);
        // A retired one that is newer than all that sign: from the date of the one that replaces it follows when it goes.
        if newest.is_none_or(|newest| newest.is_old(now) || newest.created() < latest) {
            list.push(Authority::new(latest.max(now), lifetime)?);
        }
        let mut next = Self::new(list);
        while next.0.len() > MOST
            && let Some(oldest) = next.0.iter().position(|one| one.key().is_none())
        {
            next.0.remove(oldest);
        }
        Ok((!next.same(self)).then_some(next))
    }

    /// Whether an authority that signs is newer than `old`, and has been trusted for its overlap, `times` over.
    fn replaces(&self, old: &Authority, now: Moment, times: u64) -> bool {
        self.0.iter().any(|newer| {
            newer.key().is_some()
                && newer.is_valid(now)
                && newer.created() >= old.created()
                && newer.certificate() != old.certificate()
                && newer.age(now) >= newer.overlap().saturating_mul(times)
        })
    }

    /// These and `more`, without what is no longer valid, and without keys.
    pub(crate) fn remember(&self, more: &Authorities, now: Moment) -> Self {
        let all = self.0.iter().chain(&more.0).filter(|authority| now < authority.ends());
        Self::new(all.map(Authority::retired).collect())
    }

    pub(crate) fn contains(&self, authority: &Authority) -> bool {
        self.0.iter().any(|one| one.certificate() == authority.certificate())
    }

    fn same(&self, other: &Self) -> bool {
        let shape = |authorities: &Self| -> Vec<_> {
            authorities.0.iter().map(|one| (one.certificate().clone(), one.key().is_some())).collect()
        };
        shape(self) == shape(other)
    }
}

/// The contents of the PEM blocks of one entry that have one of these labels. Each block is read by itself, so a broken one
/// spoils no other.
fn blocks(
    data: &BTreeMap<String, ByteString>,
    entry: &str,
    labels: &[&str],
    problems: &mut Vec<String>,
) -> Vec<Vec<u8>> {
    let Some(ByteString(bytes)) = data.get(entry) else {
        problems.push(format!("{entry} is missing"));
        return Vec::new();
    };
    if bytes.len() > LARGEST {
        problems.push(format!("{entry} has {} bytes, and more than {LARGEST} are not read", bytes.len()));
        return Vec::new();
    }
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let (before, rest) = text.split_at(text.find(BEGIN).unwrap_or(text.len()));
    if !before.trim().is_empty() || rest.is_empty() {
        problems.push(format!("{entry} does not begin with a PEM block"));
    }
    for block in rest.split(BEGIN).skip(1) {
        match pem::parse(format!("{BEGIN}{block}")) {
            Ok(block) if labels.contains(&block.tag()) => found.push(block.into_contents()),
            Ok(block) => problems.push(format!("{entry} has a PEM block of another kind, {:?}", block.tag())),
            Err(_) => problems.push(format!("a PEM block of {entry} is broken or cut")),
        }
    }
    found
}

const BEGIN: &str = "-----BEGIN ";

#[cfg(test)]
mod tests;
