// JSON as it was sent. JSON.parse would make doubles of its numbers, and 9007199254740993
// is none; it would also lose how a text was written. Here a value keeps its place in the text.

// parse returns the value of a JSON text, of which the server has checked the form:
// {kind, start, end} with members ([name, value, the name's own place]) or items, and text, decoded, of a string.
export function parse(json) {
  const [value] = parseValue(json, skip(json, 0));
  return value;
}

function parseValue(json, start) {
  switch (json[start]) {
    case "{":
      return parseList(json, start, "object", "}");
    case "[":
      return parseList(json, start, "array", "]");
    case '"': {
      const end = stringEnd(json, start);
      return [{ kind: "string", start, end, text: JSON.parse(json.slice(start, end)) }, end];
    }
  }
  let end = start;
  while (end < json.length && !/[\s,\]}]/.test(json[end])) end++;
  if (end === start) throw new SyntaxError(`no JSON at ${start}`);
  return [{ kind: "plain", start, end, text: json.slice(start, end) }, end];
}

function parseList(json, start, kind, close) {
  const list = { kind, start, end: 0, members: [], items: [] };
  let at = skip(json, start + 1);
  while (json[at] !== close) {
    if (at >= json.length) throw new SyntaxError("the JSON ends too early");
    let name, value;
    if (kind === "object") {
      [name, at] = parseValue(json, at);
      at = skip(json, skip(json, at) + 1); // past the colon
    }
    [value, at] = parseValue(json, at);
    if (kind === "object") list.members.push([name.text, value, name]);
    else list.items.push(value);
    at = skip(json, at);
    if (json[at] === ",") at = skip(json, at + 1);
  }
  list.end = at + 1;
  return [list, list.end];
}

function stringEnd(json, start) {
  for (let at = start + 1; at < json.length; at++) {
    if (json[at] === "\\") at++;
    else if (json[at] === '"') return at + 1;
  }
  throw new SyntaxError("the JSON ends in a string");
}

function skip(json, at) {
  while (at < json.length && " \t\n\r".includes(json[at])) at++;
  return at;
}

// indent writes a JSON text with a line a member, and everything else as it is.
export function indent(json) {
  const write = (value, margin) => {
    const inner = margin + "  ";
    const lines = value.kind === "object"
      ? value.members.map(([, member, name]) => `${inner}${json.slice(name.start, name.end)}: ${write(member, inner)}`)
      : value.items?.map((item) => inner + write(item, inner));
    if (!lines?.length) return json.slice(value.start, value.end);
    const [open, close] = value.kind === "object" ? "{}" : "[]";
    return `${open}\n${lines.join(",\n")}\n${margin}${close}`;
  };
  return write(parse(json), "");
}

// sessionsOf reads the answer to soapp and soid: {sessions, cursor}. Counters stay texts;
// data is the text of d, undefined if there is none.
export function sessionsOf(json) {
  const answer = Object.fromEntries(parse(json).members);
  const sessions = answer.sessions.items.map((item) => {
    const member = Object.fromEntries(item.members);
    const text = (name) => member[name]?.text;
    const number = (name) => (member[name] ? Number(member[name].text) : undefined);
    return {
      id: text("id"), ip: text("ip"), handle: text("handle"), reads: text("r"), writes: text("w"), fixedEnd: text("no_resave") === "true",
      ttl: number("ttl"), idle: number("idle"), created: number("created"), expires: number("expires"),
      data: member.d && json.slice(member.d.start, member.d.end),
    };
  });
  return { sessions, cursor: answer.cursor?.text };
}
