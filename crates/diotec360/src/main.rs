#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

fn main() -> anyhow::Result<()> {
    anyhow::bail!("nothing here yet")
}
