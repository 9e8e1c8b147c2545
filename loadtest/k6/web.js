// The web mix at a constant arrival rate: 90 get, 6 set, 2 create, 1 kill and 1
// soid of 100 requests, on sessions that are made first.
//
//   BASE_URL=http://127.0.0.1:3000 RATE=1000 DURATION=30s k6 run web.js
//
// RATE: requests a second (500); DURATION (30s); SESSIONS made first (1000);
// P99: longest p99 of a read in ms (50).
import exec from 'k6/execution';
import { clear, create, get, gone, kill, list, set } from './session.js';

const RATE = Number(__ENV.RATE || 500);
const SESSIONS = Number(__ENV.SESSIONS || 1000);
const P99 = Number(__ENV.P99 || 50);

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: {
    web: {
      executor: 'constant-arrival-rate',
      exec: 'web',
      rate: RATE,
      timeUnit: '1s',
      duration: __ENV.DURATION || '30s',
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
  thresholds: {
    'http_req_duration{name:get}': [`p(99)<${P99}`],
    'http_req_duration{name:set}': [`p(99)<${2 * P99}`],
    'http_req_duration{name:soid}': [`p(99)<${2 * P99}`],
    http_req_failed: ['rate<0.001'],
    wrong_answers: ['rate==0'],
    'dropped_iterations{scenario:web}': ['count<10'],
  },
  setupTimeout: '120s',
  summaryTrendStats: ['med', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

/** @typedef {{ id: string, token: string, n: number }} Known */

/** @returns {{ sessions: Known[] }} */
export function setup() {
  const sessions = [];
  for (let i = 0; i < SESSIONS; i++) {
    const id = `user ${i}`;
    const token = create(id, { n: i });
    if (token) sessions.push({ id, token, n: i });
  }
  if (sessions.length === 0) exec.test.abort('no session could be made');
  return { sessions };
}

// VUs share nothing, so each knows for certain only what it did itself: the
// sessions that it made, which it alone ends, and its own key in those of setup.
/** @type {Known[]} */
const mine = [];
/** @type {Record<string, number>} */
const written = {};
let count = 0;

/** @param {{ sessions: Known[] }} data */
export function web(data) {
  const { id, token, n } = data.sessions[Math.floor(Math.random() * data.sessions.length)];
  const key = `vu${exec.vu.idInTest}`;
  // By number of the iteration and not by chance: a short run has the mix, too.
  const turn = exec.scenario.iterationInTest % 100;
  count++;
  if (turn < 90) {
    get(token, id, token in written ? { n, [key]: written[token] } : { n });
  } else if (turn < 96) {
    if (set(token, id, { [key]: count })) written[token] = count;
    else delete written[token];
  } else if (turn < 98) {
    login();
  } else if (turn < 99) {
    // One that has none to end makes one first.
    if (mine.length === 0) login();
    const session = mine.pop();
    if (session && kill(session.token)) gone(session.token);
  } else {
    list(id, 1);
  }
}

function login() {
  const id = `vu ${exec.vu.idInTest}, ${count}`;
  const token = create(id, { n: -1 });
  if (token) mine.push({ id, token, n: -1 });
}

export function teardown() {
  clear();
}
