mod basics;
mod erasing;
