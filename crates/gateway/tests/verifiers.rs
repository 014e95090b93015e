//! The verifiers of the dashboard, which are JavaScript, against the published vectors, in Node.js.

use std::path::Path;
use std::process::Command;

#[test]
fn the_pages_verifiers_judge_as_the_published_vectors_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let node = Command::new("node")
        .args(["--test", "tests/js/"])
        .current_dir(folder)
        .output();
    let output = match node {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no Node.js: {error}");
            println!("skipped: no Node.js to run the page's verifiers in ({error})");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("# pass "), "no test ran:\n{said}");
}
