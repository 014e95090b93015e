import assert from "node:assert/strict";
import { test } from "node:test";

import { fromHex, toHex } from "../../assets/verify/bytes.js";
import { verify } from "../../assets/verify/map.js";
import { rootAfter } from "../../assets/verify/transition.js";
import { cases, verdict } from "./vectors.js";

const proofs = cases("map/sha256").filter((one) => one.encoding !== undefined);

test("every published proof has the verdict it is published with", async () => {
  for (const one of proofs) {
    const found = await verdict(() => verify(fromHex(one.encoding), fromHex(one.root)));
    assert.equal(found, one.verdict, one.name);
  }
});

test("every question about a proof has the answer it is published with", async () => {
  let asked = 0;
  for (const one of proofs.filter(({ verdict }) => verdict === "accepted")) {
    const view = await verify(fromHex(one.encoding), fromHex(one.root));
    for (const question of one.questions.filter((question) => !("apply" in question))) {
      assert.deepEqual(answer(view, question), question.answer, one.name);
      asked += 1;
    }
  }
  assert.ok(asked > 200, `only ${asked} questions`);
});

test("every published transition leads to the root it is published with", async () => {
  let asked = 0;
  for (const one of proofs.filter(({ verdict }) => verdict === "accepted")) {
    for (const { apply, answer: wanted } of one.questions.filter((question) => "apply" in question)) {
      const changes = apply.map(({ key, value }) => [fromHex(key), value === null ? null : fromHex(value)]);
      let found;
      try {
        found = toHex(await rootAfter(fromHex(one.encoding), fromHex(one.root), changes));
      } catch (error) {
        if (error.name !== "NotCovered") throw error;
        found = "not covered";
      }
      assert.equal(found, wanted, one.name);
      asked += 1;
    }
  }
  assert.ok(asked > 20, `only ${asked} transitions`);
});

test("no flipped bit of a proof that is read leaves an answer standing", async () => {
  const good = proofs.find(({ name }) => name.endsWith("inclusion/good.json"));
  const root = fromHex(good.root);
  for (let bit = 0; bit < good.encoding.length * 4; bit += 1) {
    const bytes = fromHex(good.encoding);
    bytes[bit >> 3] ^= 1 << (bit & 7);
    assert.notEqual(await verdict(() => verify(bytes, root)), "accepted", `bit ${bit}`);
  }
});

test("a count of nodes beyond the bytes is refused before anything is made of it", async () => {
  const bytes = fromHex("4d01ffffffffffffffffff01");
  assert.equal(await verdict(() => verify(bytes, new Uint8Array(32))), "Truncated");
});

function answer(view, question) {
  try {
    if ("get" in question) {
      const entry = view.get(fromHex(question.get));
      return entry ? shown(entry) : "absent";
    }
    if ("prefix" in question) return view.prefix(fromHex(question.prefix)).map(shown);
    return view.range(end(question.start), end(question.end)).map(shown);
  } catch (error) {
    if (error.name === "NotCovered") return "not covered";
    throw error;
  }
}

function end(end) {
  if (!end) return null;
  const [[kind, key]] = Object.entries(end);
  return { key: fromHex(key), included: kind === "included" };
}

function shown({ key, value, digest }) {
  return value ? { key: toHex(key), value: toHex(value) } : { key: toHex(key), digest: toHex(digest) };
}
