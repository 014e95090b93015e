// Numbers, times and hashes as people read them, in the page's language.

const locale = () => (document.documentElement.lang === "pt" ? "pt-BR" : "en-GB");

export function count(number) {
  return new Intl.NumberFormat(locale()).format(number);
}

/** 1,284 stays; 128,400 becomes 128.4K. */
export function short(number) {
  const notation = Math.abs(number) >= 10_000 ? "compact" : "standard";
  return new Intl.NumberFormat(locale(), { notation, maximumFractionDigits: 1 }).format(number);
}

export function percent(part) {
  const digits = part > 0.99 && part < 1 ? 2 : 1;
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: digits }).format(part);
}

export function ms(number) {
  if (number === null || number === undefined) return "–";
  if (number >= 1000) return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: 2 }).format(number / 1000)} s`;
  if (number > 0 && number < 1) return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: 0 }).format(number * 1000)} µs`;
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: number < 10 ? 2 : 1 }).format(number)} ms`;
}

export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = number;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${new Intl.NumberFormat(locale(), { maximumFractionDigits: unit ? 1 : 0 }).format(value)} ${units[unit]}`;
}

export function moment(time) {
  const options = { dateStyle: "medium", timeStyle: "medium" };
  return new Intl.DateTimeFormat(locale(), options).format(new Date(time));
}

export function clock(time, span) {
  const options = span > 2 * 86_400_000 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(locale(), options).format(new Date(time));
}

/** "3 minutes ago". */
export function ago(time, now = Date.now()) {
  const seconds = Math.round((new Date(time).getTime() - now) / 1000);
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return relative.format(Math.min(seconds, 0), "second");
}

/** The first and the last digits: enough to tell hashes apart, not to trust them. */
export function brief(hash, digits = 8) {
  return hash.length > 2 * digits ? `${hash.slice(0, digits)}…${hash.slice(-4)}` : hash;
}
