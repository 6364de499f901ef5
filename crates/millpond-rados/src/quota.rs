//! The pool's quota, as far as clients that share nothing can keep it.
//!
//! Each client looks at what is used about once a second, and counts what it adds itself in between:
//! several clients together may pass the quota by what they write in that time. The quota that Ceph
//! itself keeps on its pool is exact within its own bounds, and answers `NoSpace` too.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use millpond_core::{Error, ErrorKind, PoolSpace, Result};

use crate::sync::lock;

/// How long what is used is taken to be what it was.
const FRESH: Duration = Duration::from_secs(1);

/// See the module.
pub(crate) struct Quota {
    look: Box<dyn Fn() -> Result<PoolSpace> + Send + Sync>,
    state: Mutex<Option<Seen>>,
}

struct Seen {
    when: Instant,
    space: PoolSpace,
}

impl Quota {
    /// A quota whose state `look` finds out.
    pub(crate) fn new(look: impl Fn() -> Result<PoolSpace> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { look: Box::new(look), state: Mutex::new(None) })
    }

    /// Lets `bytes` more be written.
    ///
    /// # Errors
    /// `NoSpace` when they don't fit.
    pub(crate) fn admit(&self, bytes: u64) -> Result<()> {
        let mut state = lock(&self.state);
        if state.as_ref().is_none_or(|seen| seen.when.elapsed() > FRESH) {
            *state = Some(Seen { space: (self.look)()?, when: Instant::now() });
        }
        let Some(Seen { space, .. }) = &mut *state else { return Ok(()) };
        let total = space.used.saturating_add(bytes);
        if let Some(size) = space.size
            && total > size
        {
            return Err(Error::new(
                ErrorKind::NoSpace,
                format!(
                    "{bytes} bytes more don't fit: {} of the pool's {size} bytes are used; delete something and \
                     compact, or raise the pool's size",
                    space.used
                ),
            ));
        }
        space.used = total;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_was_admitted_counts() {
        let quota = Quota::new(|| Ok(PoolSpace { size: Some(100), used: 30 }));
        quota.admit(60).expect("it fits");
        assert_eq!(quota.admit(11).expect_err("it doesn't").kind(), ErrorKind::NoSpace);
        quota.admit(10).expect("it fits");
        Quota::new(|| Ok(PoolSpace { size: None, used: 30 })).admit(u64::MAX).expect("no quota");
    }
}
