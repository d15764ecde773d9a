//! Latencies in constant memory: 128 steps for each doubling, so within 0.8 % of what was measured.

use std::time::Duration;

const STEPS: u64 = 128;
const BITS: u32 = STEPS.trailing_zeros();

#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Histogram {
    pub(crate) fn add(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let place = place_of(nanos);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.total += 1;
        self.max = self.max.max(nanos);
    }

    /// In milliseconds; none if nothing was measured.
    pub(crate) fn quantile(&self, q: f64) -> Option<f64> {
        if self.total == 0 {
            return None;
        }
        let rank = ((self.total as f64 * q).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(value_of(place).min(self.max) as f64 / 1e6);
            }
        }
        self.max_ms()
    }

    pub(crate) fn max_ms(&self) -> Option<f64> {
        (self.total > 0).then_some(self.max as f64 / 1e6)
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

fn place_of(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - BITS;
    (u64::from(shift + 1) * STEPS + (nanos >> shift) - STEPS) as usize
}

/// The middle of what falls into a place.
fn value_of(place: usize) -> u64 {
    let place = place as u64;
    if place < STEPS {
        return place;
    }
    let (shift, step) = (place / STEPS - 1, place % STEPS);
    let low = (STEPS + step) << shift;
    low + (1u64 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_within_a_hundredth() {
        for nanos in [0, 1, 127, 128, 129, 255, 256, 1000, 123_456, 99_999_999, 7_000_000_000] {
            let back = value_of(place_of(nanos));
            assert!(back.abs_diff(nanos) as f64 <= nanos as f64 * 0.01, "{nanos} {back}");
        }
    }

    #[test]
    fn quantiles_of_a_thousand() {
        let mut held = Histogram::default();
        for micros in 1..=1000 {
            held.add(Duration::from_micros(micros));
        }
        let near = |q, ms: f64| (held.quantile(q).expect("some") - ms).abs() < ms * 0.01;
        assert!(near(0.5, 0.5) && near(0.99, 0.99) && near(1.0, 1.0));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }
}
