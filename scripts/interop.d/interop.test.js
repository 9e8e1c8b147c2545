'use strict';
// Our server and redis-sessions 3.0.0 on one Redis: each must see, change, list,
// keep and clean up the sessions of the other. Run by scripts/interop, which
// starts Redis and three of our servers:
//
//   INTEROP_REDIS_PORT
//   INTEROP_PORT              namespace interop, our wiper on: with Node's, below
//   INTEROP_OUR_WIPER_PORT    namespace interop-ours, our wiper on, no other
//   INTEROP_NODE_WIPER_PORT   namespace interop-node, our wiper off
//
// The tests run at once, since most of their time is waiting; each has apps of
// its own. In the namespace interop wipers of both kinds run throughout, so any
// test there fails if one ends a live session.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const clients = require('./clients.js');

const { raw } = clients;
const ns = 'interop';
const go = clients.ours(process.env.INTEROP_PORT);
const node = clients.theirs(ns, { wipe: 10 });
const sides = [go, node];
const pairs = [[go, node], [node, go]];
const timers = [];

// Everything that a path, a key's name or JSON could trip over.
const ids = [
  'user123', 'a b', 'a:b:c', ':', 'a/b', '100%', '%2F', '+', 'a+b c', '..', '.', 'max@example.org',
  '🦊', 'Zoë ✓ 日本語', '"quoted"', "it's", 'back\\slash', '?q=1&x=2#top', '{a.1}', '*', '[a]', '<b>', '\t',
  '_users', 'us:x', 'x'.repeat(128),
];

const data = {
  text: 'Peter', empty: '', int: 12, zero: 0, negative: -7, half: 0.5, tiny: 1e-7, huge: 1e21, yes: true, no: false,
  'key "with" quotes': 'va"l\\ue', 'line\nbreak': 'a\r\n\tb\u0000\u001f\u007f', 'ünï → 🦊': '日本語 🦊 \u2028\u2029',
  '': 'empty key', 'a,b:c}': '","x":1}', '<tag>&': '</script>&amp;', 10: 'number-like key', slash: 'a/b',
};

// now returns Redis' clock in seconds with a fraction.
const now = async () => {
  const [seconds, micros] = await raw('time');
  return Number(seconds) + Number(micros) / 1e6;
};

// until waits for a time of that clock.
const until = async (time) => {
  for (let t = await now(); t < time; t = await now()) await sleep((time - t) * 1000 + 1);
};

// nextSecond waits for the next second, or the next that is a multiple of n, to
// begin, and returns it.
const nextSecond = async (n = 1) => {
  const second = (Math.floor((await now()) / n) + 1) * n;
  await until(second);
  return second;
};

// eventually calls f until it returns true.
const eventually = async (what, seconds, f) => {
  const deadline = Date.now() + seconds * 1000;
  while (!(await f())) {
    assert.ok(Date.now() < deadline, `not within ${seconds} s: ${what}`);
    await sleep(50);
  }
};

// steady is a session without what moves by itself: idle, and ttl with no_resave.
const steady = ({ idle, ttl, ...rest }) => (rest.no_resave ? rest : { ttl, ...rest });

// same asserts that two views of a session agree. A second may begin between them;
// since, in milliseconds, is when the first was taken, in case this machine stalls.
const same = (a, b, what, since) => {
  assert.deepEqual(steady(a), steady(b), what);
  const slack = 1 + Math.floor((Date.now() - since) / 1000);
  assert.ok(Math.abs(a.idle - b.idle) <= slack, `${what}: idle ${a.idle} and ${b.idle}`);
  // A no_resave session that is read one second after the last touch loses that
  // second twice in Node.
  assert.ok(Math.abs(a.ttl - b.ttl) <= 3 * slack, `${what}: ttl ${a.ttl} and ${b.ttl}`);
};

// sameList asserts that two lists hold the same sessions, in any order. The tests
// give each session an ip of its own.
const sameList = (a, b, what, since) => {
  const order = (x, y) => (x.ip < y.ip ? -1 : 1);
  assert.equal(a.length, b.length, `${what}: ${a.length} and ${b.length} sessions`);
  const sorted = [[...a].sort(order), [...b].sort(order)];
  sorted[0].forEach((session, i) => same(session, sorted[1][i], what, since));
};

