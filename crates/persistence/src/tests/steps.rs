//! Stopping the process between every two steps of the protocol.

use crate::step::Step;

pub(crate) fn reached(_: Step) {}
