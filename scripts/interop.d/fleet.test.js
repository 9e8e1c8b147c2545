'use strict';
// Three of our servers and one of redis-sessions on one Redis: clients do anything to
// any of them at once, two of ours are killed by SIGKILL again and again, and the clock
// steps. Each answer, and after each round all that Redis holds, is held against what
// was acknowledged. Then again, shorter, with near reads on two of ours (RS_CACHE). Run by scripts/interop, which starts Redis:
//
//   INTEROP_REDIS_PORT
//   INTEROP_PROGRAM     our server
//   INTEROP_SEED        of what clients do; a random one if it is not set. What is done
//                       is the same again, what meets what is not

const assert = require('node:assert/strict');
const { after, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const clients = require('./clients.js');
const { snapshot, step } = require('./fleet-keys.js');
const { Model } = require('./fleet-model.js');
const { Client, stepUnit, ttls } = require('./fleet-moves.js');
const { settle } = require('./fleet-check.js');
const { flushMs } = require('./fleet-near.js');
const { Server, ours, node } = require('./fleet-servers.js');

const { raw } = clients;
const seed = Number(process.env.INTEROP_SEED || Math.floor(Math.random() * 1e9));
const workers = 24;

// randomOf makes a generator of numbers in [0, 1): mulberry32.
const randomOf = (state) => () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

after(() => clients.end());

// fleet runs one in a namespace of its own; near is RS_CACHE of each of our servers, in ms.
const fleet = async (t, { ns, near, rounds, roundSeconds }) => {
  const client = clients.theirs(ns);
  const servers = near.map((ms) => new Server(process.env.INTEROP_PROGRAM, {
    RS_REDISHOST: '127.0.0.1', RS_REDISPORT: process.env.INTEROP_REDIS_PORT, RS_NAMESPACE: ns, RS_WIPE: 10,
  }, ms));
  t.after(async () => {
    client.quit();
    await Promise.all(servers.map((server) => server.child && server.kill()));
  });
  await Promise.all(servers.map((server) => server.start()));
  assert.deepEqual(await raw('keys', `${ns}:*`), []);
  const m = new Model();
  const hot = near.some((ms) => ms > 0) ? [] : undefined;
  const sides = () => [...servers.map(ours), node(client)];
  const all = Array.from({ length: workers }, (_, i) => new Client(m, randomOf(seed + i), `k${i}`, sides, hot));
  const random = randomOf(seed - 1);
  let kills = 0;

  const killer = async (until) => {
    for (;;) {
      await sleep(100 + random() * 300);
      if (Date.now() > until) return;
      // The first lives, so that its wiper gets its turn.
      const server = servers[1 + Math.floor(random() * 2)];
      await server.kill();
      kills++;
      await server.start();
    }
  };
  const rest = async (what) => {
    await sleep(flushMs(Math.max(...near)));
    settle(m, await snapshot(raw, ns));
    if (m.wrongs.length > 0) assert.fail(`${what}, INTEROP_SEED=${seed}: ${m.wrongs.length} wrong:\n\n${m.wrongs.slice(0, 3).join('\n\n')}`);
  };

  for (let round = 0; round < rounds; round++) {
    const until = Date.now() + roundSeconds * 1000;
    // All come to rest, whatever one of them meets.
    const ended = await Promise.allSettled([killer(until), ...all.map(async (each) => {
      while (Date.now() < until && m.wrongs.length === 0) await each.one();
    })]);
    for (const { reason } of ended) if (reason) m.wrong(reason.stack);
    await rest(`round ${round}`);
    const seconds = stepUnit * (Math.floor(random() * 4) - 1);
    await step(raw, ns, seconds);
    m.step(seconds);
    t.diagnostic(`round ${round}: ${JSON.stringify(m.tally)}, ${m.sessions.size} sessions, ${m.ghosts.size} ghosts, then ${seconds} s pass`);
  }
  assert.ok(kills >= rounds / 2 && m.tally.answered > m.tally.unknown, `${kills} kills, ${JSON.stringify(m.tally)}`);

  t.diagnostic(`${kills} kills, ${m.serials} sessions`);
  const hits = async (server) => Number(/^rest_sessions_cache_hits_total (\d+)/m.exec((await server.request('GET', '/metrics')).text)[1]);
  if (near[0] > 0) {
    const n = await hits(servers[0]);
    assert.ok(n >= 10, `only ${n} reads were near of ${JSON.stringify(m.tally)}`);
    t.diagnostic(`${n} reads were near on the first server alone`);
  }
  return { m, servers, rest };
};

it(`three servers, a Node one, kills and steps of the clock: INTEROP_SEED=${seed}`, { timeout: 120_000 }, async (t) => {
  const ns = 'fleet';
  const { m, servers, rest } = await fleet(t, { ns, near: [0, 0, 0], rounds: 8, roundSeconds: 1.8 });
  // When all is over and wiped, nothing is left but what Node's killall leaves of ids with
  // a colon; and our killsoid takes that.
  const last = stepUnit * Math.ceil((Math.max(...ttls) + 120) / stepUnit);
  await step(raw, ns, last);
  m.step(last);
  for (const until = Date.now() + 20_000; Date.now() < until; await sleep(100)) {
    if ((await raw('zcard', `${ns}:SESSIONS`)) === 0) break;
  }
  await rest('wiped');
  const kept = (await snapshot(raw, ns));
  for (const { app, id } of [...kept.tokens, ...kept.users]) {
    assert.ok(id.includes(':') && m.killedAll.has(app), `left behind: ${app} ${id}`);
    await ours(servers[0]).killsoid(app, id);
  }
  assert.deepEqual(await raw('keys', `${ns}:*`), []);
});

// The first has near reads and lives, the second has them and is killed, the third has none.
it(`the same with near reads: INTEROP_SEED=${seed}`, { timeout: 60_000 }, async (t) => {
  await fleet(t, { ns: 'fleet-near', near: [500, 500, 0], rounds: 3, roundSeconds: 2 });
});
