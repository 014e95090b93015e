//! `cargo xtask bench http`: the server, asked by another process on the same machine.
//!
//! The load is Debian's `wrk`, one thread of it, so that server and load share the cores as callers and
//! server would. Rows have the fields that the other benches print.

mod paint;

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{cache, process, repo::Repo};

/// How much is measured.
struct Scale {
    accounts: u64,
    /// Records in the audit log when the statistics are asked for.
    records: u64,
    seconds: u64,
    judged: bool,
}

const QUICK: Scale = Scale {
    accounts: 20_000,
    records: 20_000,
    seconds: 3,
    judged: false,
};
const USUAL: Scale = Scale {
    accounts: 1_000_000,
    records: 1_000_000,
    seconds: 10,
    judged: true,
};
const FULL: Scale = Scale {
    accounts: 1_000_000,
    records: 10_000_000,
    seconds: 10,
    judged: true,
};

/// Builds the program, fills a store, and prints a row for each figure.
pub(crate) fn run(repo: &Repo, flags: &[String]) -> Result<()> {
    let has = |flag: &str| flags.iter().any(|given| given == flag);
    let scale = match (has("--quick"), has("--full")) {
        (true, _) => QUICK,
        (_, true) => FULL,
        _ => USUAL,
    };
    ensure!(
        runs("wrk"),
        "there is no `wrk`: install Debian's package of that name"
    );
    process::run(
        repo.cargo()
            .args(["build", "--release", "--package=diotec360"]),
    )?;
    let bench = Bench {
        program: repo.target().join("release/diotec360"),
        folder: cache::folder("bench-http")?,
        scale,
        json: has("--json"),
    };
    bench.run(repo)
}

fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok()
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
    scale: Scale,
    json: bool,
}

/// What a figure should reach.
enum Goal {
    AtLeast(f64),
    AtMost(f64),
    None,
}

impl Bench {
    fn run(&self, repo: &Repo) -> Result<()> {
        let data = self.folder.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        self.fill(&data)?;
        self.start_to_ready(&data)?;
        let server = Server::start(&self.program, &data)?;
        self.executions(&server)?;
        self.reads(&server)?;
        self.statistics(&server)?;
        self.dashboard(repo, &server)?;
        drop(server);
        fs::remove_dir_all(&data)?;
        Ok(())
    }