// sameEverywhere asserts that all lists of an app agree, and returns soapp's.
const sameEverywhere = async (app, users, what) => {
  assert.equal(await go.activity(app, 600), await node.activity(app, 600), `${what}: activity`);
  let since = Date.now();
  for (const id of users) sameList(await go.soid(app, id), await node.soid(app, id), `${what}: soid ${id}`, since);
  since = Date.now();
  const all = await go.soapp(app, 600);
  sameList(all, await node.soapp(app, 600), `${what}: soapp`, since);
  return all;
};

// keysOf returns all traces of an app in Redis.
const keysOf = async (namespace, app) => {
  const due = await raw('zrange', `${namespace}:SESSIONS`, 0, -1);
  return [...await raw('keys', `${namespace}:${app}:*`), ...due.filter((member) => member.startsWith(`${app}:`))];
};

const ownIP = (i) => `10.0.${i >> 8}.${i & 255}`;

describe('our server and redis-sessions on one Redis', { concurrency: 32, timeout: 300_000 }, () => {
  before(async () => {
    for (const port of ['INTEROP_PORT', 'INTEROP_OUR_WIPER_PORT', 'INTEROP_NODE_WIPER_PORT']) {
      const server = clients.ours(process.env[port]);
      await eventually(`${port} is ready`, 60, () => server.ready().catch(() => false));
    }
    // Beside its own timer of 10 s, Node's wiper runs twice a second: whatever
    // it would ever end too early, it ends here.
    timers.push(setInterval(node.wipe, 500));
  });

  after(() => {
    timers.forEach(clearInterval);
    node.quit();
    clients.end();
  });

  // redis-sessions refuses to write such values, but not to read and keep them.
  it('nested values that our server wrote are read and kept by Node', async () => {
    const nested = { cart: { items: [{ sku: 'a"]}', n: 1 }, [], null], empty: {} }, list: [1, [2, [3, []]]], flat: 1 };
    const since = Date.now();
    const token = await go.create({ app: 'nested', id: 'x', ip: '::1', d: { cart: nested.cart } });
    const want = { id: 'x', r: 1, w: 2, ttl: 7200, idle: 0, ip: '::1', d: nested };
    same(await go.set('nested', token, { list: nested.list, flat: 1 }), want, 'set', since);
    same(await node.get('nested', token), want, 'get by Node', since);
    sameList(await node.soid('nested', 'x'), [{ ...want, r: 2 }], 'soid by Node', since);
    const changed = { ...nested, flat: 2, more: 'x' };
    assert.deepEqual((await node.set('nested', token, { flat: 2, more: 'x' })).d, changed, 'Node changes another key');
    assert.deepEqual((await go.get('nested', token)).d, changed, 'after it');
    const { cart, ...rest } = changed;
    assert.deepEqual((await node.set('nested', token, { cart: null })).d, rest, 'Node removes one');
    rest.list = { a: [{}] };
    assert.deepEqual((await go.set('nested', token, { list: rest.list })).d, rest, 'ours replaces one that Node wrote');
    assert.deepEqual((await node.get('nested', token)).d, rest);
  });

  for (const [a, b] of pairs) {
    const app = (name) => `${name}-${a.name}`;

    it(`created by ${a.name}: both see every field, for any id`, async () => {
      for (const [i, id] of ids.entries()) {
        for (const no_resave of [false, true]) {
          for (const d of [undefined, data]) {
            const what = `${JSON.stringify(id)} no_resave=${no_resave} d=${d !== undefined}`;
            const ip = i % 2 ? ownIP(i) : '2001:db8::7334';
            const since = Date.now();
            const token = await a.create({ app: app('fields'), id, ip, ttl: 1000, no_resave, d });
            assert.match(token, /^[A-Za-z0-9]{64}$/, what);
            const want = { id, r: 1, w: 1, ttl: 1000, idle: 0, ip };
            if (no_resave) want.no_resave = true;
            if (d) want.d = d;
            same(await b.get(app('fields'), token), want, `${b.name}'s get: ${what}`, since);
            same(await a.get(app('fields'), token), { ...want, r: 2 }, `${a.name}'s get: ${what}`, since);
            for (const side of sides) {
              sameList(await side.soid(app('fields'), id), [{ ...want, r: 3 }], `${side.name}'s soid: ${what}`, since);
            }
            // The killer is the other one, and nothing may remain.
            assert.equal(await b.kill(app('fields'), token), 1, what);
            assert.equal(await a.kill(app('fields'), token), 0, what);
            for (const side of sides) {
              assert.deepEqual(await side.get(app('fields'), token), {}, what);
              assert.deepEqual(await side.set(app('fields'), token, { a: 1 }), {}, what);
              assert.deepEqual(await side.soid(app('fields'), id), [], what);
            }
            assert.deepEqual(await keysOf(ns, app('fields')), [], what);
          }
        }
      }
    });

    it(`ttl left out by ${a.name}: 7200 for both`, async () => {
      const token = await a.create({ app: app('ttl'), id: 'x', ip: '::1' });
      assert.equal((await a.get(app('ttl'), token)).ttl, 7200);
      assert.equal((await b.get(app('ttl'), token)).ttl, 7200);
    });

    it(`data set by ${a.name} is changed by ${b.name}, and the other way round`, async () => {
      const since = Date.now();
      const token = await a.create({ app: app('data'), id: 'x', ip: '::1', d: { first: 1 } });
      const want = { first: 1, ...data };
      same(await a.set(app('data'), token, data), { id: 'x', r: 1, w: 2, ttl: 7200, idle: 0, ip: '::1', d: want }, 'set', since);
      assert.deepEqual((await b.get(app('data'), token)).d, want);

      // Each key in turn is replaced or removed by the side that did not write it.
      const keys = Object.keys(data);
      for (const [i, key] of keys.entries()) {
        const change = { [key]: i % 2 ? null : `new ${key}`, [`by ${b.name}`]: i };
        Object.assign(want, change);
        if (i % 2) delete want[key];
        assert.deepEqual((await b.set(app('data'), token, change)).d, want, `${b.name} sets ${JSON.stringify(change)}`);
        assert.deepEqual((await a.get(app('data'), token)).d, want, `${a.name} gets after ${JSON.stringify(change)}`);
      }

      // With the last key gone there is no d at all.
      const none = Object.fromEntries(Object.keys(want).map((key) => [key, null]));
      assert.ok(!('d' in await a.set(app('data'), token, none)));
      assert.ok(!('d' in await b.get(app('data'), token)));
      assert.deepEqual((await b.set(app('data'), token, { again: true })).d, { again: true });
      assert.deepEqual((await a.get(app('data'), token)).d, { again: true });
    });

    it(`killsoid by ${b.name} of sessions by both`, async () => {
      for (const id of ids) {
        const name = app('killsoid');
        for (const side of [a, a, b]) await side.create({ app: name, id, ip: '::1' });
        const other = await a.create({ app: name, id: 'stays', ip: '::1' });
        assert.equal(await b.killsoid(name, id), 3, id);
        assert.equal(await a.killsoid(name, id), 0, id);
        for (const side of sides) {
          assert.deepEqual(await side.soid(name, id), [], id);
          assert.equal(await side.activity(name, 600), 1, id);
          assert.equal((await side.soapp(name, 600)).length, 1, id);
        }
        assert.equal(await b.kill(name, other), 1);
        assert.deepEqual(await keysOf(ns, name), [], id);
      }
    });

    it(`killall by ${a.name} of sessions by both`, async () => {
      const name = app('killall');
      // Node's killall leaves the user's set and activity of an id with a colon
      // behind, so those are tried apart.
      const plain = a === node ? ids.filter((id) => !id.includes(':')) : ids;
      const made = [];
      for (const id of plain) for (const side of sides) made.push(await side.create({ app: name, id, ip: '::1' }));
      assert.equal(await a.killall(name), made.length);
      assert.equal(await b.killall(name), 0);
      for (const side of sides) {
        for (const token of made) assert.deepEqual(await side.get(name, token), {});
        assert.equal(await side.activity(name, 600), 0);
      }
      assert.deepEqual(await keysOf(ns, name), []);
    });
  }

  it("killall by Node of ids with colons: no such session for us either", async () => {
    const made = [];
    for (const side of sides) for (const id of ['a:b', ':', 'a:']) made.push([id, await side.create({ app: 'colons', id, ip: '::1' })]);
    assert.equal(await node.killall('colons'), made.length);
    for (const [id, token] of made) {
      assert.deepEqual(await go.get('colons', token), {});
      assert.deepEqual(await go.soid('colons', id), []);
      assert.equal(await go.killsoid('colons', id), 0);
    }
    assert.deepEqual(await go.soapp('colons', 600), []);
    assert.deepEqual(await keysOf(ns, 'colons'), [], 'our killsoid takes what was left behind');
  });

  it('counters move together', async () => {
    for (const side of sides) {
      const token = await side.create({ app: 'counters', id: 'x', ip: '::1' });
      let [r, w] = [1, 1];
      for (const reader of [go, node, node, go, go, node]) {
        assert.equal((await reader.get('counters', token)).r, r++, `${reader.name} reads`);
        for (const writer of sides) {
          const session = await writer.set('counters', token, { r, w });
          assert.deepEqual([session.r, session.w], [r, ++w], `${writer.name} sets`);
        }
      }
      // Many at once: every read counts, on whichever side.
      await Promise.all(Array.from({ length: 100 }, (_, i) => sides[i % 2].get('counters', token)));
      r += 100;
      for (const reader of sides) {
        const session = await reader.get('counters', token);
        assert.deepEqual([session.r, session.w], [r++, w]);
      }
    }
  });

  it('a key spelled with escapes is the same key', async () => {
    const token = await node.create({ app: 'spelling', id: 'x', ip: '::1', d: { a: 1, 'ü/': 2, '"': 3 } });
    await go.set('spelling', token, String.raw`{"\u0061": 10, "\u00fc\/": null, "\u0022": "\u00e9"}`);
    assert.deepEqual((await node.get('spelling', token)).d, { a: 10, '"': 'é' });
    assert.deepEqual((await node.set('spelling', token, { a: null })).d, { '"': 'é' });
    assert.deepEqual((await go.get('spelling', token)).d, { '"': 'é' });
  });

  it('tokens of both kinds work on both', async () => {
    const app = 'tokens';
    const made = [];
    for (let i = 0; i < 100; i++) made.push(await sides[i % 2].create({ app, id: `user${i % 7}`, ip: ownIP(i) }));
    assert.equal(new Set(made).size, made.length);
    for (const [i, token] of made.entries()) {
      for (const side of sides) assert.equal((await side.get(app, token)).ip, ownIP(i));
      assert.deepEqual((await sides[(i + 1) % 2].set(app, token, { i })).d, { i });
    }
    assert.equal((await sameEverywhere(app, ['user0', 'user6'], 'tokens')).length, made.length);
    for (const [i, token] of made.entries()) assert.equal(await sides[(i + 1) % 2].kill(app, token), 1);
    assert.deepEqual(await keysOf(ns, app), []);
  });

  it('activity, soapp and soid agree', async () => {
    const app = 'lists';
    const users = ids.slice(0, 12);
    const made = [];
    for (let i = 0; i < 48; i++) {
      const session = { app, id: users[i % users.length], ip: ownIP(i), no_resave: i % 5 === 0 };
      if (i % 3 === 0) session.d = { i };
      made.push(await sides[(i >> 2) % 2].create(session));
    }
    assert.equal((await sameEverywhere(app, [...users, 'nobody'], 'created')).length, made.length);
    assert.equal(await go.activity(app, 600), users.length);

    // Idle by two seconds, then read and set from both sides. (Node takes the time
    // off a no_resave session twice when it is read one second after the last.)
    await until(await nextSecond() + 2.1);
    for (const [i, token] of made.entries()) {
      if (i % 4 < 2) await sides[i % 2].get(app, token);
      if (i % 4 === 2) await sides[(i >> 2) % 2].set(app, token, { late: true });
    }
    await sameEverywhere(app, users, 'read and set');

    for (const [i, token] of made.entries()) if (i % 6 === 0) await sides[(i >> 1) % 2].kill(app, token);
    await node.killsoid(app, users[1]);
    await go.killsoid(app, users[2]);
    await sameEverywhere(app, users, 'killed');
  });

  it('activity and soapp agree on who is active of late', async () => {
    const app = 'late';
    // A ttl of 100 has windows of 10 s, in which our reads move what Node's soapp
    // goes by: once idle for longer than that, the next read moves it for certain.
    const made = [];
    for (let i = 0; i < 8; i++) made.push(await sides[i % 2].create({ app, id: `user${i}`, ip: ownIP(i), ttl: 100 }));
    await until(await nextSecond() + 12);
    for (const side of sides) {
      assert.equal(await side.activity(app, 10), 0, side.name);
      assert.deepEqual(await side.soapp(app, 10), [], side.name);
    }
    await go.get(app, made[0]);
    await go.get(app, made[1]);
    await node.get(app, made[2]);
    await node.set(app, made[3], { a: 1 });
    await go.set(app, made[4], { a: 1 });
    for (const side of sides) {
      assert.equal(await side.activity(app, 10), 5, side.name);
      assert.deepEqual((await side.soapp(app, 10)).map(({ id }) => id).sort(), ['user0', 'user1', 'user2', 'user3', 'user4'], side.name);
    }
    await sameEverywhere(app, ['user0', 'user7'], 'late');
  });

  it("Node's cached copy is dropped when we set or kill", async () => {
    const app = 'cached';
    const cached = clients.theirs(ns, { cachetime: 600 });
    try {
      await eventually('Node listens', 5, async () => (await raw('pubsub', 'numsub', `${ns}:cache`))[1] >= 1);
      for (const side of sides) {
        const fresh = async () => {
          const token = await side.create({ app, id: 'x', ip: '::1', d: { v: 0 } });
          const { r } = await cached.get(app, token);
          assert.equal((await cached.get(app, token)).r, r, 'the second read comes out of the cache');
          return token;
        };
        const gone = (token) => eventually(`Node forgets ${token}`, 2, async () => !(await cached.get(app, token)).id);

        const token = await fresh();
        for (let v = 1; v <= 3; v++) {
          await go.set(app, token, { v });
          await eventually(`Node sees v=${v}`, 2, async () => (await cached.get(app, token)).d.v === v);
        }
        assert.equal(await go.kill(app, token), 1);
        await gone(token);

        const some = [await fresh(), await fresh()];
        assert.equal(await go.killsoid(app, 'x'), 2);
        await Promise.all(some.map(gone));

        const all = [await fresh(), await fresh()];
        assert.equal(await go.killall(app), 2);
        await Promise.all(all.map(gone));
      }
    } finally {
      cached.quit();
    }
  });

  it('a rotated session is one session to both, and its old token none to Node', async () => {
    const app = 'rotated';
    for (const side of sides) {
      for (const id of ids) {
        const old = await side.create({ app, id, ip: '::1', d: { side: side.name } });
        const since = Date.now();
        const token = await go.rotate(app, old, 60);
        const again = await go.rotate(app, token, 0);
        const want = { id, r: 1, w: 1, ttl: 7200, idle: 0, ip: '::1', d: { side: side.name } };
        same(await node.get(app, again), want, `Node's get: ${id}`, since);
        same(await go.get(app, old), { ...want, r: 2 }, `our get of the old token: ${id}`, since);
        assert.deepEqual((await node.set(app, again, { n: 1 })).d, { ...want.d, n: 1 }, id);
        assert.deepEqual((await go.set(app, old, { g: 1 })).d, { ...want.d, n: 1, g: 1 }, id);
        for (const gone of [old, token]) {
          assert.deepEqual(await node.get(app, gone), {}, id);
          assert.deepEqual(await node.set(app, gone, { a: 1 }), {}, id);
          assert.equal(await node.kill(app, gone), 0, id);
        }
        await sameEverywhere(app, [id], `rotated: ${id}`);
        assert.equal((await go.soid(app, id)).length, 1, id);
        assert.equal(await [go, node][id.length % 2].kill(app, again), 1, id);
        for (const gone of [old, token, again]) for (const asked of sides) assert.deepEqual(await asked.get(app, gone), {}, id);
        // What is left are the aliases, which no index has and which go by themselves.
        for (const key of await keysOf(ns, app)) {
          assert.ok([old, token].some((gone) => key === `${ns}:${app}:${gone}`), key);
          const left = await raw('ttl', key);
          assert.ok(left > 0 && left <= 61, `${key} goes in ${left} s`);
          await raw('del', key);
        }
      }
    }

    // A user's and an app's sessions end under whatever token, by whoever.
    const olds = [];
    for (const end of [node.killall, (name) => node.killsoid(name, 'x'), go.killall, (name) => go.killsoid(name, 'x')]) {
      const made = [];
      for (const side of sides) made.push(await side.create({ app, id: 'x', ip: '::1' }));
      olds.push(...made);
      const rotated = await Promise.all(made.map((token) => go.rotate(app, token, 60)));
      assert.equal(await end(app), 2);
      for (const token of [...made, ...rotated]) for (const side of sides) assert.deepEqual(await side.get(app, token), {});
      assert.deepEqual((await keysOf(ns, app)).filter((key) => !olds.some((token) => key.endsWith(token))), []);
    }
  });

  it("Node's cached copy is dropped when we rotate", async () => {
    const app = 'rotated-cached';
    const cached = clients.theirs(ns, { cachetime: 600 });
    try {
      // The connection that listens is up once a change of ours gets through.
      const probe = await go.create({ app, id: 'probe', ip: '::1' });
      let v = 0;
      await eventually('Node listens', 5, async () => {
        await cached.get(app, probe);
        await go.set(app, probe, { v: ++v });
        await sleep(20);
        return (await cached.get(app, probe)).d?.v === v;
      });
      for (const side of sides) {
        const token = await side.create({ app, id: 'x', ip: '::1' });
        const { r } = await cached.get(app, token);
        assert.equal((await cached.get(app, token)).r, r, 'the second read comes out of the cache');
        const fresh = await go.rotate(app, token, 60);
        await eventually('Node forgets the old token', 2, async () => !(await cached.get(app, token)).id);
        assert.equal((await cached.get(app, fresh)).id, 'x');
      }
    } finally {
      cached.quit();
    }
  });

  it("max_sessions and killsoid's except count and end Node's sessions as ours", async () => {
    const app = 'limited';
    for (const id of ['x', 'a:b', '🦊']) {
      const made = [];
      for (let i = 0; i < 6; i++) {
        made.push(await sides[i % 2].create({ app, id, ip: ownIP(i) }));
        await sleep(1001); // a later second each
      }
      await node.get(app, made[0]); // which is now the last that was active
      await sleep(1001);
      const fresh = await go.create({ app, id, ip: ownIP(6), max_sessions: 3 });
      for (const [i, token] of made.entries()) {
        for (const side of sides) assert.equal('id' in await side.get(app, token), i === 0 || i === 5, `${side.name}, session ${i}`);
      }
      assert.equal((await sameEverywhere(app, [id], 'limited')).length, 3);

      await node.create({ app, id, ip: ownIP(7) });
      assert.equal(await go.killothers(app, id, fresh), 3);
      for (const side of sides) assert.deepEqual((await side.soid(app, id)).map(({ ip }) => ip), [ownIP(6)], side.name);
      assert.equal(await node.kill(app, fresh), 1);
      assert.deepEqual(await keysOf(ns, app), []);
    }
  });

  it('max_age ends for us on time, whoever reads it, and Node goes by its ttl until it is wiped', async () => {
    const app = 'max-age';
    const start = await nextSecond();
    const untouched = await go.create({ app, id: 'untouched', ip: '::1', ttl: 600, max_age: 12 });
    const read = await go.create({ app, id: 'read', ip: '::1', ttl: 600, max_age: 12 });
    const rotated = await go.rotate(app, await go.create({ app, id: 'rotated', ip: '::1', ttl: 600, max_age: 12 }), 0);
    const bystander = await node.create({ app, id: 'bystander', ip: '::1', ttl: 600 });
    for (const at of [3, 6, 9]) {
      await until(start + at);
      for (const token of [read, rotated]) {
        assert.equal((await node.get(app, token)).ttl, 600);
        assert.equal((await node.set(app, token, { at })).ttl, 600);
      }
      await until(start + at + 1);
      // Ours puts right what Node wrote: the wipers end it in time, and not before.
      for (const token of [read, rotated]) assert.equal((await go.get(app, token)).ttl, 600);
    }
    await until(start + 13.1);
    for (const token of [untouched, read, rotated]) assert.deepEqual(await go.get(app, token), {});
    await eventually('all are wiped', 12, async () => (await node.soapp(app, 600)).length === 1);
    for (const token of [untouched, read, rotated]) assert.deepEqual(await node.get(app, token), {});
    assert.equal((await node.get(app, bystander)).id, 'bystander');
    assert.equal(await go.kill(app, bystander), 1);
    const left = await keysOf(ns, app);
    assert.ok(left.length <= 1, `the alias alone: ${left}`);
  });

  it('no_resave ends on time, whoever reads it', async () => {
    const app = 'no-resave';
    const ttl = 12;
    const start = await nextSecond();
    const made = [];
    for (const side of sides) made.push(await side.create({ app, id: side.name, ip: '::1', ttl, no_resave: true }));
    for (const [at, reader] of [[3, go], [6, node], [8, go], [10, node]]) {
      await until(start + at);
      for (const token of made) {
        const before = start + ttl - await now();
        const session = await reader.get(app, token);
        const left = start + ttl - await now();
        assert.ok(session.ttl >= left - 1.5 && session.ttl <= before + 1.5, `${reader.name} at ${at} s: ttl ${session.ttl}, left ${left}`);
      }
    }
    await until(start + ttl + 2);
    for (const side of sides) for (const token of made) assert.deepEqual(await side.get(app, token), {}, side.name);
    await eventually('no trace is left', 20, async () => (await keysOf(ns, app)).length === 0);
  });

  it('a session in use outlives its ttl many times under both wipers', async () => {
    const app = 'in-use';
    const start = await nextSecond();
    // Each is touched by one side or by both in turn, every 3 s for 27 s.
    const turns = [[go], [node], [go, node], [node, go], [go, go, node], [node, node, go]];
    const made = [];
    for (const [i, turn] of turns.entries()) {
      for (const side of sides) made.push({ turn, token: await side.create({ app, id: `user${i}`, ip: ownIP(made.length), ttl: 10 }) });
    }
    for (let step = 0; step < 9; step++) {
      await until(start + 3 * (step + 1));
      for (const [i, { turn, token }] of made.entries()) {
        const side = turn[step % turn.length];
        const session = (i + step) % 3 === 0 ? await side.set(app, token, { step }) : await side.get(app, token);
        assert.equal(session.id, `user${i >> 1}`, `step ${step}: ${side.name}`);
      }
    }
    const all = await sameEverywhere(app, turns.map((_, i) => `user${i}`), 'in use');
    assert.equal(all.length, made.length);
    for (const { r, w } of all) assert.equal(r + w, 2 + 9, 'every touch has counted');
  });

  it('a session lives its full ttl from the last activity, however touches interleave', async () => {
    const app = 'interleaved';
    const ttl = 30; // windows of 3 s
    // In each second of one window a session is left alone, or touched by one
    // side, or by both in either order: 125 sessions. Node lowers the time from
    // which a session may be wiped to that of its own touch, so one that we touch
    // afterwards must be put back even if we have written that time in this window.
    const choices = [[], [go], [node], [go, node], [node, go]];
    const made = [];
    for (let i = 0; i < 125; i++) {
      const plan = [choices[i % 5], choices[Math.floor(i / 5) % 5], choices[Math.floor(i / 25) % 5]];
      const id = `${i}: ${plan.map((turn) => turn.map(({ name }) => name).join('+') || '-').join(' ')}`;
      made.push({ plan, id, token: await sides[i % 2].create({ app, id, ip: ownIP(i), ttl }) });
    }
    const window = await nextSecond(3);
    for (let second = 0; second < 3; second++) {
      await until(window + second);
      await Promise.all(made.map(async ({ plan, token, id }) => {
        for (const side of plan[second]) assert.equal((await side.get(app, token)).id, id);
      }));
    }
    for (const session of made) {
      session.la = Number(await raw('hget', `${ns}:${app}:${session.token}`, 'la'));
      const due = Number(await raw('zscore', `${ns}:SESSIONS`, `${app}:${session.token}:${session.id}`));
      assert.ok(due >= session.la + ttl, `${session.id}: may be wiped at ${due}, last active at ${session.la}`);
    }

    // soapp counts as no activity, so it can look. Each must be there as long as
    // its last second has not ended, and gone once it has.
    const last = Math.max(...made.map(({ la }) => la));
    const first = Math.min(...made.map(({ la }) => la));
    await until(first + ttl - 3);
    while (await now() < last + ttl + 1) {
      for (const side of sides) {
        const asked = await now();
        const seen = new Set((await side.soapp(app, 600)).map(({ ip }) => ip));
        const answered = await now();
        for (const [i, session] of made.entries()) {
          const end = session.la + ttl;
          if (answered < end) {
            assert.ok(seen.has(ownIP(i)), `${session.id}: gone for ${side.name} ${answered - session.la} s after the last activity`);
            session[side.name] = answered;
          }
          if (asked >= end + 1) {
            assert.ok(!seen.has(ownIP(i)), `${session.id}: there for ${side.name} ${asked - session.la} s after the last activity`);
          }
        }
      }
      await sleep(100);
    }
    // Usually the last look at each is within its last second; a machine that
    // stalls gets two more.
    for (const { id, la, ours, theirs } of made) {
      assert.ok(Math.min(ours, theirs) >= la + ttl - 3, `${id}: nobody looked in its last 3 s`);
    }
    await until(last + ttl + 1);
    for (const side of sides) assert.deepEqual(await side.soapp(app, 600), [], side.name);
    // Node's wiper misses the index entries of these ids, which have colons; ours
    // takes them, whoever ended the session.
    await eventually('no trace is left', 20, async () => (await keysOf(ns, app)).length === 0);
  });

  for (const [wiper, namespace, port] of [
    ['our', 'interop-ours', process.env.INTEROP_OUR_WIPER_PORT],
    ['Node\'s', 'interop-node', process.env.INTEROP_NODE_WIPER_PORT],
  ]) {
    it(`${wiper} wiper alone clears what has expired out of every index, and nothing else`, async () => {
      const both = [clients.ours(port), clients.theirs(namespace)];
      if (wiper !== 'our') timers.push(setInterval(both[1].wipe, 500));
      const app = 'expiring';
      const live = [];
      // Node's wiper misses the index entries of an id with a colon.
      const mortal = wiper === 'our' ? ids : ids.filter((id) => !id.includes(':'));
      for (const side of both) {
        for (const id of mortal) {
          await side.create({ app, id, ip: '::1', ttl: 10, no_resave: id.length % 2 === 0, d: { id } });
        }
        live.push(await side.create({ app, id: 'stays', ip: '::1', ttl: 60 }));
        live.push(await side.create({ app, id: mortal[0], ip: '::1', ttl: 60 }));
      }
      const wanted = [
        '_sessions', '_users', 'us:stays', `us:${mortal[0]}`, ...live,
      ].map((key) => `${namespace}:${app}:${key}`).concat(live.map((token, i) => `${app}:${token}:${i % 2 ? mortal[0] : 'stays'}`));
      await eventually('only the live sessions are left', 40, async () => (await keysOf(namespace, app)).length <= wanted.length);
      assert.deepEqual((await keysOf(namespace, app)).sort(), wanted.sort());
      assert.deepEqual(await raw('zcard', `${namespace}:${app}:_sessions`), live.length);
      assert.deepEqual((await raw('zrange', `${namespace}:${app}:_users`, 0, -1)).sort(), ['stays', mortal[0]].sort());
      for (const side of both) for (const token of live) assert.equal((await side.get(app, token)).ip, '::1');
      both[1].quit();
    });
  }
});
