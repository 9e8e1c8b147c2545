// A plot of what was seen since the page was opened, by uPlot.

import { byId, el } from "./dom.js";
import { clock } from "./format.js";

/* global uPlot */

const mostPoints = 2000; // some three hours at one in 5 s
const least = 60; // seconds that are shown from the start on
const timeSteps = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400]; // seconds between marks

// Between marks of values: 1, 2, 5, 10 and so on.
const valueSteps = Array.from({ length: 14 }, (_, i) => [1, 2, 5].map((n) => Number(`${n}e${i - 6}`))).flat();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Plot draws lines over time into the figure with an id. A line is {name, number}, its
// colours are --line-1 and so on; show makes a text of a value; step is the
// least between marks, a power of ten from 1e-6 on.
export class Plot {
  #place;
  #key;
  #lines;
  #show;
  #step;
  #data;
  #plot = null;

  constructor(id, lines, show, step) {
    this.#place = byId(id);
    this.#key = byId(id + "-key");
    [this.#lines, this.#show, this.#step] = [lines, show, step];
    this.clear();
    new ResizeObserver(() => this.#fit()).observe(this.#place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  clear() {
    this.#data = [[], ...this.#lines.map(() => [])];
    this.#draw();
    this.#describe();
  }

  // add takes the values of a moment, in seconds; null is a gap.
  add(at, values) {
    if (at <= (this.#data[0].at(-1) ?? 0)) return;
    [at, ...values].forEach((value, i) => {
      this.#data[i].push(Number.isFinite(value) ? value : null);
      if (this.#data[i].length > mostPoints) this.#data[i].shift();
    });
    this.#plot?.setData(this.#data);
    this.#describe();
    const last = this.#lines.map((line, i) => `${line} ${this.#text(this.#data[i + 1].at(-1))}`).join(", ");
    this.#place.setAttribute("aria-label", `Plot over time. Now: ${last}`);
  }

  // #describe writes the values where the pointer is, or the last, beside the names.
  #describe() {
    const at = this.#plot?.cursor.idx ?? this.#data[0].length - 1;
    const time = this.#plot?.cursor.idx == null ? "" : clock(new Date(this.#data[0][at] * 1000));
    this.#key.replaceChildren(time, ...this.#lines.map((line, i) =>
      el("span", { class: `key key-${i + 1}` }, `${line} `, el("b", {}, this.#text(this.#data[i + 1][at])))));
  }

  // #times is from when to when, in seconds: of what there is, but a minute at least.
  #times() {
    const times = this.#data[0];
    const last = times.at(-1) ?? Date.now() / 1000;
    return [Math.min(times[0] ?? last, last - least), last];
  }

  #text = (value) => (value === null || value === undefined ? "–" : this.#show(value));

  #fit() {
    const width = this.#place.clientWidth;
    if (width === 0 || width === this.#plot?.width) return;
    if (this.#plot) this.#plot.setSize({ width, height: this.#place.clientHeight });
    else this.#draw();
  }

  #draw() {
    this.#plot?.destroy();
    this.#plot = null;
    const [width, height] = [this.#place.clientWidth, this.#place.clientHeight];
    if (width === 0) return;
    const axis = { stroke: colour("--muted"), font: "11px system-ui, sans-serif", grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
    const incrs = valueSteps.slice(valueSteps.indexOf(this.#step));
    this.#plot = new uPlot({
      width,
      height,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      padding: [8, 30, 0, 0], // half of the last time, which is centred below its mark
      scales: {
        x: { range: () => this.#times() },
        y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] },
      },
      axes: [
        { ...axis, size: 24, space: 90, incrs: timeSteps, values: (_, times) => times.map((t) => clock(new Date(t * 1000))) },
        { ...axis, size: 56, space: 18, incrs, values: (_, values) => values.map(this.#text) },
      ],
      series: [{}, ...this.#lines.map((line, i) =>
        ({ label: line, stroke: colour(`--line-${i + 1}`), width: 2, dash: i > 0 ? [6, 3] : undefined, points: { size: 4 } }))],
      hooks: { setCursor: [() => this.#describe()] },
    }, this.#data, this.#place);
  }
}
