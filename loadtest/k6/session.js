// The calls of the session API, each with checks of what comes back.
import http from 'k6/http';
import { check } from 'k6';
import { Rate } from 'k6/metrics';

const BASE = (__ENV.BASE_URL || 'http://127.0.0.1:3000').replace(/\/+$/, '');
export const APP = __ENV.APP || 'k6load';
const TTL = 3600;
const IP = '192.0.2.6';
const JSON_TYPE = { 'Content-Type': 'application/json' };

/**
 * The share of answers that were not what they must be. A threshold on k6's own
 * "checks" would weigh a request by how many things are checked of it.
 */
export const wrong = new Rate('wrong_answers');

/**
 * @typedef {{ id: string, r: number, w: number, ttl: number, idle: number, ip: string, d?: Record<string, any> }} Session
 */

/**
 * @param {string} name names the route in metrics: tokens in URLs would make a series each
 * @param {import('k6/http').RefinedResponse<'text'>} response
 * @param {Record<string, (body: any) => boolean>} tests of the body
 * @returns {any} the body, null if it is no JSON or the status is not 200
 */
function judge(name, response, tests) {
  let body = null;
  try {
    if (response.status === 200) body = JSON.parse(response.body);
  } catch (e) {
    // An answer of no JSON fails below.
  }
  /** @type {Record<string, (body: any) => boolean>} */
  const checks = { [`${name}: status 200 and JSON`]: () => body !== null };
  for (const what of Object.keys(tests)) {
    checks[`${name}: ${what}`] = () => {
      try {
        return body !== null && tests[what](body);
      } catch (e) {
        return false; // A test that trips over an answer must not end the iteration uncounted.
      }
    };
  }
  wrong.add(!check(body, checks, { name }));
  return body;
}

/** @param {string} name @returns {any} */
function params(name, headers = {}) {
  return { headers, tags: { name }, responseType: 'text', timeout: '5s' };
}

/** @param {any} a @param {any} b */
const equal = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * Starts a session.
 * @param {string} id of the user
 * @param {Record<string, any>} data
 * @returns {string} its token, '' if there is none
 */
export function create(id, data) {
  const url = `${BASE}/${APP}/create/${encodeURIComponent(id)}?ip=${IP}&ttl=${TTL}`;
  const body = judge('create', http.put(url, JSON.stringify(data), params('create', JSON_TYPE)), {
    'a token': (b) => /^[A-Za-z0-9]{64}$/.test(b.token),
  });
  return (body && body.token) || '';
}

/**
 * What every whole session must be.
 * @param {string} id
 * @returns {Record<string, (s: Session) => boolean>}
 */
function whole(id) {
  return {
    'the session of this user': (s) => s.id === id,
    'ttl and ip as created': (s) => s.ttl === TTL && s.ip === IP,
    'counters above zero': (s) => s.r >= 1 && s.w >= 1 && s.idle >= 0,
  };
}

/**
 * Reads a session that is there.
 * @param {string} token
 * @param {string} id
 * @param {Record<string, any>} data that must be in it; more may be
 * @param {number} [reads] r that must be reached at least
 * @returns {Session | null}
 */
export function get(token, id, data, reads = 1) {
  return judge('get', http.get(`${BASE}/${APP}/get/${token}`, params('get')), {
    ...whole(id),
    'no read lost': (s) => s.r >= reads,
    'data as written': (s) => Object.keys(data).every((key) => equal((s.d || {})[key], data[key])),
  });
}

/**
 * Changes data; null removes a key.
 * @param {string} token
 * @param {string} id
 * @param {Record<string, any>} change
 * @returns {Session | null}
 */
export function set(token, id, change) {
  const response = http.post(`${BASE}/${APP}/set/${token}`, JSON.stringify(change), params('set', JSON_TYPE));
  return judge('set', response, {
    ...whole(id),
    'the change is in the answer': (s) => Object.keys(change).every((key) =>
      change[key] === null ? !(key in (s.d || {})) : equal((s.d || {})[key], change[key])),
  });
}

/**
 * Lists a user's sessions.
 * @param {string} id
 * @param {number} least how many must be there
 */
export function list(id, least) {
  return judge('soid', http.get(`${BASE}/${APP}/soid/${encodeURIComponent(id)}`, params('soid')), {
    'all are this user\'s': (b) => b.sessions.every((/** @type {Session} */ s) => s.id === id),
    'none is missing': (b) => b.sessions.length >= least,
  });
}

/**
 * Ends a session that is there.
 * @param {string} token
 */
export function kill(token) {
  return judge('kill', http.del(`${BASE}/${APP}/kill/${token}`, null, params('kill')), {
    'one was ended': (b) => b.kill === 1,
  });
}

/**
 * Reads a session that was ended.
 * @param {string} token
 */
export function gone(token) {
  return judge('gone', http.get(`${BASE}/${APP}/get/${token}`, params('gone')), {
    'an ended session is not served': (b) => equal(b, {}),
  });
}

/** Ends all sessions of the app: after a run. */
export function clear() {
  return judge('killall', http.del(`${BASE}/${APP}/killall`, null, params('killall')), {
    'a count': (b) => b.kill >= 0,
  });
}
