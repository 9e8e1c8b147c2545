// A client of rest-sessions for any framework. It tells three things apart: the session,
// null (there is no such session), and an error (nothing is known of it).

const isToken = (text) => /^[A-Za-z0-9]{64}$/.test(text);

/** Nothing is known of the session now: answer 503 and leave the visitor's cookie alone. */
export class SessionsUnavailable extends Error {
  name = 'SessionsUnavailable';
  status = 503;
}

/** rest-sessions refuses what it was asked, for instance data that is too large. */
export class SessionsRefused extends Error {
  name = 'SessionsRefused';

  constructor(status, answer) {
    super(`rest-sessions: ${answer.name}: ${answer.message}`);
    Object.assign(this, { status, answer });
  }
}

export class Client {
  #base;
  #headers;
  #timeout;

  /** timeout is in milliseconds. */
  constructor({ app, url = 'http://127.0.0.1:3000', key, timeout = 2000 }) {
    this.#base = `${url}/${app}`;
    this.#headers = key ? { Authorization: `Bearer ${key}` } : {};
    this.#timeout = timeout;
  }

  /** Returns the session {id, r, w, ttl, idle, ip, handle, expires, d}, or null. Counts as activity. */
  async get(token) {
    if (!isToken(token)) return null;
    return this.#session('GET', '/get/-', { token });
  }

  /** Starts a session and returns {token, handle, expires}. options: ip, ttl, max_age, max_sessions. */
  async create(id, options, data = {}) {
    const answer = await this.#call('PUT', `/create/${segment(id)}`, { query: { ...options, with: 'handle,expires' }, data });
    return is(answer, 'token');
  }

  /**
   * Merges changes into the data, null removes a key, and returns the session, or null. With w, only
   * if nobody has written since w was read; else {conflict: the session as it is}.
   */
  async set(token, changes, w) {
    try {
      return await this.#session('POST', '/set/-', { token, query: w && { if_w: w }, data: changes });
    } catch (err) {
      if (err.status === 409) return { conflict: is(err.answer.session, 'id') };
      throw err;
    }
  }

  /** Makes the session that of the user id and returns {token, handle, expires}, or null. The old token is dead. */
  async become(token, id, options) {
    const answer = await this.#call('POST', '/rotate/-', { token, query: { ...options, id, with: 'handle,expires' } });
    return isNone(answer) ? null : is(answer, 'token');
  }

  async kill(token) {
    return is(await this.#call('DELETE', '/kill/-', { token }), 'kill').kill;
  }

  /** Ends all sessions of a user, or the one with a handle, and returns how many. */
  async killUser(id, handle) {
    const query = handle === undefined ? {} : { handle };
    return is(await this.#call('DELETE', `/killsoid/${segment(id)}`, { query }), 'kill').kill;
  }

  async sessionsOf(id) {
    const query = { with: 'handle,created,expires' };
    return is(await this.#call('GET', `/soid/${segment(id)}`, { query }), 'sessions').sessions;
  }

  async #session(method, path, { query, ...rest }) {
    const answer = await this.#call(method, path, { query: { ...query, with: 'handle,expires' }, ...rest });
    return isNone(answer) ? null : is(answer, 'id');
  }

  async #call(method, path, { token, query = {}, data }) {
    const headers = { ...this.#headers };
    if (token) headers['X-Session-Token'] = token;
    if (data) headers['Content-Type'] = 'application/json';
    const body = data && JSON.stringify(data);
    let status, answer;
    try {
      const signal = AbortSignal.timeout(this.#timeout);
      const response = await fetch(`${this.#base}${path}?${new URLSearchParams(query)}`, { method, headers, body, signal, redirect: 'error' });
      status = response.status;
      answer = await response.json();
    } catch (cause) {
      throw new SessionsUnavailable(`rest-sessions: ${method} ${path}: no answer`, { cause });
    }
    if ([400, 409, 413].includes(status) && answer?.name) throw new SessionsRefused(status, answer);
    if (status !== 200) throw new SessionsUnavailable(`rest-sessions: ${method} ${path}: ${status} ${answer?.name}`);
    return answer;
  }
}

// fetch takes . and .. for directories, even if they are encoded.
const segment = (id) => {
  if (id === '.' || id === '..') throw new SessionsRefused(400, { name: 'invalidValue', message: `fetch cannot ask for the user ${id}` });
  return encodeURIComponent(id);
};

// A page of a proxy or a half answer must not pass for "no session".
const isNone = (answer) => answer !== null && typeof answer === 'object' && !Array.isArray(answer) && Object.keys(answer).length === 0;
const is = (answer, member) => {
  if (answer?.[member] === undefined) throw new SessionsUnavailable('rest-sessions: a strange answer');
  return answer;
};
