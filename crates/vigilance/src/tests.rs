pub(crate) mod basics;
mod erasing;
mod searching;
