// A plot of what was seen since the page was opened, by uPlot.

import { clock } from "./format.js";

/* global uPlot */

const mostPoints = 2000; // some three hours at one in 5 s

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Plot draws lines over time into a place. A line is {name, colour: a CSS variable}; show
// makes a text of a value.
export class Plot {
  #place;
  #lines;
  #show;
  #data;
  #plot = null;

  constructor(place, lines, show) {
    this.#place = place;
    this.#lines = lines;
    this.#show = show;
    this.clear();
    place.setAttribute("role", "img");
    new ResizeObserver(() => this.#fit()).observe(place);
    for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
      matchMedia(query).addEventListener("change", () => this.#draw());
    }
  }

  clear() {
    this.#data = [[], ...this.#lines.map(() => [])];
    this.#draw();
  }

  // add takes the values of a moment, in seconds; null is a gap.
  add(at, values) {
    if (at <= (this.#data[0].at(-1) ?? 0)) return;
    [at, ...values].forEach((value, i) => {
      this.#data[i].push(Number.isFinite(value) ? value : null);
      if (this.#data[i].length > mostPoints) this.#data[i].shift();
    });
    if (this.#plot) this.#plot.setData(this.#data);
    else this.#draw();
    this.#describe(values);
  }

  // #describe says in words what is drawn.
  #describe(values) {
    const now = this.#lines.map((line, i) => `${line.name} ${this.#text(values[i])}`).join(", ");
    this.#place.setAttribute("aria-label", `Now: ${now}`);
  }

  #text = (value) => (value === null || value === undefined || Number.isNaN(value) ? "–" : this.#show(value));

  #fit() {
    const width = this.#place.clientWidth;
    if (width === 0) return;
    if (this.#plot) this.#plot.setSize({ width, height: this.#height() });
    else this.#draw();
  }

  #height = () => (innerWidth < 600 ? 130 : 160);

  #draw() {
    this.#plot?.destroy();
    this.#plot = null;
    const width = this.#place.clientWidth;
    if (width === 0) return;
    const axis = { stroke: colour("--muted"), font: "11px system-ui, sans-serif", grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
    this.#plot = new uPlot({
      width,
      height: this.#height(),
      legend: { show: true },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
      axes: [
        { ...axis, space: 80, values: (_, times) => times.map((t) => clock(new Date(t * 1000))) },
        { ...axis, size: 56, values: (_, values) => values.map(this.#text) },
      ],
      series: [
        { label: "at", value: (_, t) => (t === null ? "" : clock(new Date(t * 1000))) },
        ...this.#lines.map((line) => ({
          label: line.name, stroke: colour(line.colour), width: 2, dash: line.dash, points: { show: this.#data[0].length < 3 },
          value: (_, value) => this.#text(value),
        })),
      ],
    }, this.#data, this.#place);
  }
}
