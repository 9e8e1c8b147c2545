// Runs every script's functions, as k6 would in order but one after the other,
// against the real server: no script is dead. Then against servers that lie: no
// check is.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { register } from 'node:module';
import test, { after, before } from 'node:test';

register('./standin/hooks.js', import.meta.url);
const { forget, now, seen } = await import('./standin/state.js');
const { lyingServer, realServer } = await import('./server.js');

const folder = new URL('..', import.meta.url);
const scripts = readdirSync(folder).filter((name) => name.endsWith('.js') && name !== 'session.js');

let real;
before(async () => { real = await realServer(); });
after(() => real.stop());

let run = 0;

/**
 * Runs a script with vus virtual users and some iterations of each scenario.
 * Each virtual user has modules of its own, as in k6.
 */
async function play(name, url, { vus = 3, iterations }) {
  forget();
  globalThis.__ENV = { BASE_URL: url, APP: `k6run${++run}`, SESSIONS: '20', VISITORS: '20' };
  const load = (vu) => import(new URL(`${name}?run=${run}&vu=${vu}`, folder).href);
  const script = await load(0);
  Object.assign(now, { vu: 0, iteration: 0, scenario: '' });
  // What setup returns reaches VUs as JSON.
  const data = script.setup ? JSON.stringify(script.setup()) : 'null';
  for (const [scenario, { exec }] of Object.entries(script.options.scenarios)) {
    for (let i = 0; i < iterations; i++) {
      Object.assign(now, { vu: 1 + i % vus, iteration: i, scenario });
      const vu = await load(now.vu);
      assert.equal(typeof vu[exec], 'function', `${scenario}: exec is ${exec}`);
      vu[exec](JSON.parse(data));
    }
  }
  Object.assign(now, { vu: 0, iteration: 0, scenario: '' });
  if (script.teardown) script.teardown(JSON.parse(data));
  return script;
}

const failedChecks = () => seen.checks.filter((check) => !check.ok).map((check) => check.name);
const count = (name) => seen.requests.filter((request) => request.tags.name === name).length;

const expected = {
  // 20 sessions of setup, and 30 page views.
  'bursts.js': { iterations: 30, requests: { create: 20, get: 300, killall: 1 } },
  // 2 scenarios of 5 lives each.
  'life.js': { iterations: 5, requests: { create: 10, get: 60, set: 20, soid: 10, kill: 10, gone: 10, killall: 1 } },
  // The mix, 3 times; 20 sessions of setup; and logins of VUs that had none to end.
  'web.js': { iterations: 300, requests: { get: 270, set: 18, soid: 3, kill: 3, gone: 3, killall: 1 } },
};

test('every script is known here', () => {
  assert.deepEqual(scripts.sort(), Object.keys(expected));
});

for (const name of scripts) {
  test(`${name} runs and all its checks pass`, async () => {
    const { iterations, requests } = expected[name];
    const script = await play(name, real.url, { iterations });
    assert.deepEqual(failedChecks(), []);
    assert.ok(seen.checks.length > 2 * seen.requests.length, 'each answer is checked');
    for (const [route, n] of Object.entries(requests)) assert.equal(count(route), n, route);
    assert.ok(count('create') >= 10);
    assert.deepEqual(seen.requests.filter((request) => request.status !== 200), []);
    // Nothing is left behind.
    const left = await fetch(`${real.url}/${globalThis.__ENV.APP}/activity?dt=600`);
    assert.deepEqual(await left.json(), { activity: 0 });
    // Functions that a scenario does not name would be dead.
    const used = Object.values(script.options.scenarios).map((scenario) => scenario.exec);
    assert.deepEqual(Object.keys(script).sort(),
      [...new Set([...used, 'options', ...['setup', 'teardown'].filter((f) => script[f])])].sort());
  });

  test(`${name}: each threshold is on something that is measured`, async () => {
    const script = await play(name, real.url, { iterations: 100 });
    const scenarios = Object.keys(script.options.scenarios);
    for (const threshold of Object.keys(script.options.thresholds)) {
      const [, metric, tag, value] = /^(\w+)(?:\{(\w+):(\w+)\})?$/.exec(threshold);
      const found = metric === 'dropped_iterations' // which k6 itself counts
        ? tag === 'scenario' && scenarios.includes(value)
        : seen.samples.some((sample) => sample.metric === metric && (!tag || sample.tags[tag] === value));
      assert.ok(found, threshold);
    }
  });
}

test('lies are found out', async (t) => {
  const found = {
    honest: [],
    'another user': ['get: the session of this user'],
    'a lost write': ['set: the change is in the answer'],
    'a read of old data': ['get: data as written'],
    'a page in HTML': ['get: status 200 and JSON'],
    'a kill of none': ['kill: one was ended'],
    'a session of another in a list': ["soid: all are this user's"],
    'a list without sessions': ['soid: none is missing'],
    'no list': ['soid: none is missing'],
    'not a list': ["soid: all are this user's"],
    'nobody there': ['get: the session of this user'],
    'a session that came back': ['gone: an ended session is not served'],
  };
  for (const [lie, checks] of Object.entries(found)) {
    for (const name of scripts) {
      // A lie about a route that the script does not ask is none to it.
      const told = checks.filter((check) => check.split(':')[0] in expected[name].requests);
      if (checks.length > 0 && told.length === 0) continue;
      await t.test(`${lie}: ${name}`, async () => {
        const liar = await lyingServer(real.url, lie);
        try {
          await play(name, liar.url, { iterations: name === 'web.js' ? 100 : 2 });
        } finally {
          await liar.stop();
        }
        const failed = failedChecks();
        if (told.length === 0) assert.deepEqual(failed, []);
        for (const check of told) assert.ok(failed.includes(check), `${check}, of ${[...new Set(failed)]}`);
        const wrong = seen.samples.filter((sample) => sample.metric === 'wrong_answers' && sample.value === 1);
        assert.equal(wrong.length > 0, told.length > 0, 'the threshold sees it');
      });
    }
  }
});
