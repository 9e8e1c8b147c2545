// Numbers, durations, times and texts for people.

const digits = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });

export const whole = (n) => digits.format(n);

// rate shows a number a second: with a digit behind the point if it is small.
export const rate = (n) => (n > 0 && n < 0.05 ? "<0.1" : n === 0 || n >= 100 ? digits.format(n) : oneDigit.format(n));

// took shows a time in seconds as a request takes it.
export function took(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const [unit, size] = seconds < 0.001 ? ["µs", 1e-6] : seconds < 1 ? ["ms", 1e-3] : ["s", 1];
  return seconds === 0 ? "0" : `${Number((seconds / size).toPrecision(3))} ${unit}`;
}

// duration shows whole seconds in its two largest units.
export function duration(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const at = units.findIndex(([, size]) => seconds >= size);
  if (at < 0) return "0 s";
  const [unit, size] = units[at];
  const text = `${Math.floor(seconds / size)} ${unit}`;
  const [below, small] = units[at + 1] ?? ["", 0];
  const rest = small ? Math.floor((seconds % size) / small) : 0;
  return rest ? `${text} ${rest} ${below}` : text;
}

const two = (n) => String(n).padStart(2, "0");

export const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;

export const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;

// iso is a moment in the browser's time zone, with the offset that the zone has then.
export function iso(date) {
  const minutes = -date.getTimezoneOffset();
  const [hour, minute] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${day(date)}T${clock(date)}${minutes < 0 ? "-" : "+"}${two(hour)}:${two(minute)}`;
}

// zone is the name of the browser's time zone.
export const zone = () => new Intl.DateTimeFormat("en").resolvedOptions().timeZone ?? "this browser's time zone";

// visible shows what would not be seen of a text, or would turn it round: control and
// format characters and lone surrogates become escapes.
export const visible = (text) =>
  text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));

// named is visible in a sentence: in quotes if the text's bounds would not be seen.
export const named = (id) => (/\s/.test(id) ? `“${visible(id)}”` : visible(id));

export const count = (n, one, many = one + "s") => `${whole(n)} ${n === 1 ? one : many}`;
