// The dashboard over real stores: see ../browser.rs, which starts the server and this.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { join } from "node:path";

import { accessibility, base, close, open, overflows, shots } from "./page.mjs";

const PAGES = ["", "#/log", "#/log/1", "#/state", "#/seals", "#/verify", "#/operations", "#/system", "docs"];

after(close);

async function execute(id, status = "PROVED") {
  const body = { tx_id: id, intent_name: "transfer", status, elapsed_ms: 3, writes: status === "PROVED" ? [{ key: "account:live", value: id }] : [] };
  const response = await fetch(`${base}execute`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.equal(response.status, 201);
  return response.json();
}

test("shows the root, the integrity and the charts", async () => {
  const page = await open();
  const { merkle_root: root } = await (await fetch(`${base}api/persistence/stats`)).json();
  assert.equal(await page.textContent("#state-root"), root);
  assert.ok(await page.getByText("Intact").isVisible());
  assert.equal(await page.locator("svg.chart").count(), 3);
  assert.ok((await page.locator("svg.chart path").count()) > 6);
  assert.deepEqual(page.troubles, []);
});

test("follows what happens without being asked", async () => {
  const page = await open();
  await page.locator(".live.on").waitFor();
  const done = await execute(`live-${Date.now()}`);
  await page.waitForFunction((root) => document.querySelector("#state-root")?.textContent === root, done.merkle_root_after, { timeout: 10_000 });
  await page.getByRole("link", { name: String(done.index), exact: true }).waitFor();
  assert.deepEqual(page.troubles, []);
});

test("leads from the log to a record, proves it here, and refuses it with one bit turned", async () => {
  const page = await open({ path: "#/log" });
  await page.locator("tbody a").first().click();
  await page.locator("#verify").click();
  await page.locator('[data-verdict="good"]').waitFor();
  assert.ok((await page.locator(".steps .mark.good").count()) >= 2);
  await page.locator("#tamper").click();
  await page.locator('[data-verdict="bad"]').waitFor();
  assert.equal(await page.locator('[data-verdict="good"]').count(), 0);
  assert.deepEqual(page.troubles, []);
});

test("pages through the log and finds what is looked for", async () => {
  const page = await open({ path: "#/log" });
  const before = await page.locator("tbody tr").count();
  await page.getByRole("button", { name: "Older" }).click();
  await page.waitForFunction((rows) => document.querySelectorAll("tbody tr").length > rows, before);
  await page.locator("select").first().selectOption("attack");
  await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].every((row) => row.textContent.includes("Attack")));
  assert.deepEqual(page.troubles, []);
});

test("proves a value, an absence and a whole range, and refuses a spoiled proof", async () => {
  const page = await open({ path: "#/state" });
  await page.locator("#verify").click();
  await page.locator('[data-verdict="good"]').waitFor();
  for (const [key, words] of [["account:alice", "this value"], ["account:nobody", "neighbours"]]) {
    await page.locator('input[name="key"]').fill(key);
    await page.keyboard.press("Enter");
    await page.locator("#tamper").waitFor();
    await page.locator("#verify").click();
    await page.locator('[data-verdict="good"]').waitFor();
    assert.ok((await page.textContent(".steps")).includes(words), key);
    await page.locator("#tamper").click();
    await page.locator('[data-verdict="bad"]').waitFor();
    await page.locator('input[name="key"]').fill("account:");
    await page.locator("#list").click();
    await page.locator("#tamper").waitFor({ state: "detached" });
  }
  assert.deepEqual(page.troubles, []);
});

test("checks the signature of a seal, and a file from anywhere", async () => {
  const page = await open({ path: "#/seals" });
  await page.getByRole("button", { name: "Verify in this browser" }).first().click();
  assert.ok(!(await page.textContent("main")).includes("1970")); // the genesis seal of these stores knows no time
  const verdict = page.locator("[data-verdict]").first();
  await verdict.waitFor();
  assert.equal(await verdict.getAttribute("data-verdict"), "good", await verdict.textContent());
  await page.goto(`${base}#/verify`);
  const note = Buffer.from(await (await fetch(`${base}api/v1/seals/newest`)).arrayBuffer());
  const file = (buffer) => ({ name: "seal.txt", mimeType: "text/plain", buffer });
  await page.setInputFiles("#file", file(note));
  await page.locator('[data-verdict="good"]').waitFor();
  note[note.indexOf("state ") + 6] ^= 1;
  await page.setInputFiles("#file", file(note));
  await page.locator('[data-verdict="bad"]').waitFor();
  const { items } = await (await fetch(`${base}api/v1/audit/records?kind=execution&status=PROVED&limit=1`)).json();
  const receipt = Buffer.from(await (await fetch(`${base}api/v1/receipts/${items[0].id}`)).arrayBuffer());
  await page.setInputFiles("#file", file(receipt));
  await page.locator('[data-verdict="good"]').waitFor();
  receipt[Math.floor(receipt.length / 3)] ^= 1;
  await page.setInputFiles("#file", file(receipt));
  await page.locator('[data-verdict="bad"]').waitFor();
  assert.deepEqual(page.troubles, []);
});