    /// Accounts, a thousand to an execution, and executions without writes up to the number of records.
    fn fill(&self, data: &Path) -> Result<()> {
        let lines = self.folder.join("ledger.jsonl");
        let mut file = BufWriter::new(fs::File::create(&lines)?);
        let batch = 1_000.min(self.scale.accounts);
        let opening = self.scale.accounts / batch;
        for nth in 0..self.scale.records.max(opening) {
            let accounts = if nth < opening {
                nth * batch..(nth + 1) * batch
            } else {
                0..0
            };
            let writes = accounts.map(|account| format!(r#""account:{account:08}":"1000""#));
            let writes = writes.collect::<Vec<_>>().join(",");
            let (time, ms) = (1_700_000_000_000_000_000 + nth * 1_000_000, nth % 90);
            writeln!(
                file,
                r#"{{"kind":"execution","tx_id":"f{nth}","intent_name":"open","status":"PROVED","timestamp_ns":{time},"elapsed_ms":{ms},"writes":{{{writes}}}}}"#
            )?;
        }
        file.into_inner().map_err(|error| error.into_error())?;
        let mut load = Command::new(&self.program);
        load.arg("--data")
            .arg(data)
            .arg("--quiet")
            .arg("load")
            .arg(&lines);
        process::run(load.stdout(Stdio::null()))?;
        fs::remove_file(lines)?;
        Ok(())
    }

    fn start_to_ready(&self, data: &Path) -> Result<()> {
        let mut times = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            let server = Server::start(&self.program, data)?;
            while !server.ask("/health/ready")?.starts_with("HTTP/1.1 200") {
                ensure!(
                    begun.elapsed() < Duration::from_secs(300),
                    "it is never ready"
                );
                std::thread::sleep(Duration::from_millis(2));
            }
            times.push(begun.elapsed().as_secs_f64());
            server.stop()?;
        }
        times.sort_by(f64::total_cmp);
        let name = format!("start to ready/accounts={}", self.scale.accounts);
        self.row(&name, "s", times[1], Goal::AtMost(0.5));
        Ok(())
    }

    fn executions(&self, server: &Server) -> Result<()> {
        let script = "local n = 0\n\
            request = function()\n\
              n = n + 1\n\
              local account = string.format('account:%08d', math.random(0, ACCOUNTS - 1))\n\
              local body = string.format('{\"tx_id\":\"w%d\",\"intent_name\":\"transfer\",\"status\":\"PROVED\",\"elapsed_ms\":1.5,\"writes\":[{\"key\":\"%s\",\"value\":\"%d\"}]}', n, account, n)\n\
              return wrk.format('POST', '/execute', {['Content-Type'] = 'application/json'}, body)\n\
            end\n";
        let measured = self.load(server, script, 64, "executions")?;
        let at = "connections=64";
        self.row(
            &format!("durable execute/{at}"),
            "1/s",
            measured.rate,
            Goal::AtLeast(8_000.0),
        );
        self.row(
            &format!("durable execute p99/{at}"),
            "ms",
            measured.p99_ms,
            Goal::AtMost(30.0),
        );
        Ok(())
    }

    fn reads(&self, server: &Server) -> Result<()> {
        let script = "request = function()\n\
              return wrk.format('GET', string.format('/api/v1/state/value?key=account:%08d', math.random(0, ACCOUNTS - 1)))\n\
            end\n";
        let measured = self.load(server, script, 64, "reads")?;
        let at = format!("accounts={}", self.scale.accounts);
        self.row(
            &format!("get with proof/{at}"),
            "1/s",
            measured.rate,
            Goal::AtLeast(25_000.0),
        );
        self.row(
            &format!("get with proof p99/{at}"),
            "ms",
            measured.p99_ms,
            Goal::None,
        );
        Ok(())
    }

    fn statistics(&self, server: &Server) -> Result<()> {
        let script =
            "request = function() return wrk.format('GET', '/api/persistence/stats') end\n";
        let measured = self.load(server, script, 4, "stats")?;
        let at = format!("records={}", self.scale.records);
        self.row(
            &format!("stats p99/{at}"),
            "ms",
            measured.p99_ms,
            Goal::AtMost(5.0),
        );
        self.row(&format!("stats/{at}"), "1/s", measured.rate, Goal::None);
        Ok(())
    }

    fn dashboard(&self, repo: &Repo, server: &Server) -> Result<()> {
        let Some([paint, root]) = paint::measure(repo, &server.address)? else {
            eprintln!("no figures of the dashboard: they need Chromium, Node.js and npm");
            return Ok(());
        };
        let at = format!("records={}", self.scale.records);
        let name = format!("dashboard first paint/{at}");
        self.row(&name, "s", paint / 1e3, Goal::AtMost(1.0));
        let name = format!("dashboard shows the root/{at}");
        self.row(&name, "s", root / 1e3, Goal::None);
        Ok(())
    }

    /// Asks as a script says, over so many connections.
    fn load(
        &self,
        server: &Server,
        script: &str,
        connections: u32,
        name: &str,
    ) -> Result<Measured> {
        let path = self.folder.join(format!("{name}.lua"));
        let head = format!("ACCOUNTS = {}\nmath.randomseed(360)\n", self.scale.accounts);
        fs::write(&path, head + script)?;
        let mut wrk = Command::new("wrk");
        wrk.args([
            "--latency",
            "--threads",
            "1",
            "--connections",
            &connections.to_string(),
        ]);
        wrk.args([
            "--duration",
            &format!("{}s", self.scale.seconds),
            "--script",
        ]);
        wrk.arg(&path).arg(format!("http://{}", server.address));
        Measured::read(&process::capture(&mut wrk)?)
    }

    fn row(&self, row: &str, unit: &str, ours: f64, goal: Goal) {
        let (text, met) = match goal {
            Goal::AtLeast(bound) => (Some(format!(">= {bound}")), Some(ours >= bound)),
            Goal::AtMost(bound) => (Some(format!("<= {bound}")), Some(ours <= bound)),
            Goal::None => (None, None),
        };
        let met = met.filter(|_| self.scale.judged);
        // As many digits as a measurement has.
        let ours = if ours >= 100.0 {
            ours.round()
        } else {
            (ours * 100.0).round() / 100.0
        };
        if self.json {
            println!(
                "{}",
                json!({"area": "http", "row": row, "unit": unit, "ours": ours, "peers": {}, "goal": text, "met": met})
            );
            return;
        }
        let goal = text.unwrap_or_else(|| "-".to_owned());
        let met = met.map_or("-", |met| if met { "yes" } else { "NO" });
        println!(
            "{:<56} {ours:>12} {unit:<6} {goal:>12} {met}",
            format!("http {row}")
        );
    }
}

/// What `wrk` counted.
struct Measured {
    rate: f64,
    p99_ms: f64,
}

impl Measured {
    /// Reads its report; anything but answers with 2xx is an error of the measurement.
    fn read(report: &str) -> Result<Self> {
        let after = |name: &str| {
            let line = report
                .lines()
                .find_map(|line| line.trim().strip_prefix(name));
            line.map(str::trim)
                .with_context(|| format!("wrk says nothing of {name}: {report}"))
        };
        for trouble in ["Non-2xx", "Socket errors"] {
            ensure!(
                !report.contains(trouble),
                "not every request was answered: {report}"
            );
        }
        let time = after("99%")?;
        let digits = time.trim_end_matches(|char: char| char.is_ascii_alphabetic());
        let number: f64 = digits.parse().with_context(|| format!("no time: {time}"))?;
        let p99_ms = match &time[digits.len()..] {
            "us" => number / 1e3,
            "ms" => number,
            "s" => number * 1e3,
            other => bail!("an unknown unit of time: {other}"),
        };
        Ok(Self {
            rate: after("Requests/sec:")?.parse()?,
            p99_ms,
        })
    }
}

/// A server in a process of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &Path, data: &Path) -> Result<Self> {
        let mut serve = Command::new(program);
        serve.arg("--data").arg(data).args([
            "--json",
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log",
            "error",
        ]);
        let mut child = serve.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let started: Value = serde_json::from_str(&line).context("the server did not start")?;
        let url = started["url"].as_str().context("no address")?;
        let address = url.trim_start_matches("http://").to_owned();
        Ok(Self { child, address })
    }

    fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Has it stop as an operator would.
    fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        process::run(Command::new("kill").args(["-TERM", &id]))?;
        ensure!(self.child.wait()?.success(), "the server did not stop well");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_says_and_refuses_a_run_with_failures() {
        let report = "  Latency Distribution\n     50%  612.00us\n     99%    4.56ms\n\
                      Requests/sec:  30102.55\nTransfer/sec:     13.06MB\n";
        let measured = Measured::read(report).unwrap();
        assert_eq!((measured.rate, measured.p99_ms), (30102.55, 4.56));
        let in_seconds = report.replace("4.56ms", "1.20s");
        assert_eq!(Measured::read(&in_seconds).unwrap().p99_ms, 1200.0);
        assert!(Measured::read(&format!("{report}  Non-2xx or 3xx responses: 7\n")).is_err());
        assert!(Measured::read("").is_err());
    }
}
