//! Looking up many keys at once.

use core::hint::black_box;

use super::{
    page::Page,
    tree::{Found, Tree},
};
use crate::Hasher;

/// Keys that are looked up side by side: about as many as a core has cache misses under way.
const LANES: usize = 32;

/// A key and how far its search has come.
#[derive(Clone, Copy)]
struct Lane<'t, 'k> {
    key: &'k [u8],
    page: &'t Page,
    item: usize,
    /// Whether there is no page below `item`.
    done: bool,
}

impl<H: Hasher> Tree<H> {
    /// Calls `each` with what [`get`](Self::get) answers for each of `keys`, in their order.
    ///
    /// A search alone waits for one cache miss after the other. Here several go down side by side,
    /// so that their misses overlap.
    pub(crate) fn get_many<'t, 'k>(
        &'t self,
        keys: impl IntoIterator<Item = &'k [u8]>,
        mut each: impl FnMut(Found<'t>),
    ) {
        let mut keys = keys.into_iter();
        let Some(top) = self.top.as_deref() else {
            return keys.for_each(|_| each(Ok(None)));
        };
        let start = Lane {
            key: &[],
            page: top,
            item: 0,
            done: false,
        };
        let mut lanes = [start; LANES];
        loop {
            let mut len = 0;
            for (lane, key) in lanes.iter_mut().zip(&mut keys) {
                *lane = Lane { key, ..start };
                len += 1;
            }
            descend(&mut lanes[..len]);
            for lane in &lanes[..len] {
                each(lane.page.answer(lane.item, lane.key));
            }
            if len < LANES {
                return;
            }
        }
    }
}

/// Brings each lane down to where its search ends, a level of pages at a time.
///
/// The loops are short and their rounds do not depend on one another: while one waits for memory,
/// the next are under way.
fn descend(lanes: &mut [Lane<'_, '_>]) {
    let mut sum = 0;
    while lanes.iter().any(|lane| !lane.done) {
        for lane in lanes.iter_mut().filter(|lane| !lane.done) {
            lane.item = lane.page.find(lane.key);
        }
        for lane in lanes.iter().filter(|lane| !lane.done) {
            sum ^= lane.page.touch_item(lane.item);
        }
        for lane in lanes.iter_mut().filter(|lane| !lane.done) {
            sum ^= lane.page.touch_text(lane.item);
            match lane.page.below(lane.item) {
                Some(below) => lane.page = below,
                None => lane.done = true,
            }
        }
    }
    black_box(sum);
}
