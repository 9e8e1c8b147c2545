// Asks again and again, but not while nobody looks.

// Poll calls ask every so many seconds (0: never), one call after the other; a call
// returns a promise that does not fail. said hears what it is about to do.
export class Poll {
  #ask;
  #said;
  #timer = 0;
  #asking = false;
  #again = false;

  constructor(ask, said) {
    this.#ask = ask;
    this.#said = said;
    this.seconds = 5;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#pause() : this.now()));
  }

  // now asks at once.
  async now() {
    clearTimeout(this.#timer);
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    await this.#ask();
    this.#asking = false;
    if (this.#again) {
      this.#again = false;
      return this.now();
    }
    if (document.hidden) this.#pause();
    else if (this.seconds > 0) this.#timer = setTimeout(() => this.now(), this.seconds * 1000);
    if (!document.hidden) this.#said(this.seconds > 0 ? "on" : "off");
  }

  #pause() {
    clearTimeout(this.#timer);
    this.#said("paused");
  }
}
