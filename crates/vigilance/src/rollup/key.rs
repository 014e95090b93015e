//! Which cell: family, period, and when it begins.

use std::fmt;

/// A family of records that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Executions.
    Executions,
    /// Attacks.
    Attacks,
    /// Metrics.
    Metrics,
    /// Events of the system.
    Events,
}

/// A length of time for which there are counts, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Period {
    /// From the beginning.
    All,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Executions, Self::Attacks, Self::Metrics, Self::Events];

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Executions => 0,
            Self::Attacks => 1,
            Self::Metrics => 2,
            Self::Events => 3,
        }
    }
}

impl Period {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::All, Self::Day, Self::Hour, Self::Minute];

    /// Its length in nanoseconds; `None` for all time.
    #[must_use]
    pub const fn length_ns(self) -> Option<u64> {
        match self {
            Self::All => None,
            Self::Day => Some(86_400_000_000_000),
            Self::Hour => Some(3_600_000_000_000),
            Self::Minute => Some(60_000_000_000),
        }
    }

    /// Its name: `minute`, say.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::All => 0,
            Self::Day => 1,
            Self::Hour => 2,
            Self::Minute => 3,
        }
    }
}

/// Its name.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CellKey {
    pub(crate) family: Family,
    pub(crate) period: Period,
    /// Which one of its period, counted from 1970; 0 for all time.
    nth: u64,
}

impl CellKey {
    /// The cell that holds the time `event_ns`.
    pub(crate) fn of(family: Family, period: Period, event_ns: u64) -> Self {
        let nth = period.length_ns().map_or(0, |length| event_ns / length);
        Self {
            family,
            period,
            nth,
        }
    }

    /// When it begins, in nanoseconds since 1970.
    pub(crate) fn start_ns(self) -> u64 {
        self.period.length_ns().unwrap_or_default() * self.nth
    }

    /// Its number in the database: cells of one family and period lie together, in time's order.
    pub(crate) fn id(self) -> i64 {
        let group = i64::from(self.family.code() << 2 | self.period.code());
        let nth = i64::try_from(self.nth).expect("there are fewer than 2^29 minutes in 64 bits");
        group << NTH_BITS | nth
    }

    /// The cell with this number; `None` where no time has it.
    pub(crate) fn from_id(id: i64) -> Option<Self> {
        let group = u8::try_from(id >> NTH_BITS).ok()?;
        let nth = u64::try_from(id & ((1 << NTH_BITS) - 1)).ok()?;
        let family = (Family::ALL.into_iter()).find(|family| family.code() == group >> 2)?;
        let period = (Period::ALL.into_iter()).find(|period| period.code() == group & 3)?;
        let longest = period.length_ns().map_or(0, |length| u64::MAX / length);
        (nth <= longest).then_some(Self {
            family,
            period,
            nth,
        })
    }
}

/// Bits for which one of its period a cell is.
const NTH_BITS: u32 = 40;
