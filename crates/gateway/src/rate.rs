//! Requests a second for each caller: token buckets, in bounded memory.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Instant;

/// One bucket a caller: full at first, emptied by requests, filled by time.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// Callers that are remembered. Beyond, those whose buckets are full again are forgotten: they
/// are as good as new.
const CALLERS_MAX: usize = 65_536;

impl RateLimit {
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            burst: f64::from(burst),
            buckets: Mutex::default(),
        }
    }

    /// Whether `caller` may ask once more at `now`. Where too many callers are at their limits to
    /// remember another, the answer is no.
    pub(crate) fn allow(&self, caller: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(|held| held.into_inner());
        if let Some(bucket) = buckets.get_mut(caller) {
            bucket.left = self.filled(*bucket, now);
            bucket.at = now;
            if bucket.left < 1.0 {
                return false;
            }
            bucket.left -= 1.0;
            return true;
        }
        if buckets.len() >= CALLERS_MAX {
            buckets.retain(|_, bucket| self.filled(*bucket, now) < self.burst);
        }
        if buckets.len() >= CALLERS_MAX {
            return false;
        }
        let left = self.burst - 1.0;
        buckets.insert(caller.to_owned(), Bucket { left, at: now });
        true
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.left + passed * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn allows_a_burst_then_the_rate_for_each_caller_alone() {
        let limit = RateLimit::new(10, 3);
        let now = Instant::now();
        let allowed = (0..9).filter(|_| limit.allow("a", now)).count();
        assert_eq!(allowed, 3);
        assert!(limit.allow("b", now));
        let later = now + Duration::from_millis(200);
        assert!(limit.allow("a", later) && limit.allow("a", later));
        assert!(!limit.allow("a", later));
    }

    #[test]
    fn remembers_a_bounded_number_of_callers() {
        let limit = RateLimit::new(1, 1);
        let now = Instant::now();
        for caller in 0..CALLERS_MAX {
            assert!(limit.allow(&caller.to_string(), now));
        }
        assert!(!limit.allow("one more", now));
        assert!(limit.allow("one more", now + Duration::from_secs(2)));
        assert_eq!(limit.buckets.lock().unwrap().len(), 1);
    }
}
