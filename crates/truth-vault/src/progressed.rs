//! How far long work is.

/// How far long work is, for whoever waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progressed {
    /// How much is done.
    pub done: u64,
    /// How much there is to do, as far as that was known when it was begun.
    pub total: u64,
}
