// The active users of an app over time.

import { byId, say } from "./dom.js";
import { whole } from "./format.js";
import { Plot } from "./plot.js";
import { inWords, isRefusal } from "./words.js";

export class ActiveView {
  #plot = new Plot("plot-active", ["active users"], whole, 1);
  #app = "";

  // changed calls back when another length of time is chosen.
  constructor(changed) {
    byId("active-dt").addEventListener("change", () => {
      this.#plot.clear();
      changed();
    });
  }

  hide(why) {
    byId("active").hidden = true;
    this.#app = "";
    say(byId("active-said"), why);
  }

  // poll asks for the count and shows it. It reports whether the key was refused.
  async poll(client, app) {
    if (app !== this.#app) this.#plot.clear();
    this.#app = app;
    const at = Date.now() / 1000;
    const dt = byId("active-dt").value;
    byId("active").hidden = false;
    byId("active-app").textContent = `users of ${app}`;
    try {
      const { text } = await client.get(`${app}/activity`, { dt });
      if (app !== this.#app || dt !== byId("active-dt").value) return false; // an answer that came too late
      const { activity } = JSON.parse(text); // a count
      byId("active-now").textContent = whole(activity);
      this.#plot.add(at, [activity]);
      say(byId("active-said"), "");
      return false;
    } catch (failure) {
      byId("active-now").textContent = "–";
      this.#plot.add(at, [null]);
      say(byId("active-said"), inWords(failure), "bad");
      return isRefusal(failure);
    }
  }
}
