// A file from anywhere, checked here and sent to nobody.

import { h, show } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { verifyFile } from "../verify/file.js";
import { judge } from "./judge.js";
import { card, field, head } from "./parts.js";

export async function render(main, page) {
  const known = page.status?.server.public_key ?? "";
  const key = h("input", { name: "key", value: known, spellcheck: "false", autocomplete: "off" });
  const result = h("div.stack", { "aria-live": "polite" });
  const input = h("input.visually-hidden", { type: "file", id: "file" });
  const check = (file) => file && judge(result, async () => verifyFile(new Uint8Array(await file.arrayBuffer()), key.value.trim()));
  const drop = h("label.drop", { for: "file" }, h("strong", {}, t("drop")), input);
  input.addEventListener("change", () => check(input.files[0]));
  for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", over);
      if (name === "drop") check(event.dataTransfer.files[0]);
    });
  }
  show(main, head(t("verifyFile")), card("w12", null, h("div.stack", {}, h("p.quiet", {}, t("verifyFileHow")), field(`${t("publicKey")} · ${t("publicKeyHow")}`, key, true), drop, result)));
  return {};
}
