//! The peers that are light: `cargo xtask bench`, where it does without the heavy ones.

use anyhow::Result;

fn main() -> Result<()> {
    rivals::run(&[rivals::SLED], &[])
}