test("an operator checks everything, backs up, and gives a version a name", async () => {
  const page = await open({ path: "#/operations" });
  await page.getByRole("button", { name: "Verify everything" }).click();
  await page.locator(".jobs li", { hasText: "Sound: " }).first().waitFor();
  await page.locator('input[name="backup"]').fill("daily");
  await page.getByRole("button", { name: "Back up", exact: true }).click();
  await page.getByRole("rowheader", { name: "daily" }).waitFor();
  await page.locator('input[name="snapshot"]').fill("before the audit");
  await page.getByRole("button", { name: "Name it" }).click();
  await page.getByRole("rowheader", { name: "before the audit" }).waitFor();
  assert.deepEqual(await accessibility(page), []);
  if (shots) await page.screenshot({ path: join(shots, "operations-used.png"), fullPage: true });
  await page.getByRole("button", { name: "Forget: before the audit" }).click();
  await page.getByText("No version has a name").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), "snapshot"); // not lost with the button
  assert.deepEqual(page.troubles, []);
  await page.locator('input[name="snapshot"]').fill("of the future");
  await page.locator('input[name="version"]').fill("999999");
  await page.getByRole("button", { name: "Name it" }).click();
  await page.locator("[role=status] .bad").waitFor(); // the server's own words
});

test("long work shows how far it is, and is cancelled by the keyboard", async () => {
  const context = { status: "running", asked: 0 };
  const job = () => ({ id: 7, kind: "verify", status: context.status, started: new Date().toISOString(), ended: null, left_s: context.status === "running" ? 95 : null,
    progress: [{ store: "state", done: 120, total: 480 }, { store: "audit trail", done: 9, total: 900 }], result: null, problem: context.status === "running" ? null : { detail: "cancelled before its end" } });
  const page = await open({ reducedMotion: "reduce" });
  await page.route("**/api/v1/jobs", (route) => route.fulfill({ json: { items: [job()], next: null } }));
  await page.route("**/api/v1/jobs/7", (route) => {
    context.asked += route.request().method() === "DELETE" ? 1 : 0;
    context.status = "cancelled";
    return route.fulfill({ status: 202, json: job() });
  });
  await page.goto(`${base}#/operations`);
  const bar = page.getByRole("progressbar", { name: "State" });
  await bar.waitFor();
  assert.equal(await bar.evaluate((it) => it.value / it.max), 0.25);
  assert.ok(await page.getByText("95 s left").isVisible());
  assert.deepEqual(await accessibility(page), []);
  if (shots) await page.screenshot({ path: join(shots, "operations-running.png"), fullPage: true });
  await page.getByRole("button", { name: "Cancel: Verify 7" }).focus();
  await page.waitForTimeout(2500); // looked at again meanwhile: the focus stays
  await page.keyboard.press("Enter");
  await page.locator(".jobs .badge", { hasText: "Cancelled" }).waitFor();
  assert.equal(context.asked, 1);
  assert.equal(await page.getByRole("button", { name: /^Cancel/ }).count(), 0);
  assert.deepEqual(page.troubles, []);
});

test("every page passes axe-core in both themes, and fits a phone", async () => {
  for (const [name, options] of [
    ["dark", { colorScheme: "dark" }],
    ["light", { colorScheme: "light" }],
    ["phone", { colorScheme: "dark", viewport: { width: 390, height: 844 } }],
  ]) {
    for (const path of PAGES) {
      const page = await open({ path, reducedMotion: "reduce", ...options });
      await page.waitForTimeout(400);
      const where = `${name} ${path || "#/"}`;
      assert.deepEqual(await accessibility(page), [], where);
      assert.equal(await overflows(page), false, where);
      assert.deepEqual(page.troubles, [], where);
      if (shots) await page.screenshot({ path: join(shots, `${name}-${path.replace(/\W+/g, "") || "overview"}.png`), fullPage: true });
      await page.context().close();
    }
  }
});

test("speaks Portuguese, remembers it, and has no word untranslated", async () => {
  const page = await open();
  await page.getByRole("button", { name: "Português" }).click();
  await page.getByRole("heading", { name: "Visão geral" }).waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "pt");
  await page.reload();
  await page.getByRole("heading", { name: "Visão geral" }).waitFor();
  const { EN } = await import("../../assets/lib/words-en.js");
  const { PT } = await import("../../assets/lib/words-pt.js");
  assert.deepEqual(Object.keys(PT).sort(), Object.keys(EN).sort());
});

test("is used by the keyboard alone", async () => {
  const page = await open();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.locator("svg.chart").first().focus();
  const before = await page.locator(".readout").first().textContent();
  await page.keyboard.press("Home");
  assert.notEqual(await page.locator(".readout").first().textContent(), before);
  assert.ok((await page.textContent("#said")).includes("Proved"));
  await page.locator("nav a", { hasText: "Log" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Log" }).waitFor();
});

test("the API's page shows every operation and asks one", async () => {
  const page = await open({ path: "docs" });
  const document = await (await fetch(`${base}openapi.json`)).json();
  const operations = Object.values(document.paths).flatMap((item) => Object.keys(item));
  assert.equal(await page.locator(".api details").count(), operations.length);
  assert.ok(!(await page.textContent(".api")).includes("`")); // it is not the source of the text
  await page.locator("summary", { hasText: "/api/v1/status" }).click();
  await page.getByRole("button", { name: "Try it" }).click();
  await page.locator("form pre", { hasText: "state" }).waitFor();
  assert.deepEqual(await accessibility(page), []);
  assert.deepEqual(page.troubles, []);
});
