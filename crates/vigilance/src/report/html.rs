//! A page that needs nothing but itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::ReportKind;
use super::content::Content;
use crate::stats::named;
use crate::{Family, Record, Sketch, civil};

/// The report as a page: no script, no other file, no other host; dark where the reader wants it, and black
/// on white on paper.
pub(super) fn page(content: &Content<'_>) -> String {
    let statement = content.statement;
    let scope = &statement.scope;
    let title = escaped(&statement.title);
    let mut body = String::new();
    let _ = write!(
        body,
        "<header><p class=\"kind\">{} report</p><h1>{title}</h1><p class=\"period\"><time>{}</time> to \
         <time>{}</time></p></header>",
        scope.kind,
        minute(scope.from_ns),
        minute(scope.until_ns),
    );
    body += &tiles(content);
    body += &columns(content);
    body += "<div class=\"two\">";
    body += &breakdowns(content);
    body += "</div>";
    body += &table(content);
    body += &proof(content);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )
}

/// The figures at a glance.
fn tiles(content: &Content<'_>) -> String {
    let stats = &content.executions;
    let mut tiles = Vec::new();
    let kind = content.statement.scope.kind;
    if kind != ReportKind::Attacks {
        tiles.push(("executions", stats.total_executions.to_string(), ""));
        let rate = format!("{:.2} %", stats.success_rate() * 100.0);
        tiles.push(("proved", rate, ""));
        let latency = stats.counts.elapsed_ns();
        tiles.push(("median duration", milliseconds(latency, 500), ""));
        tiles.push(("p99 duration", milliseconds(latency, 990), ""));
        let breaks = content.continuity.breaks.len();
        let tone = if breaks > 0 { "bad" } else { "good" };
        tiles.push(("breaks of the state", breaks.to_string(), tone));
    }
    if kind != ReportKind::Executions {
        let attacks = &content.attacks;
        tiles.push((
            "attacks blocked",
            attacks.total_attacks_blocked.to_string(),
            "",
        ));
        let tone = if content.critical > 0 { "bad" } else { "" };
        tiles.push((
            "severity of 0.9 or more",
            content.critical.to_string(),
            tone,
        ));
    }
    if kind == ReportKind::Compliance {
        tiles.push(("metrics", content.count(Family::Metrics).to_string(), ""));
        tiles.push((
            "system events",
            content.count(Family::Events).to_string(),
            "",
        ));
    }
    let tiles = tiles.into_iter().map(|(name, value, tone)| {
        format!("<div class=\"tile {tone}\"><dd>{value}</dd><dt>{name}</dt></div>")
    });
    format!("<dl class=\"tiles\">{}</dl>", tiles.collect::<String>())
}

/// Records over time, as columns.
fn columns(content: &Content<'_>) -> String {
    let most = content.series.values().max().copied().unwrap_or_default();
    if most == 0 {
        return "<p class=\"none\">No record belongs to this report.</p>".into();
    }
    let length = content.period.length_ns().unwrap_or(1);
    let first = content.series.keys().next().copied().unwrap_or_default();
    let last = content
        .series
        .keys()
        .next_back()
        .copied()
        .unwrap_or_default();
    let steps = (last - first) / length + 1;
    let width = (steps * 10).max(200);
    let mut bars = String::new();
    for (start, count) in &content.series {
        let height = (count * 120).div_ceil(most);
        let at = (start - first) / length * 10;
        let _ = write!(
            bars,
            "<rect x=\"{at}\" y=\"{}\" width=\"8\" height=\"{height}\" rx=\"1\"><title>{}: {count}</title></rect>",
            120 - height,
            minute(*start)
        );
    }
    format!(
        "<section><h2>Records by {}</h2><svg viewBox=\"0 0 {width} 120\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"Records by {}, {most} at most\">{bars}</svg><p class=\"axis\"><span>{}</span>\
         <span>at most {most}</span><span>{}</span></p></section>",
        content.period,
        content.period,
        minute(first),
        minute(last)
    )
}

