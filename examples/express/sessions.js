// A middleware for Express: req.visitor is who asks. Errors go to Express, which answers
// with their status; unavailable() makes a 503 of those that know nothing of the session.

import { randomBytes } from 'node:crypto';
import { Client, SessionsUnavailable } from './client.js';

const cookie = 'sid';
const ttl = 30 * 24 * 3600; // seconds without a visit that end a session
const refresh = 60; // seconds without a visit after which the cookie is set anew

export const sessions = (options) => {
  const client = new Client(options);
  return async (req, res, next) => {
    req.visitor = new Visitor(client, req, res);
    await req.visitor.load();
    next();
  };
};

/** A handler of errors, after all routes: nothing is known of the session, and the cookie stays. */
export const unavailable = (err, req, res, next) => {
  if (!(err instanceof SessionsUnavailable)) return next(err);
  console.error(err.message, err.cause ?? '');
  if (!req.visitor.hasNewToken) dropCookie(res);
  res.status(503).set('Retry-After', '5').json({ error: 'try again in a moment' });
};

class Visitor {
  #client;
  #req;
  #res;
  #token;
  #session = null;
  hasNewToken = false; // the old one is dead: the cookie must be set, come what may

  constructor(client, req, res) {
    this.#client = client;
    this.#req = req;
    this.#res = res;
  }

  /** The user who has logged in, or null. */
  get user() { return this.isGuest ? null : this.#session?.id ?? null; }

  get isGuest() { return this.#session?.id.startsWith('guest-') ?? false; }

  /** The session's data, to read. */
  get data() { return this.#session?.d ?? {}; }

  async load() {
    this.#token = readCookie(this.#req);
    if (!this.#token) return;
    this.#session = await this.#client.get(this.#token);
    if (!this.#session) this.#forget();
    else if (this.#session.idle >= refresh) this.#remember(this.#session);
  }

  /**
   * Changes the data: change gets it and returns the keys to set, null to remove one. It is called again
   * if another request was faster. Somebody without session becomes a guest.
   */
  async update(change) {
    for (let tries = 0; tries < 10; tries++) {
      if (!this.#session) {
        const id = `guest-${randomBytes(16).toString('hex')}`;
        const d = change({});
        return this.#begin(await this.#client.create(id, { ip: this.#req.ip, ttl }, d), { id, d, w: 1 });
      }
      const answer = await this.#client.set(this.#token, change(this.data), this.#session.w);
      this.#session = answer?.conflict ?? answer;
      if (answer && !answer.conflict) return;
    }
    throw new SessionsUnavailable('too many requests change this session');
  }

  /** Call it once the password is right. A guest's data stays, another user's does not. */
  async login(user) {
    const options = { ip: this.#req.ip, max_sessions: 10 };
    const old = this.#session && this.#token;
    if (this.isGuest || this.user === user) {
      const made = await this.#client.become(old, user, options);
      if (made) return this.#begin(made, { ...this.#session, id: user });
    }
    const made = await this.#client.create(user, { ...options, ttl });
    if (old) await this.#client.kill(old);
    this.#begin(made, { id: user, d: {}, w: 1 });
  }

  async logout() {
    if (this.#session) await this.#client.kill(this.#token);
    this.#forget();
  }

  async logoutEverywhere() {
    if (this.user === null) return this.logout();
    await this.#client.killUser(this.user);
    this.#forget();
  }

  async devices() {
    const all = await this.#client.sessionsOf(this.user);
    return all.map(({ handle, ip, created, expires, idle }) => ({ handle, ip, created, expires, idle, current: handle === this.#session.handle }));
  }

  /** Ends one of the user's own sessions. */
  endDevice(handle) { return this.#client.killUser(this.user, handle); }

  #begin({ token, ...details }, session) {
    this.#token = token;
    this.#session = { ...session, ...details };
    this.hasNewToken = true;
    this.#remember(details);
  }

  #remember({ expires }) {
    dropCookie(this.#res);
    this.#res.cookie(cookie, this.#token, { ...this.#cookieOptions(), maxAge: Math.max(expires * 1000 - Date.now(), 0) });
  }

  #forget() {
    this.#token = undefined;
    this.#session = null;
    this.hasNewToken = false;
    dropCookie(this.#res);
    this.#res.clearCookie(cookie, this.#cookieOptions());
  }

  #cookieOptions() { return { path: '/', httpOnly: true, sameSite: 'lax', secure: this.#req.secure }; }
}

// dropCookie takes back what was set before in this answer: a cookie is set once.
const dropCookie = (res) => {
  const others = [res.getHeader('Set-Cookie') ?? []].flat().filter((header) => !header.startsWith(`${cookie}=`));
  res.removeHeader('Set-Cookie');
  if (others.length > 0) res.setHeader('Set-Cookie', others);
};

const readCookie = (req) => {
  const found = new RegExp(`(?:^|;)\\s*${cookie}="?([^;"]*)`).exec(req.headers.cookie ?? '');
  return found?.[1].trim();
};
