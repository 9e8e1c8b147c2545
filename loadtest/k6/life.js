// A user's life: log in, look at pages, change something, look again, log out.
// First with ever more users at once (ramping-vus: as many as there are, each as
// fast as the server answers, with time to read a page), then with ever more users
// arriving a second, whether the server keeps up or not (ramping-arrival-rate).
//
//   BASE_URL=http://127.0.0.1:3000 k6 run life.js
//
// USERS: most users at once (50); RATE: most lives begun a second (100); each of
// which is about ten requests. P99: longest p99 of a read in ms (50).
import { sleep } from 'k6';
import exec from 'k6/execution';
import { clear, create, get, gone, kill, list, set } from './session.js';

const USERS = Number(__ENV.USERS || 50);
const RATE = Number(__ENV.RATE || 100);
const P99 = Number(__ENV.P99 || 50);

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: {
    more_users: {
      executor: 'ramping-vus',
      exec: 'visit',
      startVUs: 1,
      stages: [
        { duration: '15s', target: USERS },
        { duration: '20s', target: USERS },
        { duration: '5s', target: 0 },
      ],
      gracefulRampDown: '10s',
    },
    more_arrivals: {
      executor: 'ramping-arrival-rate',
      exec: 'life',
      startTime: '50s', // after the other, and what it may take to end
      startRate: 1,
      timeUnit: '1s',
      stages: [
        { duration: '15s', target: RATE },
        { duration: '30s', target: RATE },
      ],
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
  thresholds: {
    'http_req_duration{name:get}': [`p(99)<${P99}`],
    'http_req_duration{name:create}': [`p(99)<${2 * P99}`],
    'http_req_duration{name:set}': [`p(99)<${2 * P99}`],
    http_req_failed: ['rate<0.001'],
    wrong_answers: ['rate==0'],
    // Lives that could not begin: no VU was free, as the server is too slow.
    'dropped_iterations{scenario:more_arrivals}': ['count<10'],
  },
  summaryTrendStats: ['med', 'p(90)', 'p(99)', 'p(99.9)', 'max'],
};

/**
 * One life, with pause seconds between pages.
 * @param {number} pause
 */
function live(pause) {
  // Unique in the test: nobody else touches this user's sessions, so answers are exact.
  const id = `${exec.scenario.name}/${exec.scenario.iterationInTest}`;
  const token = create(id, { name: 'Zoë "Z" Smith', unread: 12 });
  if (!token) return;
  const page = () => {
    if (pause > 0) sleep(pause);
  };
  for (let r = 1; r <= 4; r++) {
    get(token, id, { name: 'Zoë "Z" Smith', unread: 12 }, r);
    page();
  }
  set(token, id, { unread: 11, cart: 'book' });
  get(token, id, { name: 'Zoë "Z" Smith', unread: 11, cart: 'book' }, 5);
  page();
  set(token, id, { cart: null });
  const last = get(token, id, { unread: 11 }, 6);
  list(id, 1);
  kill(token);
  if (last) gone(token);
}

export function visit() {
  live(0.2);
}

export function life() {
  live(0);
}

export function teardown() {
  clear();
}