fn breakdowns(content: &Content<'_>) -> String {
    let mut sections = String::new();
    let kind = content.statement.scope.kind;
    if kind != ReportKind::Attacks {
        let counts = &content.executions.counts;
        sections += &bars("Status", &content.executions.status_breakdown);
        let intents = (counts.intents().iter()).map(|(name, it)| (name.to_owned(), it.count));
        sections += &bars("Intents", &intents.collect());
        sections += &bars("Refused by", &named(counts.refused_by()));
    }
    if kind != ReportKind::Executions {
        sections += &bars("Attack types", &content.attacks.attack_type_breakdown);
        sections += &bars("Categories", &named(content.attacks.counts.categories()));
        sections += &bars("Blocked by", &content.attacks.layer_breakdown);
    }
    if kind == ReportKind::Compliance {
        sections += &bars("System events", &content.event_kinds());
    }
    sections
}

fn bars(title: &str, counts: &BTreeMap<String, u64>) -> String {
    let total: u64 = counts.values().sum();
    if total == 0 {
        return String::new();
    }
    let mut sorted: Vec<_> = counts.iter().collect();
    sorted.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let rows = sorted.iter().take(BARS_MAX).map(|(name, count)| {
        let per_mille = u128::from(**count) * 1000 / u128::from(total);
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"bar\"><i style=\"width:{}.{}%\"></i></td>\
             <td class=\"number\">{count}</td></tr>",
            escaped(name),
            per_mille / 10,
            per_mille % 10
        )
    });
    let rows: String = rows.collect();
    format!(
        "<section><h2>{title}</h2><table class=\"bars\"><tbody>{rows}</tbody></table></section>"
    )
}

/// The records, the first of them.
fn table(content: &Content<'_>) -> String {
    if content.records.is_empty() {
        return String::new();
    }
    let shown = content.records.len().min(ROWS_MAX);
    let rows = content.records.iter().take(ROWS_MAX).map(|(index, record)| {
        let (what, name, detail) = described(record);
        format!(
            "<tr><td class=\"number\">{index}</td><td><time>{}</time></td><td>{}</td><td>{}</td><td>{}</td></tr>",
            second(record.event_ns()),
            escaped(&what),
            escaped(&name),
            escaped(&detail)
        )
    });
    let rows: String = rows.collect();
    let more = if shown < content.records.len() {
        format!(
            "<p>The first {shown} of {}; all are in the JSON document.</p>",
            content.records.len()
        )
    } else {
        String::new()
    };
    format!(
        "<section><h2>Records</h2><table class=\"records\"><thead><tr><th>Index</th><th>Time (UTC)</th><th>What</th>\
         <th>Name</th><th>Detail</th></tr></thead><tbody>{rows}</tbody></table>{more}</section>"
    )
}

fn described(record: &Record) -> (String, String, String) {
    match record {
        Record::Execution(it) => {
            let name = format!("{} ({})", it.intent_name, it.tx_id);
            let took = it
                .elapsed_ns
                .map(|ns| format!("{}.{:03} ms", ns / 1_000_000, ns / 1_000 % 1_000));
            (it.status.to_string(), name, took.unwrap_or_default())
        }
        Record::Attack(it) => {
            let name = format!("{}, {} ({})", it.attack_type, it.category, it.attack_id);
            let detail = format!(
                "severity {}, blocked by {}",
                it.severity, it.blocked_by_layer
            );
            ("attack".into(), name, detail)
        }
        Record::Metric(it) => (
            "metric".into(),
            it.metric_name.clone(),
            it.metric_value.to_string(),
        ),
        Record::Event(it) => {
            let message = it.message.as_ref().and_then(|text| text.as_str());
            let source = it.source.clone().unwrap_or_default();
            (
                it.kind.to_string(),
                source,
                message.unwrap_or_default().into(),
            )
        }
    }
}

/// What the page stands on, and how to check it.
fn proof(content: &Content<'_>) -> String {
    let statement = content.statement;
    let (first, end) = statement.range;
    let size = statement.head.size;
    let covered = if (first, end) == (0, size.get()) {
        "The proof holds every record of the log: it shows that none is left out.".to_owned()
    } else {
        format!(
            "The proof holds every record from {first} to {} of the log: it shows that none of them is left out, \
             and the signer states that none outside belongs to the period.",
            end.saturating_sub(1)
        )
    };
    format!(
        "<footer><h2>Proof</h2><p>{covered} Check it with <code>diotec360 verify-report</code>, offline, with the \
         proof file and the public key of <code>{}</code>.</p><dl class=\"facts\"><dt>Log</dt><dd>{} records</dd>\
         <dt>Root</dt><dd><code>{}</code></dd><dt>Scope</dt><dd><code>{}</code></dd><dt>Matching</dt><dd>{}</dd>\
         <dt>Issued</dt><dd>{}</dd></dl></footer>",
        escaped(&statement.origin),
        size,
        statement.head.root,
        escaped(&statement.scope.canonical()),
        content.records.len(),
        civil::rfc3339(statement.issued_ns)
    )
}

