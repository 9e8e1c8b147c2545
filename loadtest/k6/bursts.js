// Page views: each user's browser asks ten times within 200 ms, every 30 s.
//
//   BASE_URL=http://127.0.0.1:3000 VISITORS=3000 DURATION=60s k6 run bursts.js
//
// VISITORS: made first (3000); they make VISITORS / 3 gets a second. 100,000 take several
// machines of k6, which holds all their tokens in each virtual user. DURATION (60s);
// P99: longest p99 of a read in ms (50). r must rise within a page view: behind BASE_URL
// is one server, or none that reads near (RS_CACHE).
import { sleep } from 'k6';
import exec from 'k6/execution';
import { clear, create, get } from './session.js';

const VISITORS = Number(__ENV.VISITORS || 3000);
const P99 = Number(__ENV.P99 || 50);
const GETS = 10;

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: {
    page_views: {
      executor: 'constant-arrival-rate',
      exec: 'view',
      rate: VISITORS,
      timeUnit: '30s',
      duration: __ENV.DURATION || '60s',
      preAllocatedVUs: 50,
      maxVUs: 1000,
    },
  },
  thresholds: {
    'http_req_duration{name:get}': [`p(99)<${P99}`],
    http_req_failed: ['rate<0.001'],
    wrong_answers: ['rate==0'],
    'dropped_iterations{scenario:page_views}': ['count<10'],
  },
  setupTimeout: '600s',
  summaryTrendStats: ['med', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

/** @param {number} i */
const user = (i) => `user ${i}`;

/** @returns {string[]} a token for each user */
export function setup() {
  const tokens = [];
  for (let i = 0; i < VISITORS; i++) {
    const token = create(user(i), { n: i });
    if (!token) exec.test.abort(`no session for ${user(i)}`);
    tokens.push(token);
  }
  return tokens;
}

/** @param {string[]} tokens */
export function view(tokens) {
  const i = exec.scenario.iterationInTest % tokens.length;
  let reads = 1;
  for (let n = 0; n < GETS; n++) {
    if (n > 0) sleep(0.02);
    const session = get(tokens[i], user(i), { n: i }, reads);
    if (session) reads = session.r + 1;
  }
}

export function teardown() {
  clear();
}
