// Whether a record that a page shows is in the log that a head stands for.

import { Refused, equal, fromBase64, fromHex } from "./bytes.js";
import { decodeInclusion, leafHash, verifyInclusion } from "./log.js";

/**
 * Checks `proof`, as the server gives it, about its record. Returns the steps that held, each a
 * key of a text and its values. What is refused throws, with the steps before it.
 */
export async function verifyRecord(proof, shown) {
  const steps = [];
  try {
    const leaf = await leafHash(fromBase64(proof.record));
    if (!equal(leaf, fromHex(proof.leaf))) throw new Refused("LeafMismatch");
    steps.push(["stepLeaf", {}]);
    const inclusion = decodeInclusion(fromBase64(proof.proof));
    if (inclusion.index !== BigInt(shown.index)) throw new Refused("OtherIndex");
    await verifyInclusion(inclusion, leaf, { size: proof.size, root: fromHex(proof.root) });
    steps.push(["stepPath", { n: inclusion.hashes.length, index: proof.index, size: proof.size }]);
    return steps;
  } catch (error) {
    error.steps = steps;
    throw error;
  }
}
