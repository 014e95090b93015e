// Where the server wants a token.

import { token } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { field } from "./parts.js";

export function askForToken(problem, retry) {
  const input = h("input", { type: "password", autocomplete: "off", spellcheck: "false", placeholder: "d360_…", required: true });
  const enter = (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    retry();
  };
  return h("section.card", {},
    h("h2", {}, t("tokenNeeded")),
    h("p", {}, t("tokenHow")),
    token.get() ? h("p.bad", { role: "alert" }, problem.message) : null,
    h("form.form", { onsubmit: enter }, field(t("token"), input, true), h("button.primary", { type: "submit" }, t("enter"))));
}