fn milliseconds(sketch: &Sketch, per_mille: u16) -> String {
    sketch.quantile(per_mille).map_or_else(
        || "none".into(),
        |ns| format!("{}.{:02} ms", ns / 1_000_000, ns / 10_000 % 100),
    )
}

fn minute(ns: u64) -> String {
    let text = civil::rfc3339(ns);
    format!(
        "{} {}",
        &text[..text.len() - 20],
        &text[text.len() - 19..text.len() - 14]
    )
}

fn second(ns: u64) -> String {
    let text = civil::rfc3339(ns);
    format!(
        "{} {}",
        &text[..text.len() - 20],
        &text[text.len() - 19..text.len() - 11]
    )
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Characters that turn the direction of what follows hide what is there.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Rows of records, and of a breakdown, on the page.
const ROWS_MAX: usize = 500;
const BARS_MAX: usize = 20;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#16202c;--dim:#5b6875;--line:#dfe5ea;--paper:#fff;--card:#f5f7f9;--accent:#1f6feb;\
--good:#137a3f;--bad:#b3261e}\
@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--dim:#9aa7b3;--line:#2b3640;--paper:#11171d;--card:#182028;\
--accent:#6aa5ff;--good:#5bd08a;--bad:#ff8a80}}\
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
main{max-width:60rem;margin:0 auto;padding:2.5rem 1.25rem}\
header{border-bottom:2px solid var(--ink);padding-bottom:1rem;margin-bottom:1.5rem}\
h1{font-size:1.9rem;line-height:1.2;margin:.1rem 0}h2{font-size:1rem;margin:1.8rem 0 .6rem}\
.kind{margin:0;color:var(--dim);text-transform:uppercase;letter-spacing:.08em;font-size:.78rem}\
.period{margin:0;color:var(--dim)}.none{color:var(--dim)}\
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;margin:0}\
.tile{background:var(--card);border-radius:.5rem;padding:.8rem 1rem}\
.tile dd{margin:0;font-size:1.5rem;white-space:nowrap;font-weight:600;font-variant-numeric:tabular-nums}\
.tile dt{color:var(--dim);font-size:.82rem}.good dd{color:var(--good)}.bad dd{color:var(--bad)}\
.tile{display:flex;flex-direction:column}\
svg{width:100%;height:8rem;display:block;border-bottom:1px solid var(--line)}rect{fill:var(--accent)}\
.axis{display:flex;justify-content:space-between;color:var(--dim);font-size:.8rem;margin:.3rem 0 0}\
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));column-gap:2.5rem}\
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:500}\
.bars th{width:40%;font-weight:400;overflow-wrap:anywhere}.bars td,.bars th{padding:.2rem 0}\
.bar{padding-inline:.6rem!important}.bar i{display:block;height:.6rem;min-width:2px;border-radius:.3rem;\
background:var(--accent)}.number{text-align:right;font-variant-numeric:tabular-nums}\
.records{font-size:.85rem}.records td,.records th{padding:.3rem .6rem;border-bottom:1px solid var(--line);\
vertical-align:top;overflow-wrap:anywhere}.records th{color:var(--dim)}time{white-space:nowrap}\
code{font:.85em ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}\
footer{margin-top:2.5rem;border-top:1px solid var(--line);font-size:.9rem}\
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}.facts dt{color:var(--dim)}.facts dd{margin:0}\
@media print{@page{margin:18mm}:root{--ink:#000;--dim:#444;--line:#bbb;--paper:#fff;--card:#fff;--accent:#333}\
main{padding:0;max-width:none}.tile{border:1px solid var(--line)}section,.tile,tr{break-inside:avoid}\
thead{display:table-header-group}rect,.bar i{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";
