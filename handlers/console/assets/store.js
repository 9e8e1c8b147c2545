// What the figures say of the store, the load and the process.

import { count, duration, rate, took, whole } from "./format.js";
import { valueOf } from "./prometheus.js";

const day = 86400; // seconds

// storeFacts lists [name, value, state]. What a server does not have is left out: the
// embedded engine has no round trips, Redis no file.
export function storeFacts(now, minute) {
  const value = (name) => valueOf(now, "rest_sessions_" + name);
  const has = (name, row) => (value(name) === undefined ? null : row(value(name)));
  const opened = value("store_circuit_opened_total") ?? 0;
  const times = opened === 0 ? "never was open" : `was opened ${count(opened, "time")}`;
  const trips = minute?.roundTrips();
  return [
    has("store_circuit_open", (open) => ["Circuit", open ? `open: requests fail at once; ${times}` : `closed; ${times}`, open ? "bad" : ""]),
    has("store_writable", (yes) => ["Writes", yes ? "succeed" : "fail, or the store does not answer", yes ? "" : "bad"]),
    has("store_evicts", (yes) => ["Eviction", yes ? "Redis can evict sessions when its memory is short" : "no session can be evicted", yes ? "warn" : ""]),
    trips?.perSecond > 0 && ["Round trips", `${rate(trips.perSecond)}/s, p50 ${took(trips.p50)}, p99 ${took(trips.p99)}`],
    has("embedded_sessions", (n) => ["Sessions in memory", whole(n)]),
    has("data_file_bytes", (n) => ["File of RS_DATA", mebibytes(n)]),
    has("data_commit_failures_total", (n) => ["Commits that failed", whole(n), n > 0 ? "bad" : ""]),
    has("requests_in_flight", (n) => ["Requests in flight", `${whole(n)}, of at most ${whole(value("in_flight_limit") ?? 0)} to the store now`]),
    has("lists_in_flight", (n) => ["Lists in flight", of(n, value("lists_limit"))]),
    has("connections", (n) => ["Connections", of(n, value("connections_limit"))]),
    minute && ["Sessions served", `${rate(minute.counted("rest_sessions_sessions_served_total") / minute.seconds)}/s`],
    has("log_dropped_total", (n) => ["Log lines dropped", whole(n), n > 0 ? "warn" : ""]),
    ...reloads(now),
    ...certificates(now),
    ...process(now),
  ];
}

const of = (n, most) => (most === undefined ? whole(n) : `${whole(n)} of ${whole(most)}`);

const mebibytes = (bytes) => `${whole(bytes / 2 ** 20)} MiB`;

// reloads are those that failed: what was before goes on.
function reloads(now) {
  const failed = (now.get("rest_sessions_last_reload_successful") ?? []).filter(({ value }) => value === 0);
  return failed.map(({ labels }) => [`Reload of ${labels.what}`, "failed: what was before goes on", "warn"]);
}

function certificates(now) {
  return (now.get("rest_sessions_certificate_expiry_timestamp_seconds") ?? []).filter(({ value }) => value > 0).map(({ labels, value }) => {
    const left = value - Date.now() / 1000;
    const state = left < 7 * day ? "bad" : left < 21 * day ? "warn" : "";
    return [`Certificate, ${labels.certificate.replace("_", " ")}`, left > 0 ? `ends in ${duration(Math.floor(left))}` : "has ended", state];
  });
}

function process(now) {
  const start = valueOf(now, "process_start_time_seconds");
  const bytes = valueOf(now, "process_resident_memory_bytes");
  return [
    start !== undefined && ["Up for", duration(Math.max(0, Math.floor(Date.now() / 1000 - start)))],
    bytes !== undefined && ["Memory", mebibytes(bytes)],
  ];
}
