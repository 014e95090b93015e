// The published vectors of merkle-core: one JSON file a case.

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

const FOLDER = fileURLToPath(new URL("../../../merkle-core/tests/vectors/", import.meta.url));

/** All cases below `folder`, each with its name. Integers beyond 2^53 come as texts. */
export function cases(folder) {
  const path = join(FOLDER, folder);
  const found = readdirSync(path, { recursive: true }).filter((name) => name.endsWith(".json"));
  if (!found.length) throw new Error(`no vectors in ${folder}`);
  return found.sort().map((name) => {
    const text = readFileSync(join(path, name), "utf8");
    const exact = text.replace(/: (\d{16,})([,\n])/g, ': "$1"$2');
    return { name: `${folder}/${name}`, ...JSON.parse(exact) };
  });
}

/** `accepted`, or the reason of the refusal. Any other error is ours. */
export async function verdict(attempt) {
  try {
    await attempt();
    return "accepted";
  } catch (error) {
    if (error.name === "Refused") return error.reason;
    throw error;
  }
}
