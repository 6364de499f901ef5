//! Who uses how many bytes: a quota for each pool, an account in it for each container.
//!
//! Invariant: what is charged to an account is charged to its pool, and is given back exactly once,
//! when the [`Charge`] that stands for it is dropped.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use millpond_core::{Error, ErrorKind, PoolSpace, Result};

/// No quota.
const UNLIMITED: u64 = u64::MAX;

/// The quota of a pool and its use, in bytes.
#[derive(Debug)]
pub(crate) struct Quota {
    size: AtomicU64,
    used: AtomicU64,
}

impl Quota {
    pub(crate) fn new(size: Option<u64>) -> Arc<Self> {
        Arc::new(Self { size: AtomicU64::new(size.unwrap_or(UNLIMITED)), used: AtomicU64::new(0) })
    }

    pub(crate) fn resize(&self, size: Option<u64>) {
        self.size.store(size.unwrap_or(UNLIMITED), Ordering::Relaxed);
    }

    pub(crate) fn space(&self) -> PoolSpace {
        let size = self.size.load(Ordering::Relaxed);
        PoolSpace { size: (size != UNLIMITED).then_some(size), used: self.used.load(Ordering::Relaxed) }
    }

    fn reserve(&self, bytes: u64) -> Result<()> {
        let size = self.size.load(Ordering::Relaxed);
        let reserved = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|&total| total <= size)
        });
        match reserved {
            Ok(_) => Ok(()),
            Err(used) => Err(Error::new(
                ErrorKind::NoSpace,
                format!(
                    "{bytes} bytes more don't fit: {used} of the pool's {size} bytes are used; delete \
                     something or raise the pool's size"
                ),
            )),
        }
    }
}

/// What a charge is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Records,
    Segments,
}

/// The use of one container, in bytes.
#[derive(Debug)]
pub(crate) struct Account {
    quota: Arc<Quota>,
    records: AtomicU64,
    segments: AtomicU64,
}

impl Account {
    pub(crate) fn new(quota: Arc<Quota>) -> Arc<Self> {
        Arc::new(Self { quota, records: AtomicU64::new(0), segments: AtomicU64::new(0) })
    }

    /// Makes sure that `bytes` more fit, and charges them.
    ///
    /// # Errors
    /// `NoSpace` when the quota would be exceeded; nothing is charged then.
    pub(crate) fn charge(self: &Arc<Self>, purpose: Purpose, bytes: u64) -> Result<Charge> {
        self.quota.reserve(bytes)?;
        self.of(purpose).fetch_add(bytes, Ordering::Relaxed);
        Ok(Charge { account: Arc::clone(self), purpose, bytes })
    }

    /// Charges bytes over the quota if need be: deletes must pass on a full pool.
    pub(crate) fn charge_anyway(self: &Arc<Self>, purpose: Purpose, bytes: u64) -> Charge {
        self.quota.used.fetch_add(bytes, Ordering::Relaxed);
        self.of(purpose).fetch_add(bytes, Ordering::Relaxed);
        Charge { account: Arc::clone(self), purpose, bytes }
    }

    pub(crate) fn bytes(&self, purpose: Purpose) -> u64 {
        self.of(purpose).load(Ordering::Relaxed)
    }

    fn of(&self, purpose: Purpose) -> &AtomicU64 {
        match purpose {
            Purpose::Records => &self.records,
            Purpose::Segments => &self.segments,
        }
    }
}

/// Bytes that are charged until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Arc<Account>,
    purpose: Purpose,
    bytes: u64,
}

impl Charge {
    /// Takes `bytes` of this charge into one of their own.
    pub(crate) fn split(&mut self, bytes: u64) -> Charge {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Charge { account: Arc::clone(&self.account), purpose: self.purpose, bytes }
    }

    /// Adds what `other` stands for.
    pub(crate) fn merge(&mut self, mut other: Charge) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.quota.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.of(self.purpose).fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_come_back_once() {
        let quota = Quota::new(Some(100));
        let account = Account::new(Arc::clone(&quota));
        let mut charge = account.charge(Purpose::Records, 60).expect("it fits");
        assert_eq!(account.charge(Purpose::Records, 41).expect_err("too much").kind(), ErrorKind::NoSpace);
        let part = charge.split(20);
        drop(charge);
        assert_eq!(quota.space().used, 20);
        let mut more = account.charge(Purpose::Records, 80).expect("it fits");
        more.merge(part);
        assert_eq!(quota.space().used, 100);
        drop(more);
        assert_eq!((quota.space().used, account.bytes(Purpose::Records)), (0, 0));
    }
}
