// The latest sessions of an app.

import { button, byId, el, say } from "./dom.js";
import { clock, count, visible, zone } from "./format.js";
import { sessionsOf } from "./json.js";
import { sessionsTable } from "./sessions.js";
import { inWords } from "./words.js";

const limit = 50; // of a page

export class LatestView {
  #client = null;
  #app = "";
  #dt = "";
  #sessions = [];
  #cursor = undefined;
  #at = 0;
  #failed = false;
  #asked = 0; // counts, so that an answer that comes too late is not shown

  // show calls back with the id of a user that is chosen.
  constructor(show) {
    this.show = show;
    byId("latest").addEventListener("submit", (event) => {
      event.preventDefault();
      this.refresh();
    });
    byId("latest-dt").addEventListener("change", () => this.refresh());
    byId("latest-more").addEventListener("click", () => this.#more());
  }

  hide(why) {
    this.#client = null;
    this.#failed = false;
    this.#asked++;
    byId("latest").hidden = byId("latest-more").hidden = true;
    byId("latest-sessions").replaceChildren();
    say(byId("latest-said"), why);
  }

  open(client, app) {
    this.#client = client;
    this.#app = app;
    byId("latest").hidden = false;
    return this.refresh();
  }

  async refresh() {
    if (!this.#client) return;
    this.#sessions = [];
    this.#cursor = undefined;
    this.#dt = byId("latest-dt").value;
    await this.#ask();
  }

  // retry asks again if the last time there was no answer.
  async retry() {
    if (this.#failed) await this.#ask();
  }

  async #more() {
    const known = this.#sessions.length;
    if (!(await this.#ask())) return;
    // To where the list went on, for the keyboard.
    byId("latest-sessions").querySelectorAll("tbody tr")[known]?.querySelector("button")?.focus();
  }

  // #ask asks for the next page and shows all that there is.
  async #ask() {
    const asked = ++this.#asked;
    const query = { dt: this.#dt, limit, with: "handle,created,expires" };
    if (this.#cursor) query.cursor = this.#cursor;
    byId("latest-sessions").setAttribute("aria-busy", "true");
    this.#failed = false;
    try {
      const { text, at } = await this.#client.get(`${this.#app}/soapp`, query);
      if (asked !== this.#asked) return false;
      const page = sessionsOf(text);
      this.#at = this.#sessions.length === 0 ? at : this.#at;
      this.#sessions = this.#sessions.concat(page.sessions);
      this.#cursor = page.cursor;
    } catch (failure) {
      if (asked !== this.#asked) return false;
      this.#failed = failure.status === 0 || failure.status >= 500;
      say(byId("latest-said"), inWords(failure), "bad");
      return false;
    } finally {
      byId("latest-sessions").removeAttribute("aria-busy");
    }
    this.#render();
    return true;
  }

  #render() {
    const user = { title: "User", cell: (s) => userButton(s.id, this.show) };
    const n = this.#sessions.length;
    byId("latest-sessions").replaceChildren(n ? sessionsTable("Latest sessions", this.#sessions, this.#at, user) : el("p", { class: "muted" }, "No session was active in this time."));
    byId("latest-more").hidden = this.#cursor === undefined;
    say(byId("latest-said"), `${this.#cursor ? "The latest " : ""}${count(n, "session")}${this.#cursor ? "; there are more" : ""}, as of ${clock(new Date(this.#at * 1000))}. ${n ? `Times are in ${zone()}.` : ""}`.trim());
  }
}

function userButton(id, show) {
  const b = button("", "", () => show(id), "link");
  b.append(el("bdi", {}, visible(id)));
  b.setAttribute("aria-label", `${visible(id)}, show this user's sessions`);
  return b;
}
