'use strict';
// examples/php/SessionHandler.php under what PHP does with a handler of sessions: strict
// mode, regenerated ids, requests at once. Run by scripts/interop, which builds the server:
//
//   INTEROP_PROGRAM     our server

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, it } = require('node:test');

const { Site, eventually } = require('./examples-site.js');

const site = new Site('php-handler', {
  dir: 'php', processes: 2, command: 'php', args: (port) => ['-q', '-d', 'session.gc_maxlifetime=5000', '-S', `127.0.0.1:${port}`, path.join(__dirname, 'php', 'page.php')],
});

before(() => site.start());
after(() => site.stop());

// send lets PHP do steps, each ['name', argument...], and returns the answer.
const send = (one, ...steps) => {
  const form = { steps: JSON.stringify(steps.map((step) => [step[0], step.slice(1)])) };
  return one.request('POST', '/', form);
};

// run wants that it is done, and returns what came of the last step.
const run = async (one, ...steps) => {
  const a = await send(one, ...steps);
  assert.equal(a.status, 200, `${a.headers['x-error']} ${a.text}`);
  return JSON.parse(a.text).at(-1);
};
const all = (one) => run(one, ['start'], ['all']);
const data = async (token) => (await site.session(token)).d ?? {};
const sessions = async () => (await site.api('GET', '/shop/soapp?dt=600')).sessions;

// fails wants that PHP throws.
const fails = async (one, status, message, ...steps) => {
  const a = await send(one, ...steps);
  assert.equal(a.status, status, a.text);
  assert.match(a.headers['x-error'], message);
  return a;
};

// calls returns what rest-sessions was asked for during something.
const calls = async (action) => {
  site.gateway.seen = [];
  await action();
  return site.gateway.seen.map(({ url }) => url.split('/')[2]);
};

// begin returns a browser with a session.
const begin = async (...steps) => {
  const one = site.browser();
  await run(one, ['start'], ...steps);
  return one;
};

// during does something while a request stands between two lists of steps.
let waits = 0;
const during = async (one, first, action, then) => {
  const file = path.join(site.tmp, `wait-${waits++}`);
  const other = site.sibling(one);
  const answer = run(other, ...first, ['wait', file], ...then);
  await eventually('it waits', () => fs.existsSync(`${file}.waits`));
  await action();
  fs.writeFileSync(file, '');
  return [await answer, other];
};

const values = {
  text: 'Zoë 😀 "\\/', empty: '', number: 42, float: 1.5, yes: true, no: false,
  list: [1, 'two', [3]], map: { a: { b: [null, { c: '' }] } }, none: [], gaps: { 1: 'a', 3: 'b' },
};

it('keeps $_SESSION as JSON, a key of the data for each of its keys', async () => {
  const one = await begin(...Object.entries(values).map(([key, value]) => ['set', key, value]), ['set', 'nothing', null]);
  assert.deepEqual(await data(one.token), values);
  assert.deepEqual(await all(one), values);
  const { id, ip, ttl } = await site.session(one.token);
  assert.match(id, /^guest-[0-9a-f]{32}$/);
  assert.equal(ip, '127.0.0.1');
  assert.equal(ttl, 5000);
  await run(one, ['start'], ['set', 'text', null], ['unset', 'list'], ['set', 'number', 43], ['set', '7', 'seven']);
  const { text, list, ...rest } = values;
  assert.deepEqual(await data(one.token), { ...rest, number: 43, 7: 'seven' });
  await run(one, ['start'], ['unset', '7']);
  assert.deepEqual(await data(one.token), { ...rest, number: 43 });
});

it('leaves what others have written, and writes only what it has changed', async () => {
  const one = await begin(['set', 'a', 1]);
  await site.api('POST', '/shop/set/-', one.token, '{"theirs":{"list":[],"map":{},"float":1.0,"big":12345678901234567890},"b":2}');
  const before = await site.session(one.token);
  assert.deepEqual(await calls(async () => assert.equal((await all(one)).b, 2)), ['get'], 'one call a page view');
  await run(one, ['start'], ['set', 'a', 1], ['set', 'b', 2], ['set', 'c', null]);
  assert.equal((await site.session(one.token)).w, before.w, 'nothing has changed');
  await run(one, ['start'], ['set', 'a', 2]);
  const text = await site.text('GET', '/shop/get/-?touch=false', one.token);
  assert.ok(text.includes('"theirs":{"list":[],"map":{},"float":1.0,"big":12345678901234567890},"b":2'), text);
  assert.equal((await site.session(one.token)).w, before.w + 1);
});

