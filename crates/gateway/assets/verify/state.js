// Whether a value, an absence or a whole range is what a root of the state stands for.

import { Refused, equal, fromBase64, fromHex, toUtf8 } from "./bytes.js";
import { verify } from "./map.js";

/** Checks an answer about `key`; returns the steps that held. */
export function verifyValue(found, key) {
  return stepped(async (steps) => {
    const view = await viewOf(found, steps);
    const entry = view.get(toUtf8(key));
    if (Boolean(entry) !== found.present) throw new Refused("OtherAnswer");
    if (entry && !(entry.value && equal(entry.value, fromHex(found.value_hex)))) throw new Refused("OtherValue");
    steps.push([entry ? "stepPresent" : "stepAbsent", {}]);
  });
}

/** Checks that `found.entries` are all keys that begin with `prefix`, as far as they go. */
export function verifyEntries(found, prefix) {
  return stepped(async (steps) => {
    const view = await viewOf(found, steps);
    const start = { key: prefix ? toUtf8(prefix) : Uint8Array.of(0), included: true };
    const last = found.entries.at(-1);
    const cut = found.next !== null && found.next !== undefined;
    const proven = cut ? view.range(start, { key: fromHex(last.key_hex), included: true }) : prefix ? view.prefix(start.key) : view.range(null, null);
    if (proven.length !== found.entries.length) throw new Refused("OtherCount");
    proven.forEach((entry, i) => {
      const shown = found.entries[i];
      const same = equal(entry.key, fromHex(shown.key_hex)) && entry.value && equal(entry.value, fromHex(shown.value_hex));
      if (!same) throw new Refused("OtherEntry");
    });
    steps.push(["stepRange", { n: proven.length }]);
  });
}

async function viewOf(found, steps) {
  if (found.profile !== "sha256") throw new Refused("OtherProfile", "this page knows the profile Sha256 only");
  const view = await verify(fromBase64(found.proof), fromHex(found.root));
  steps.push(["stepMap", { n: found.version }]);
  return view;
}

async function stepped(check) {
  const steps = [];
  try {
    await check(steps);
    return steps;
  } catch (error) {
    error.steps = steps;
    throw error;
  }
}
