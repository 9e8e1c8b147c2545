// The console: what it knows, and when it asks.

import { ActiveView } from "./active.js";
import { Client, Failure } from "./api.js";
import { byId, el, say } from "./dom.js";
import { clock } from "./format.js";
import { health } from "./health.js";
import { LatestView } from "./latest.js";
import { Poll } from "./poll.js";
import { ServerView } from "./server.js";
import { store, stored } from "./tab.js";
import { UserView } from "./user.js";
import { inWords, rightsInWords } from "./words.js";

const open = new Client(""); // for what needs no key
let client = open;
let app = "";
let rights = null; // what access.json says that the key may do
let again = false; // whether to ask for that again, since there was no answer

const server = new ServerView();
const active = new ActiveView(() => poll.now());
const user = new UserView();
const latest = new LatestView((id) => {
  user.show(id);
  byId("user-title").scrollIntoView();
  byId("user-title").focus();
});

const may = (route) => rights?.may.includes(route) ?? false;

const poll = new Poll(async () => {
  const asked = client;
  const healthy = health(open).then(({ state, text }) => say(byId("health"), text, state));
  const tasks = [
    healthy.then(() => asked === client && may("metrics") && server.poll(asked)), // so that they are not older than it
    may("activity") && app ? active.poll(client, app) : false,
  ];
  const refused = (await Promise.all(tasks)).includes(true);
  if ((refused || again) && asked === client) await access(); // keys that have changed; a server that is back
  else if (byId("health").dataset.state === "good") await Promise.all([user.retry(), latest.retry()]);
  byId("polled").textContent = `as of ${clock(new Date())}`;
}, () => {
  byId("polled").textContent = "paused while hidden";
});

// access asks what the key may do, and opens what it opens.
async function access() {
  const asked = client;
  rights = null;
  again = false;
  try {
    const { text } = await asked.get("console/access.json", app ? { app } : {});
    if (asked !== client) return; // another was entered meanwhile
    rights = JSON.parse(text);
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (asked !== client) return;
    say(byId("access-said"), inWords(failure), "bad");
    if (failure.status === 401) store("key", "");
    again = failure.status === 0 || failure.status >= 500;
    hide(again ? "Shown when the server answers." : failure.status === 404 ? "Not shown." : "This needs a valid key.");
    return;
  }
  const { state, text } = rightsInWords(rights, app);
  say(byId("access-said"), text, state);
  byId("apps").replaceChildren(...(rights.apps ?? []).map((name) => el("option", { value: name })));
  byId("forget").hidden = client.key === "";
  show();
}

function hide(why) {
  for (const view of [server, active, user, latest]) view.hide(why);
}

function show() {
  const locked = rights.key_required && rights.name === undefined;
  const lacks = locked ? "This needs a key." : `The key may not ask for this.`;
  const none = "Name an app above to see its sessions.";
  if (may("metrics")) server.open();
  else server.hide(rights.key_required ? lacks : "The server shows its figures to its own machine alone, since it has no keys.");
  const part = (view, route, open) => {
    if (!may(route)) view.hide(lacks);
    else if (app === "") view.hide(none);
    else open();
  };
  part(active, "activity", () => {});
  part(user, "soid", () => user.open(client, app, may("killsoid")));
  part(latest, "soapp", () => latest.open(client, app));
}

byId("access").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [key, name] = [byId("key").value.trim(), byId("app").value.trim()];
  if (name !== "" && !/^[A-Za-z0-9_-]{3,20}$/.test(name)) {
    say(byId("access-said"), "An app's name is 3 to 20 of A-Z a-z 0-9 _ -.", "bad");
    byId("app").focus();
    return;
  }
  if (!/^[\x21-\x7e]*$/.test(key)) {
    say(byId("access-said"), "A key has no spaces, and only characters of ASCII.", "bad");
    byId("key").focus();
    return;
  }
  await enter(key, name);
});

byId("forget").addEventListener("click", () => {
  byId("key").value = "";
  byId("key").focus();
  enter("", app);
});

async function enter(key, name) {
  client = new Client(key);
  app = name;
  store("key", key);
  store("app", name);
  await access();
  await poll.now();
}

byId("every").addEventListener("change", () => {
  poll.seconds = Number(byId("every").value);
  poll.now();
});

byId("key").value = stored("key");
byId("app").value = stored("app");
enter(stored("key"), stored("app"));