it('refuses what JSON cannot hold, and keeps the session as it was', async () => {
  const one = await begin(['set', 'a', 1]);
  await fails(one, 520, /\$_SESSION\['when'\] has an object in it/, ['start'], ['set', 'a', 2], ['object', 'when']);
  await fails(one, 520, /Inf and NaN/, ['start'], ['set', 'a', 2], ['number', 'nan']);
  await fails(one, 520, /UTF-8/, ['start'], ['set', 'a', 2], ['bytes', 'binary']);
  await run(one, ['start'], ['set', 'b', 'x'.repeat(50_000)]);
  await fails(one, 520, /dataTooLarge/, ['start'], ['set', 'a', 2], ['set', 'c', 'x'.repeat(50_000)]);
  await run(one, ['start'], ['unset', 'b']);
  assert.deepEqual(await all(one), { a: 1 });
});

it('is strict: an id that rest-sessions has not made gets another', async () => {
  for (const token of ['x'.repeat(64), 'a'.repeat(26), 'é', '-', 'x'.repeat(65)]) {
    const one = site.browser();
    one.token = token;
    assert.equal(await run(one, ['start'], ['set', 'a', 1], ['isnew']), true);
    assert.match(one.token, /^[A-Za-z0-9]{64}$/);
    assert.notEqual(one.token, token);
    assert.deepEqual(await data(one.token), { a: 1 });
    assert.equal(await run(one, ['start'], ['isnew']), false);
  }
  const one = await begin();
  await fails(one, 520, /use_strict_mode/, ['ini', 'session.use_strict_mode', '0'], ['start']);
  await fails(one, 520, /serialize_handler/, ['ini', 'session.serialize_handler', 'php'], ['start']);
  const { token } = one;
  const id = await run(one, ['start'], ['set', 'a', 1], ['createid']);
  assert.notEqual(id, token, 'rest-sessions makes the ids');
  one.token = id;
  assert.deepEqual(await all(one), []);
  assert.notEqual(one.token, id);
  assert.deepEqual(await data(token), { a: 1 });
});

it('regenerates an id: the session goes on, and the old token is dead', async () => {
  const one = await begin(['set', 'a', 1], ['set', 'b', 1]);
  const old = one.token;
  const was = await site.session(old);
  const count = (await sessions()).length;
  assert.deepEqual(await run(one, ['start'], ['set', 'a', 2], ['regenerate', true], ['unset', 'b'], ['set', 'c', 3], ['all']), { a: 2, c: 3 });
  assert.notEqual(one.token, old);
  assert.deepEqual(await site.session(old), {});
  assert.deepEqual(await data(one.token), { a: 2, c: 3 });
  const { id, handle } = await site.session(one.token);
  assert.deepEqual({ id, handle }, { id: was.id, handle: was.handle });
  assert.deepEqual(await calls(() => run(one, ['start'], ['regenerate', true], ['regenerate', true], ['set', 'd', 4])), ['get', 'rotate', 'rotate', 'set']);
  assert.deepEqual(await all(one), { a: 2, c: 3, d: 4 });
  assert.equal((await sessions()).length, count, 'no session is left over');
});

it('regenerates an id and lets requests with the old one in for a while', async () => {
  const one = await begin(['set', 'a', 1]);
  const old = site.browser();
  old.token = one.token;
  assert.deepEqual(await calls(() => run(one, ['start'], ['set', 'a', 2], ['regenerate', false])), ['get', 'set', 'rotate']);
  old.token = one.token;
  await run(one, ['start'], ['regenerate', false], ['set', 'b', 2]);
  assert.notEqual(one.token, old.token);
  await run(old, ['start'], ['set', 'c', 3]);
  for (const each of [one, old]) assert.deepEqual(await all(each), { a: 2, b: 2, c: 3 });
});

it('regenerates the id of a session that it has just begun', async () => {
  for (const remove of [true, false]) {
    const one = await begin(['set', 'a', 1], ['regenerate', remove], ['set', 'b', 2]);
    assert.deepEqual(await all(one), { a: 1, b: 2 });
  }
});

it('ends a session', async () => {
  const one = await begin(['set', 'a', 1]);
  const old = one.token;
  await run(one, ['start'], ['destroy']);
  assert.deepEqual(await site.session(old), {});
  const again = await begin(['set', 'a', 1]);
  assert.deepEqual(await run(again, ['start'], ['destroy'], ['start'], ['set', 'b', 1], ['all']), { b: 1 });
  assert.deepEqual(await data(again.token), { b: 1 });
});

it('closes, opens, resets and gives up a session within a request', async () => {
  const one = await begin(['set', 'a', 1], ['close'], ['start'], ['set', 'b', 2], ['close'], ['start'], ['unset', 'a']);
  assert.deepEqual(await data(one.token), { b: 2 });
  assert.deepEqual(await run(one, ['start'], ['set', 'b', 3], ['reset'], ['all']), { b: 2 });
  await run(one, ['start'], ['set', 'b', 3], ['abort']);
  assert.deepEqual(await data(one.token), { b: 2 });
});

