// The server's figures: what /metrics says.

import { byId, el, facts, say, table } from "./dom.js";
import { History } from "./figures.js";
import { clock, duration, rate, took, whole } from "./format.js";
import { Plot } from "./plot.js";
import { parse } from "./prometheus.js";
import { storeFacts } from "./store.js";
import { inWords, isRefusal } from "./words.js";

export class ServerView {
  #history = new History();
  #rates = new Plot("plot-rate", ["requests/s"], rate, 0.1);
  #times = new Plot("plot-time", ["p50", "p99"], took, 1e-6);
  #at = ""; // when the figures were answered
  #note = ""; // of what the figures are, until a minute is whole

  // hide shows no figures, and why.
  hide(why) {
    byId("server").hidden = true;
    this.#history.clear();
    this.#at = "";
    for (const place of document.querySelectorAll(".window")) place.textContent = "";
    say(byId("server-said"), why);
  }

  // open makes room for the figures.
  open() {
    byId("server").hidden = false;
  }

  // poll asks for the figures and shows them. It reports whether the key was refused.
  async poll(client) {
    let answer;
    try {
      answer = await client.get("metrics");
    } catch (failure) {
      const shown = this.#at ? ` Those shown are as of ${this.#at}.` : "";
      say(byId("server-said"), `No figures: ${inWords(failure)}${shown}`, "bad");
      return isRefusal(failure);
    }
    const at = performance.timeOrigin / 1000 + performance.now() / 1000; // which no clock sets back
    const now = parse(answer.text);
    this.#at = clock(new Date());
    const other = this.#history.add(at, now);
    if (other) {
      this.#note = this.#history.several
        ? "Several servers answer at this address, in turns. The figures are of one at a time: open the console of each by its own address."
        : "The server was started anew, or another one answered: the figures begin again.";
    } else if (this.#history.lastMinute()?.seconds > 30) {
      this.#note = "";
    }
    say(byId("server-said"), this.#note, this.#note ? "warn" : "");
    this.#show(now, at);
    return false;
  }

  #show(now, at) {
    const minute = this.#history.lastMinute();
    const last = this.#history.latest();
    for (const place of document.querySelectorAll(".window")) {
      place.textContent = minute ? `in the last ${duration(Math.round(minute.seconds))}` : "as soon as there are two answers";
    }
    const requests = last?.requests();
    if (requests) {
      this.#rates.add(at, [requests.perSecond]);
      this.#times.add(at, [requests.p50, requests.p99]);
    }
    byId("version").textContent = now.get("rest_sessions_info")?.[0]?.labels.version ?? "";
    facts(byId("tiles"), tiles(minute));
    facts(byId("store"), storeFacts(now, minute));
    byId("routes").replaceChildren(minute ? routesTable(minute) : later());
    byId("errors").replaceChildren(minute ? errorsTable(minute) : later());
    byId("all-figures").replaceChildren(byId("all").open ? allTable(now) : "");
  }
}

const later = () => el("p", { class: "muted" }, "From the second answer on.");

function tiles(minute) {
  const requests = minute?.requests();
  const shown = (text) => (minute ? text() : "–");
  return [
    ["Requests/s", shown(() => rate(requests.perSecond))],
    ["p50", shown(() => took(requests.p50))],
    ["p99", shown(() => took(requests.p99))],
    ["Answers of 5xx", shown(() => whole(requests.failed)), requests?.failed > 0 ? "bad" : ""],
    ["Tokens without a session", shown(() => whole(minute.counted("rest_sessions_misses_total")))],
    ["Refused", shown(() => whole(minute.counted("rest_sessions_refused_total")))],
  ];
}

function routesTable(minute) {
  const rows = minute.routes();
  if (rows.length === 0) return el("p", { class: "muted" }, "No requests.");
  const columns = [{ title: "Route" }, { title: "per s", number: true }, { title: "p50", number: true }, { title: "p99", number: true }, { title: "5xx", number: true }];
  return table("Routes", columns, rows.map((row) => [
    el("code", { title: row.route }, row.route === "none" ? "no route" : row.route.replace(/^\/\{app\}/, "").replace(/\/\{\w+\}$/, "")),
    rate(row.perSecond), took(row.p50), took(row.p99), row.failed ? el("strong", { class: "bad" }, whole(row.failed)) : "0",
  ]));
}

function errorsTable(minute) {
  const rows = [
    ...minute.byLabel("rest_sessions_errors_total", "name"),
    ...minute.byLabel("rest_sessions_refused_total", "reason").map((e) => ({ ...e, label: `refused: ${e.label}` })),
    ...minute.byLabel("rest_sessions_shed_total", "reason").map((e) => ({ ...e, label: `turned away: ${e.label}` })),
  ].filter((row) => row.total > 0).sort((a, b) => b.grown - a.grown || b.total - a.total);
  if (rows.length === 0) return el("p", { class: "muted" }, "None since the server was started.");
  const columns = [{ title: "Name" }, { title: `in ${duration(Math.round(minute.seconds))}`, number: true }, { title: "since the start", number: true }];
  return table("Errors and refusals", columns, rows.map((row) => [
    el("code", {}, row.label), row.grown ? el("strong", {}, whole(row.grown)) : "0", whole(row.total),
  ]));
}

// allTable has each figure of this server that is not 0, but for histograms' buckets; also
// those that a later version has.
function allTable(now) {
  const rows = [...now].filter(([name]) => name.startsWith("rest_sessions_") && !name.endsWith("_bucket")).flatMap(([name, samples]) =>
    samples.filter(({ value }) => value !== 0).map(({ labels, value }) => [
      el("code", {}, name.replace("rest_sessions_", "") + (Object.keys(labels).length ? ` ${Object.entries(labels).map(([k, v]) => `${k}=${v}`).join(" ")}` : "")),
      String(value),
    ]));
  return table("All figures", [{ title: "Figure" }, { title: "Value", number: true }], rows);
}
