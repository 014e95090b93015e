// What nobody can miss.

import { h, s } from "../lib/dom.js";
import { t } from "../lib/i18n.js";

export function panicBanner(integrity) {
  return h("div.panic", {},
    h("strong", {}, warning(), t("panic")),
    h("p", {}, t("panicText"), " ", integrity.cause ? h("span.mono", {}, integrity.cause) : null),
    h("a", { href: "#/system" }, t("panicMore")));
}

function warning() {
  return s("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("path", { d: "M12 2 1 21h22z", fill: "#fff" }),
    s("path", { d: "M12 9v6m0 2.2v.8", stroke: "#9f1239", "stroke-width": 2.4, "stroke-linecap": "round" }));
}
