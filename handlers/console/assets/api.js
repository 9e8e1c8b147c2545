// How the server is asked, and what can come of it.

// The console's files are in console/, beside the server's routes.
const base = new URL("../", import.meta.url);
const timeout = 15_000; // ms
const endTimeout = 120_000; // of what takes as long as there are sessions

// Failure is an answer that is an error, or none. status is 0 when there was no answer;
// name is that of the error's body; wait is how many seconds to wait, if the server said.
export class Failure extends Error {
  constructor(status, name, message, wait = 0) {
    super(message);
    Object.assign(this, { status, name, wait });
  }
}

// Client asks with a key, "" for none.
export class Client {
  constructor(key) {
    this.key = key;
  }

  // get returns the text of an answer and, in Unix seconds, when the server gave it.
  get(path, query) {
    return this.#ask("GET", path, query, timeout);
  }

  // end asks for something to be ended.
  end(path, query) {
    return this.#ask("DELETE", path, query, endTimeout);
  }

  async #ask(method, path, query, wait) {
    const url = new URL(path, base);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const headers = this.key ? { Authorization: "Bearer " + this.key } : {};
    let response, text;
    try {
      response = await fetch(url, { method, headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(wait) });
      text = await response.text();
    } catch (error) {
      const late = error.name === "TimeoutError";
      throw new Failure(0, late ? "noAnswer" : "unreachable", late ? `no answer in ${wait / 1000} s` : String(error.message));
    }
    if (!response.ok) throw failure(response, text);
    const date = Date.parse(response.headers.get("Date") ?? "");
    return { text, at: (Number.isNaN(date) ? Date.now() : date) / 1000 };
  }
}

function failure(response, text) {
  let body = {};
  try {
    body = JSON.parse(text); // an error's own texts, nothing of a session
  } catch {
    // a proxy's answer
  }
  const wait = Number(response.headers.get("Retry-After"));
  return new Failure(response.status, body?.name ?? "", body?.message ?? "", wait || 0);
}

// userPath is the path of a route for a user. A browser makes another path of one with the
// segment . or .., however it is escaped.
export function userPath(app, verb, id) {
  if (id === "." || id === "..") throw new Failure(0, "unaskable", "");
  return `${app}/${verb}/${encodeURIComponent(id)}`;
}
