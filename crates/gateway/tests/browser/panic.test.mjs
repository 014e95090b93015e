// The dashboard over stores that were tampered with: see ../browser.rs.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { join } from "node:path";

import { accessibility, close, open, shots } from "./page.mjs";

after(close);

test("nobody can miss the panic", async () => {
  for (const [name, viewport] of [["wide", { width: 1280, height: 900 }], ["phone", { width: 390, height: 844 }]]) {
    const page = await open({ path: "#/system", viewport });
    const banner = page.getByRole("alert").filter({ hasText: "Panic mode" });
    await banner.waitFor();
    const box = await banner.boundingBox();
    assert.ok(box.y === 0 && box.width === viewport.width && box.height > 60, JSON.stringify(box));
    assert.ok((await page.title()).startsWith("⚠"));
    assert.deepEqual(await accessibility(page), []);
    if (shots) await page.screenshot({ path: join(shots, `panic-${name}.png`), fullPage: true });
  }
});

test("a way out is taken from the page, with a reason", async () => {
  const page = await open({ path: "#/system" });
  await page.getByRole("radio", { name: /rewrite-seals/ }).waitFor();
  assert.ok(await page.getByRole("radio", { name: /^restore/ }).isDisabled()); // not from here
  assert.ok(await page.getByRole("cell", { name: "Damage" }).isVisible());
  await page.getByRole("button", { name: "Take this way" }).click();
  assert.ok(await page.getByLabel("Reason").evaluate((it) => !it.validity.valid)); // it is asked for
  await page.getByLabel("Reason").fill("a test");
  await page.keyboard.press("Enter");
  await page.getByText("The server closes the stores").waitFor();
});
