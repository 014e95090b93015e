// The page in English and Portuguese. A key without a text shows itself, which a test looks for.

import { EN } from "./words-en.js";
import { PT } from "./words-pt.js";

const ALL = { en: EN, pt: PT };

export const language = () => document.documentElement.lang;

/** The text of `key`, with `{name}` filled in. */
export function t(key, values = {}) {
  const text = (ALL[language()] ?? EN)[key] ?? EN[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function choose(name) {
  document.documentElement.lang = name;
  try {
    localStorage.setItem("language", name);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}
