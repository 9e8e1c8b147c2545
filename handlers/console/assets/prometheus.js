// The text format of Prometheus, as /metrics has it.

// parse returns the samples of a text by their names: [{labels, value}], in order.
export function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const sample = parseLine(line);
    if (!sample) continue;
    const list = samples.get(sample.name);
    if (list) list.push(sample);
    else samples.set(sample.name, [sample]);
  }
  return samples;
}

const lineForm = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+\S+)?$/;
const labelForm = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"\s*,?/g;

function parseLine(line) {
  const m = lineForm.exec(line);
  if (!m) return null;
  const labels = {};
  for (const [, name, value] of (m[2] ?? "").matchAll(labelForm)) labels[name] = unescape(value);
  return { name: m[1], labels, value: number(m[3]) };
}

const unescape = (text) => text.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));

const number = (text) => (text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text));

// valueOf is the one sample of that name, undefined if there is none.
export const valueOf = (samples, name) => samples.get(name)?.[0]?.value;

// histograms adds up the histograms of a name by a label (undefined: all of them), to
// {buckets: Map of bound to cumulated count, count, sum}. keep says which to take.
export function histograms(samples, name, label, keep = () => true) {
  const all = new Map();
  const of = (labels) => {
    const key = label === undefined ? "" : labels[label] ?? "";
    if (!all.has(key)) all.set(key, { buckets: new Map(), count: 0, sum: 0 });
    return all.get(key);
  };
  for (const { labels, value } of samples.get(name + "_bucket") ?? []) {
    if (!keep(labels)) continue;
    const { buckets } = of(labels);
    const bound = number(labels.le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  for (const { labels, value } of samples.get(name + "_count") ?? []) if (keep(labels)) of(labels).count += value;
  for (const { labels, value } of samples.get(name + "_sum") ?? []) if (keep(labels)) of(labels).sum += value;
  return all;
}

// since is what a histogram counted after an earlier one, or all of it if there is none.
export function since(now, before) {
  const buckets = new Map();
  for (const [bound, n] of now.buckets) buckets.set(bound, n - (before?.buckets.get(bound) ?? 0));
  return { buckets, count: now.count - (before?.count ?? 0), sum: now.sum - (before?.sum ?? 0) };
}

// quantile interpolates in the bucket in which the quantile is, as Prometheus does. Past
// the last finite bound it is that; of nothing it is NaN.
export function quantile(q, { buckets }) {
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  const total = buckets.get(bounds.at(-1)) ?? 0;
  if (!(total > 0)) return NaN;
  const rank = q * total;
  let low = 0, below = 0;
  for (const bound of bounds) {
    const n = buckets.get(bound);
    if (n >= rank && n > below) {
      return bound === Infinity ? low : low + ((bound - low) * (rank - below)) / (n - below);
    }
    low = bound;
    below = Math.max(below, n);
  }
  return low;
}
