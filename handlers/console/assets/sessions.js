// A table of sessions.

import { el, table } from "./dom.js";
import { clock, day, duration, iso, visible, whole, zone } from "./format.js";
import { indent } from "./json.js";

// sessionsTable shows sessions as they were at a time, in Unix seconds. first is the first
// column of each, {title, cell}; last, if there is one, the last.
export function sessionsTable(name, sessions, at, first, last) {
  const hint = `Time in ${zone()}`;
  const columns = [
    { title: first.title }, { title: "IP" }, { title: "Idle" }, { title: "Created", hint }, { title: "Expires", hint },
    { title: "Reads, writes" }, { title: "Data" }, ...(last ? [{ title: last.title }] : []),
  ];
  return table(name, columns, sessions.map((session) => [
    first.cell(session), code(session.ip), duration(session.idle), created(session, at), expires(session, at),
    `${session.reads}, ${session.writes}`, data(session), ...(last ? [last.cell(session)] : []),
  ]));
}

export const code = (text) => el("code", {}, el("bdi", {}, visible(text ?? "")));

function moment(seconds, relation) {
  const date = new Date(seconds * 1000);
  return el("time", { datetime: iso(date), title: iso(date) }, `${day(date)} ${clock(date)} `, el("span", { class: "muted" }, relation));
}

function created(session, at) {
  if (session.created === undefined) return el("span", { class: "muted" }, "unknown");
  return moment(session.created, `${duration(Math.max(0, Math.floor(at - session.created)))} ago`);
}

function expires(session, at) {
  const left = Math.floor(session.expires - at);
  return moment(session.expires, (left > 0 ? `in ${duration(left)}` : "now") + (session.fixedEnd ? ", fixed" : ""));
}

// data shows the data folded: exactly the text that the server sent, or indented.
function data(session) {
  if (session.data === undefined) return el("span", { class: "muted" }, "none");
  const text = el("pre", { tabindex: "0", "aria-label": `Data of a session of ${visible(session.id)}` });
  const pretty = el("button", { type: "button", "aria-pressed": "false" }, "Indent");
  const bytes = new TextEncoder().encode(session.data).length;
  pretty.addEventListener("click", () => {
    const on = pretty.getAttribute("aria-pressed") !== "true";
    pretty.setAttribute("aria-pressed", String(on));
    text.textContent = on ? indent(session.data) : session.data;
  });
  const details = el("details", {}, el("summary", {}, `${whole(bytes)} bytes`), text, pretty);
  details.addEventListener("toggle", () => {
    if (details.open && !text.firstChild) text.textContent = session.data;
  });
  return details;
}
