'use strict';
// Three of our servers and one of redis-sessions on one Redis: clients do anything to
// any of them at once, two of ours are killed by SIGKILL again and again, and the clock
// steps. Each answer, and after each round all that Redis holds, is held against what
// was acknowledged. Then again, shorter, with near reads on two of ours (RS_CACHE), while a
// proxy slows, holds and cuts the connections by which they hear of others' changes. Run by
// scripts/interop, which starts Redis:
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
const { clock, leaseMs, lateness } = require('./fleet-near.js');
const { Proxy } = require('./fleet-proxy.js');
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
  const redisPort = Number(process.env.INTEROP_REDIS_PORT);
  const proxy = new Proxy(redisPort);
  await proxy.start();
  const servers = near.map((ms) => new Server(process.env.INTEROP_PROGRAM, {
    RS_REDISHOST: '127.0.0.1', RS_REDISPORT: ms > 0 ? proxy.port : redisPort, RS_NAMESPACE: ns, RS_WIPE: 10,
  }, ms));
  t.after(async () => {
    client.quit();
    proxy.stop();
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
  // What near servers hear of others' changes comes less late than the lease is long, later,
  // not at all; its connection is cut; a server stands still. Between two of these all is well.
  const faults = [
    () => proxy.slow(0.6 * leaseMs, 3 * leaseMs), () => proxy.hold(2.5 * leaseMs), () => cut(),
    () => proxy.slow(1.5 * leaseMs, 3 * leaseMs), () => servers[0].halt(1.5 * leaseMs),
  ];
  let [struck, cuts] = [0, 0];
  const cut = async () => {
    for (let i = 0; i < 4; i++, await sleep(leaseMs / 2)) cuts += proxy.cut();
  };
  const breaker = async (until) => {
    for (;;) {
      await sleep(leaseMs + random() * leaseMs);
      if (Date.now() > until) return;
      await faults[struck++ % faults.length]();
    }
  };
  // reads has all near servers answer reads that they have not counted when it returns.
  const reads = async () => {
    await sleep(leaseMs); // what was broken is mended
    await Promise.all(all.map(async (each) => { for (let i = 0; i < 20; i++) await each.get(); }));
  };
  const rest = async (what, counted = hot && sleep(Math.max(...near) + lateness())) => {
    await counted;
    settle(m, await snapshot(raw, ns));
    if (m.wrongs.length > 0) assert.fail(`${what}, INTEROP_SEED=${seed}: ${m.wrongs.length} wrong:\n\n${m.wrongs.slice(0, 3).join('\n\n')}`);
  };

  for (let round = 0; round < rounds; round++) {
    const until = Date.now() + roundSeconds * 1000;
    // All come to rest, whatever one of them meets.
    const ended = await Promise.allSettled([killer(until), hot && breaker(until), ...all.map(async (each) => {
      while (Date.now() < until && m.wrongs.length === 0) await each.one();
    })]);
    for (const { reason } of ended) if (reason) m.wrong(reason.stack);
    if (hot) await reads();
    await rest(`round ${round}`);
    const seconds = stepUnit * (Math.floor(random() * 4) - 1);
    await step(raw, ns, seconds);
    m.step(seconds);
    t.diagnostic(`round ${round}: ${JSON.stringify(m.tally)}, ${m.sessions.size} sessions, ${m.ghosts.size} ghosts, then ${seconds} s pass`);
  }
  assert.ok(kills >= rounds / 2 && m.tally.answered > m.tally.unknown, `${kills} kills, ${JSON.stringify(m.tally)}`);

  t.diagnostic(`${kills} kills, ${m.serials} sessions`);
  if (hot) {
    const [hits, lost] = [await servers[0].metric('hits_total'), await servers[0].metric('leases_lost_total')];
    const seen = `${hits} reads were near on the first server alone, whose lease was lost ${lost} times by ${struck} faults and ${cuts} cuts; ${m.stale} of all reads found what was before a change; the slowest get took ${Math.round(lateness())} ms`;
    t.diagnostic(seen);
    assert.ok(hits >= 10 && struck >= faults.length && cuts > 0 && lost >= faults.length && m.stale > 0, seen);
    // Who is shut down counts all first.
    await reads();
    await rest('shut down', Promise.all(servers.map((server) => server.stop())));
  }
  return { m, servers, rest };
};

it(`three servers, a Node one, kills and steps of the clock: INTEROP_SEED=${seed}`, { timeout: 300_000 }, async (t) => {
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
it(`the same with near reads: INTEROP_SEED=${seed}`, { timeout: 300_000 }, async (t) => {
  await fleet(t, { ns: 'fleet-near', near: [500, 500, 0], rounds: 3, roundSeconds: 3.2 });
});

// What such a Node server changes is seen as what one of ours does: a message later.
it('near reads hear what a Node server with a cachetime changes', { timeout: 30_000 }, async (t) => {
  const [ns, app, id] = ['fleet-cachetime', 'fleet', 'user'];
  const server = new Server(process.env.INTEROP_PROGRAM, { RS_REDISHOST: '127.0.0.1', RS_REDISPORT: process.env.INTEROP_REDIS_PORT, RS_NAMESPACE: ns }, 10_000);
  const cached = clients.theirs(ns, { cachetime: 600 });
  t.after(async () => {
    cached.quit();
    await server.kill();
  });
  await server.start();
  const get = async (token) => (await ours(server).get(app, token)).answer;
  const changes = {
    set: (token) => cached.set(app, token, { a: 1 }),
    kill: (token) => cached.kill(app, token),
    killsoid: () => cached.killsoid(app, id),
    killall: () => cached.killall(app),
  };
  for (const [name, change] of Object.entries(changes)) {
    const { token } = (await ours(server).create({ app, id, ip: '::1', ttl: 300, d: {} })).answer;
    for (const before = await server.metric('hits_total'); await server.metric('hits_total') === before;) await get(token);
    await change(token);
    for (const changed = clock(); ;) {
      const sent = clock();
      const { w } = await get(token);
      if (w === (name === 'set' ? 2 : undefined)) break;
      assert.ok(sent - changed < leaseMs, `${name} is not seen after ${sent - changed} ms`);
    }
  }
});
