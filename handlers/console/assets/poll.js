// Asks again and again, but not while nobody looks.

// Poll calls ask, which returns a promise, every so many seconds (0: only when it is told
// to), one call after the other. paused is called when the page is hidden.
export class Poll {
  #ask;
  #paused;
  #timer = 0;
  #asking = false;
  #again = false;

  constructor(ask, paused) {
    this.#ask = ask;
    this.#paused = paused;
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
    try {
      await this.#ask();
    } finally { // a fault of the page's own must not be its end
      this.#asking = false;
      this.#next();
    }
  }

  #next() {
    const again = this.#again;
    this.#again = false;
    if (again) this.now();
    else if (document.hidden) this.#pause();
    else if (this.seconds > 0) this.#timer = setTimeout(() => this.now(), this.seconds * 1000);
  }

  #pause() {
    clearTimeout(this.#timer);
    this.#paused();
  }
}
