pub(crate) mod basics;
mod erasing;
