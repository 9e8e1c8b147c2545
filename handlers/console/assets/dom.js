// What the page is made of. Text goes in as text alone: nothing here parses HTML.

export const byId = (id) => document.getElementById(id);

// el makes an element with attributes (true: without a value; null, false: not at all) and
// children, which are nodes or texts.
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// say shows a sentence in a place that is read out when it changes. state is good, bad,
// warn or none.
export function say(place, text, state = "") {
  if (place.textContent !== text) place.textContent = text;
  place.dataset.state = state;
}

// button makes a button of a visible word and the rest of its name, which is read out.
export function button(word, rest, onclick, className = "") {
  const b = el("button", { type: "button", class: className || null }, word);
  if (rest) b.append(el("span", { class: "hidden" }, " " + rest));
  b.addEventListener("click", onclick);
  return b;
}

// table makes a table. A cell is a node or a text; rows that are narrow on a small screen
// become blocks, with the title of the column before each cell, so the roles are said.
// A column is {title, number, hint}; hint says more of the title.
export function table(name, columns, rows) {
  const head = columns.map((c) => el("th", { scope: "col", role: "columnheader", class: c.number ? "number" : null, title: c.hint }, c.title));
  const body = rows.map((cells) => el("tr", { role: "row" }, ...cells.map((cell, i) => {
    const column = columns[i];
    return el("td", { role: "cell", "data-title": column.title, class: column.number ? "number" : null }, cell);
  })));
  return el("table", { role: "table", "aria-label": name },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...head)),
    el("tbody", { role: "rowgroup" }, ...body));
}

// facts fills a list of names and values, [name, value, state]; what is no row is left out.
export function facts(place, rows) {
  place.replaceChildren(...rows.filter((row) => row).map(([name, value, state]) =>
    el("div", { "data-state": state }, el("dt", {}, name), el("dd", { class: "number" }, value))));
}
