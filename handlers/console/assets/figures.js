// What the figures of /metrics say of the last minute: they count from the server's start,
// so the difference of two answers is what happened in between.

import { histograms, quantile, since, valueOf } from "./prometheus.js";

const seconds = 60; // that are looked back on
const tooShort = 0.5; // seconds that say nothing

const duration = "rest_sessions_request_duration_seconds";
const requests = "rest_sessions_requests_total";

// isOfApp reports whether a route is for sessions: the console's own questions are not, nor
// those of Prometheus and of load balancers.
const isOfApp = ({ route }) => route?.startsWith("/{app}/");

// History keeps the answers of the last minute, {at, samples}, at in seconds.
export class History {
  #answers = [];
  #starts = new Set(); // of the processes that answered

  // add takes an answer, and reports whether the one before was of another process.
  add(at, samples) {
    const last = this.#answers.at(-1);
    const start = valueOf(samples, "process_start_time_seconds");
    const other = last !== undefined && (start !== valueOf(last.samples, "process_start_time_seconds") || at <= last.at);
    this.several = other && this.#starts.has(start);
    this.#starts.add(start);
    if (other) this.#answers = [];
    this.#answers.push({ at, samples });
    while (this.#answers.length > 2 && this.#answers[1].at <= at - seconds) this.#answers.shift();
    return other;
  }

  clear() {
    this.#answers = [];
  }

  // lastMinute compares the last answer with the first that is kept, and latest with the
  // one before it; null if there is only one.
  lastMinute() {
    return this.#compare(this.#answers[0]);
  }

  latest() {
    return this.#compare(this.#answers.at(-2));
  }

  #compare(before) {
    const now = this.#answers.at(-1);
    return before && now && now.at - before.at > tooShort ? new Span(before, now) : null;
  }
}

// Span is what happened between two answers.
class Span {
  constructor(before, now) {
    this.before = before.samples;
    this.now = now.samples;
    this.seconds = now.at - before.at;
  }

  // counted is how much the samples of a name grew, summed up.
  counted(name, keep = () => true) {
    const sum = (samples) => (samples.get(name) ?? []).reduce((n, s) => (keep(s.labels) ? n + s.value : n), 0);
    return sum(this.now) - sum(this.before);
  }

  // byLabel lists {label, grown, total} of a counter by the value of a label.
  byLabel(name, label) {
    const before = new Map((this.before.get(name) ?? []).map((s) => [s.labels[label], s.value]));
    return (this.now.get(name) ?? []).map(({ labels, value }) =>
      ({ label: labels[label], total: value, grown: value - (before.get(labels[label]) ?? 0) }));
  }

  // routes lists {route, perSecond, failed, p50, p99} of the routes that were used, the
  // most used first. failed counts answers of 500 and more.
  routes() {
    const before = histograms(this.before, duration, "route");
    const now = histograms(this.now, duration, "route");
    const names = new Set((this.now.get(requests) ?? []).map((s) => s.labels.route));
    const rows = [];
    for (const route of names) {
      const count = this.counted(requests, (labels) => labels.route === route);
      if (count <= 0) continue;
      const times = since(now.get(route) ?? none, before.get(route));
      const failed = this.counted(requests, (labels) => labels.route === route && labels.status >= "500");
      rows.push({ route, perSecond: count / this.seconds, failed, p50: quantile(0.5, times), p99: quantile(0.99, times) });
    }
    return rows.sort((a, b) => b.perSecond - a.perSecond || a.route.localeCompare(b.route));
  }

  // requests is {perSecond, failed, p50, p99} of the routes for sessions together; failed is of
  // all routes, as the sum of routes() is.
  requests() {
    const perSecond = this.counted(requests, isOfApp) / this.seconds;
    const failed = this.counted(requests, (labels) => labels.status >= "500");
    return { ...this.#times(duration, isOfApp), perSecond, failed };
  }

  roundTrips() {
    return this.#times("rest_sessions_store_round_trip_seconds");
  }

  #times(name, keep) {
    const all = (samples) => histograms(samples, name, undefined, keep).get("") ?? none;
    const grown = since(all(this.now), all(this.before));
    return { perSecond: grown.count / this.seconds, p50: quantile(0.5, grown), p99: quantile(0.99, grown) };
  }
}

const none = { buckets: new Map(), count: 0, sum: 0 };
