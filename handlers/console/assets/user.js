// The sessions of a user, and what ends them.

import { userPath } from "./api.js";
import { confirmed } from "./confirm.js";
import { button, byId, el, say } from "./dom.js";
import { endAll, endOne, endOthers } from "./ending.js";
import { clock, count, named, visible, zone } from "./format.js";
import { sessionsOf } from "./json.js";
import { code, sessionsTable } from "./sessions.js";
import { inWords } from "./words.js";

const limit = 100; // of a page

export class UserView {
  #client = null;
  #app = "";
  #mayEnd = false;
  #id = "";
  #sessions = [];
  #cursor = undefined;
  #at = 0;
  #failed = false;
  #asked = 0; // counts, so that an answer that comes too late is not shown
  #ending = false;

  constructor() {
    byId("user").addEventListener("submit", (event) => {
      event.preventDefault();
      if (byId("id").value !== "") this.show(byId("id").value);
      else say(byId("user-said"), "Which user? Write the id that the site gave to create.", "warn");
    });
    byId("user-more").addEventListener("click", () => this.#ask(""));
    byId("end-all").addEventListener("click", () => this.#endAll());
  }

  hide(why) {
    this.#client = null;
    this.#clear();
    byId("user").hidden = true;
    say(byId("user-said"), why);
  }

  open(client, app, mayEnd) {
    const same = this.#client && app === this.#app;
    this.#client = client;
    this.#app = app;
    this.#mayEnd = mayEnd;
    byId("user").hidden = false;
    if (same && this.#id) return this.show(this.#id);
    this.#clear();
    say(byId("user-said"), "");
  }

  #clear() {
    this.#asked++;
    this.#failed = false;
    this.#id = "";
    this.#sessions = [];
    byId("user-sessions").replaceChildren();
    byId("user-more").hidden = byId("end-all").hidden = true;
  }

  // show lists a user's sessions. before stands before what is said of them. What is there
  // of the same user stays until there is an answer.
  async show(id, before = "") {
    if (!this.#client) return;
    if (id !== this.#id) this.#clear();
    this.#id = id;
    this.#cursor = undefined;
    byId("id").value = id;
    await this.#ask(before);
  }

  // retry asks again if the last time there was no answer.
  async retry() {
    if (this.#failed && !this.#ending) await this.#ask("");
  }

  // #ask asks for the next page and shows all that there is.
  async #ask(before) {
    const asked = ++this.#asked;
    const query = { limit, with: "handle,created,expires", ...(this.#cursor && { cursor: this.#cursor }) };
    this.#failed = false;
    try {
      const { text, at } = await this.#client.get(userPath(this.#app, "soid", this.#id), query);
      if (asked !== this.#asked) return;
      const page = sessionsOf(text);
      const earlier = query.cursor ? this.#sessions : [];
      const known = new Set(earlier.map((s) => s.handle)); // one that moved meanwhile may come again
      this.#sessions = earlier.concat(page.sessions.filter((s) => !known.has(s.handle)));
      this.#cursor = page.cursor;
      this.#at = at;
    } catch (failure) {
      if (asked !== this.#asked) return;
      this.#failed = failure.name !== "unaskable" && (failure.status === 0 || failure.status >= 500);
      const words = inWords(failure);
      say(byId("user-said"), before.includes(words) ? before : `${before} ${words}`.trim(), "bad");
      return;
    }
    this.#render(before);
  }

  #render(before) {
    const n = this.#sessions.length;
    const handle = { title: "Handle", cell: (s) => code(s.handle) };
    const end = this.#mayEnd ? { title: "End", cell: (s) => this.#buttons(s) } : undefined;
    byId("user-sessions").replaceChildren(n ? sessionsTable(`Sessions of ${named(this.#id)}`, this.#sessions, this.#at, handle, end) : "");
    byId("user-more").hidden = this.#cursor === undefined;
    byId("end-all").hidden = !this.#mayEnd || n === 0;
    const more = this.#cursor === undefined ? "" : "; there are more";
    say(byId("user-said"), `${before} ${named(this.#id)} has ${n ? count(n, "session") + more : "no session"}, as of ${clock(new Date(this.#at * 1000))}. ${n ? `Times are in ${zone()}.` : ""}`.trim());
  }

  #buttons(session) {
    const name = `session ${session.handle}`;
    const one = button("End…", name, () => this.#endOne(session), "danger");
    const others = button("End others…", `but ${name}`, () => this.#endOthers(session), "danger");
    return el("div", { class: "buttons" }, one, this.#sessions.length > 1 ? others : null);
  }

  #endOne(session) {
    const text = `The session ${session.handle} of ${named(this.#id)}, from ${visible(session.ip)}. Who uses it is logged out at once. Its data is lost.`;
    return this.#end("End this session?", text, "End the session", async (client, app, id) =>
      (await endOne(client, app, id, session.handle)) ? "The session has ended." : "The session had ended already.");
  }

  #endOthers(session) {
    const text = `All sessions of ${named(this.#id)} but ${session.handle}, one by one. Sessions that begin meanwhile are left. Their data is lost.`;
    return this.#end("End all other sessions?", text, "End the others", async (client, app, id) => {
      const { kept, ended, begun } = await endOthers(client, app, id, session.handle, (done, all) =>
        say(byId("user-said"), `${done} of ${count(all, "session")}…`));
      if (!kept) return "The session to keep had ended already: no other was ended.";
      return `${count(ended, "session")} ended.` + (begun ? ` ${count(begun, "session")} began meanwhile and ${begun === 1 ? "is" : "are"} left.` : "");
    });
  }

  #endAll() {
    const text = `Every session of ${named(this.#id)}, also one that begins in this moment. The user is logged out everywhere. Their data is lost.`;
    return this.#end("End all sessions of the user?", text, "End all", async (client, app, id) => `${count(await endAll(client, app, id), "session")} ended.`);
  }

  // #end asks, ends, and shows what is left. One thing at a time.
  async #end(title, text, action, act) {
    if (this.#ending) return;
    this.#ending = true;
    try {
      const [client, app, id] = [this.#client, this.#app, this.#id];
      if (!(await confirmed(title, text, action))) return;
      let said;
      try {
        said = await act(client, app, id);
      } catch (failure) {
        said = `${inWords(failure)} ${failure.status === 503 || failure.status === 0 ? "What was to end may have ended or not." : ""}`.trim();
      }
      if (id !== this.#id || !this.#client) return; // another user was chosen meanwhile
      await this.show(id, said);
      byId("user-title").focus(); // the button is gone
    } finally {
      this.#ending = false;
    }
  }
}