it('collects no garbage: rest-sessions does', async () => {
  const one = await begin(['set', 'a', 1]);
  const count = (await sessions()).length;
  assert.equal(await run(one, ['start'], ['gc']), 0);
  assert.equal((await sessions()).length, count);
  assert.deepEqual(await all(one), { a: 1 });
});

it('loses nothing of requests at once that change different keys', async () => {
  const one = await begin(['set', 'both', 0], ['set', 'gone', 1], ['set', 'kept', 1]);
  await during(one, [['start'], ['set', 'first', 1], ['unset', 'gone']],
    () => run(one, ['start'], ['set', 'second', 2], ['set', 'both', 2]), [['set', 'third', 3]]);
  assert.deepEqual(await data(one.token), { both: 2, kept: 1, first: 1, second: 2, third: 3 });
});

it('does not bring back a session that was ended meanwhile', async () => {
  for (const then of [[['set', 'b', 2]], [['set', 'b', 2], ['close']]]) {
    const one = await begin(['set', 'user', 'anna']);
    await during(one, [['start']], () => site.api('DELETE', '/shop/kill/-', one.token), then);
    assert.deepEqual(await site.session(one.token), {});
  }
  for (const remove of [true, false]) {
    const one = await begin(['set', 'user', 'anna']);
    const [answer, other] = await during(one, [['start']], () => site.api('DELETE', '/shop/kill/-', one.token), [['regenerate', remove], ['set', 'b', 2], ['all']]);
    assert.deepEqual(answer, { b: 2 });
    assert.deepEqual(await data(other.token), { b: 2 }, 'what was in it is gone');
  }
});

it('logs a user in: a guest keeps what he had, and another user finds nothing', async () => {
  const one = await begin(['set', 'cart', ['lamp']]);
  const guest = one.token;
  assert.equal(await run(one, ['start'], ['user']), null);
  assert.equal(await run(one, ['start'], ['login', 'zoë/50%'], ['set', 'since', 1], ['user']), 'zoë/50%');
  assert.deepEqual(await site.session(guest), {});
  assert.deepEqual(await data(one.token), { cart: ['lamp'], since: 1 });
  const [{ id }] = await site.sessionsOf('zoë/50%');
  assert.equal(id, 'zoë/50%');
  await run(one, ['start'], ['login', 'zoë/50%'], ['regenerate', true]);
  assert.equal(await run(one, ['start'], ['user']), 'zoë/50%', 'it stays his');
  assert.deepEqual(await data(one.token), { cart: ['lamp'], since: 1 });
  const old = one.token;
  await run(one, ['start'], ['login', 'anna'], ['set', 'hers', 1]);
  assert.deepEqual(await site.session(old), {});
  assert.deepEqual(await all(one), { hers: 1 });
  assert.equal(await run(await begin(), ['start'], ['set', 'a', 1], ['login', 'anna'], ['user']), 'anna');
  const ended = await begin(['set', 'cart', ['lamp']]);
  const [answer] = await during(ended, [['start']], () => site.api('DELETE', '/shop/kill/-', ended.token), [['login', 'anna'], ['all']]);
  assert.deepEqual(answer, []);
  await fails(site.browser(), 520, /login needs session_start/, ['login', 'anna']);
});

it('says 503 when rest-sessions says nothing, wherever PHP calls it', async () => {
  const one = await begin(['set', 'a', 1]);
  const { token } = one;
  const down = { status: 503, headers: { 'Content-Type': 'application/json' }, body: '{"name":"storeUnavailable","message":"try again"}' };
  const steps = {
    read: [0, ['start']],
    write: [1, ['start'], ['set', 'a', 2]],
    close: [1, ['start'], ['set', 'a', 2], ['close']],
    regenerate: [1, ['start'], ['regenerate', true]],
    keep: [1, ['start'], ['set', 'a', 2], ['regenerate', false]],
    login: [1, ['start'], ['login', 'anna']],
    destroy: [1, ['start'], ['destroy']],
  };
  for (const [name, [passed, ...list]] of Object.entries(steps)) {
    await site.gateway.as({ after: passed, mode: down }, async () => {
      const a = await fails(one, 503, /./, ...list);
      assert.equal(a.cookie, undefined, name);
    });
    assert.equal(one.token, token, name);
    assert.deepEqual(await all(one), { a: 1 }, name);
  }
  for (const cookie of [undefined, 'x'.repeat(64)]) {
    const other = site.browser();
    other.token = cookie;
    const passed = cookie ? 1 : 0; // the read says that there is no session, then none can be made
    await site.gateway.as({ after: passed, mode: down }, async () => {
      const a = await fails(other, 503, /./, ['start']);
      assert.equal(a.cookie, undefined);
    });
  }
});
