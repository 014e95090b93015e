import assert from "node:assert/strict";
import { test } from "node:test";

import { fromHex } from "../../assets/verify/bytes.js";
import { decodeConsistency, decodeInclusion, verifyConsistency, verifyInclusion } from "../../assets/verify/log.js";
import { openNote, parseCheckpoint, parseVerifier } from "../../assets/verify/note.js";
import { cases, verdict } from "./vectors.js";

test("every published inclusion proof has its verdict", async () => {
  for (const one of cases("log/inclusion")) {
    const head = { size: one.size, root: fromHex(one.root) };
    const attempt = () => verifyInclusion(decodeInclusion(fromHex(one.encoding)), fromHex(one.leaf), head);
    assert.equal(await verdict(attempt), one.verdict, one.name);
  }
});

test("every published consistency proof has its verdict", async () => {
  for (const one of cases("log/consistency")) {
    const old = { size: one.old_size, root: fromHex(one.old_root) };
    const now = { size: one.new_size, root: fromHex(one.new_root) };
    const attempt = () => verifyConsistency(decodeConsistency(fromHex(one.encoding)), old, now);
    assert.equal(await verdict(attempt), one.verdict, one.name);
  }
});

test("every published checkpoint is read or refused as published", async () => {
  for (const one of cases("log/checkpoint")) {
    const found = await verdict(() => parseCheckpoint(one.text));
    assert.equal(found, one.verdict, one.name);
  }
});

test("every published note is believed or refused as published", async () => {
  for (const one of cases("log/note")) {
    const attempt = async () => openNote(one.note, await Promise.all(one.trusted.map(parseVerifier)));
    assert.equal(await verdict(attempt), one.verdict, one.name);
  }
});
