// What is wrong, in words.

import { count } from "./format.js";

const server = {
  storeUnavailable: "The store cannot be used now. The server has no answer from it, or it takes no writes.",
  draining: "The server is shutting down.",
  overloaded: "The server has too much to do and turned the request away.",
  tooManyConnections: "The server has too many connections.",
};

// inWords says what came of a request that failed.
export function inWords(failure) {
  const { status, name, message } = failure;
  switch (true) {
    case name === "unreachable":
      return "The server cannot be reached.";
    case name === "noAnswer":
      return `The server does not answer (${message}).`;
    case name === "unaskable":
      return "A browser cannot ask for a user whose id is . or .., since it takes them for directories.";
    case status === 401:
      return "The server knows no such key.";
    case status === 403:
      return `${message}.`;
    case status === 429: {
      const wait = failure.wait ? `Try again in ${count(failure.wait, "second")}.` : "Try again later.";
      return `Too many requests from this address had no valid key. ${wait}`;
    }
    case name in server:
      return server[name];
    case status === 404:
      return "There is no such route: the console is turned off, or a proxy lets it not through.";
    case !name:
      return `The answer was ${status}, and not from rest-sessions.`;
  }
  return `The server answered ${status} ${name}: ${message}.`;
}

// isRefusal reports whether the key is why a request failed: what it may do has changed.
export const isRefusal = (failure) => failure.status === 401 || failure.status === 403;

// rightsInWords says what a key may do in the console: what access.json answered.
export function rightsInWords(rights, app) {
  const may = (route) => rights.may.includes(route);
  if (rights.key_required && rights.name === undefined) {
    return { state: "warn", text: "This server asks for an API key." + (may("metrics") ? " Its figures are open to this machine." : "") };
  }
  const sentences = [];
  if (!rights.key_required) {
    sentences.push("This server needs no key.");
    if (!may("metrics")) sentences.push("Without one, its figures are open to its own machine alone.");
    return { state: "", text: sentences.join(" ") };
  }
  sentences.push(`Key ${rights.name}${rights.role ? ` (${rights.role})` : ""}, for ${apps(rights.apps)}.`);
  const lacks = [];
  if (!may("metrics")) lacks.push("read the server's figures");
  if (app && rights.apps && !rights.apps.includes(app)) {
    sentences.push(`It is not for the app ${app}.`);
  } else {
    if (!may("activity")) lacks.push("count active users");
    if (!may("soapp")) lacks.push("list an app's sessions");
    if (!may("soid")) lacks.push("list a user's sessions");
    if (!may("killsoid")) lacks.push("end sessions");
  }
  if (lacks.length > 0) sentences.push(`It may not ${enumerate(lacks)}.`);
  return { state: sentences.length > 1 ? "warn" : "good", text: sentences.join(" ") };
}

function apps(list) {
  if (!list) return "all apps";
  return list.length === 1 ? `the app ${list[0]}` : `the apps ${list.join(", ")}`;
}

function enumerate(list) {
  return list.length < 2 ? list.join("") : `${list.slice(0, -1).join(", ")} or ${list.at(-1)}`;
}
