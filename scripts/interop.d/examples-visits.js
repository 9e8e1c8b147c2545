'use strict';
// What a visitor of a site under examples/ sees while all is well.

const assert = require('node:assert/strict');
const { it } = require('node:test');
const { promisify } = require('node:util');
const execFile = promisify(require('node:child_process').execFile);

const { siteKey } = require('./examples-site.js');
const { ask } = require('./programs.js');

const strange = 'zoë/50%';

module.exports = (site) => {
  it('makes no session for a visitor who only looks', async () => {
    const { cookie } = await site.browser().is(null);
    assert.equal(cookie, undefined);
    assert.deepEqual(site.gateway.seen, []);
  });

  it('makes a guest of who fills a cart', async () => {
    const one = site.browser();
    const { cookie } = await one.post('/cart', { item: 'lamp' });
    assert.match(one.token, /^[A-Za-z0-9]{64}$/);
    assert.equal(cookie.attributes.httponly, true);
    assert.equal(cookie.attributes.samesite.toLowerCase(), 'lax');
    assert.equal(cookie.attributes.secure, undefined);
    await one.is(null, ['lamp']);
    await one.post('/cart', { item: 'Öl & "50%" 😀' });
    await one.is(null, ['lamp', 'Öl & "50%" 😀']);
    const { id, ip, d } = await site.session(one.token);
    assert.match(id, /^guest-.{8,}/);
    assert.equal(ip, '127.0.0.1');
    assert.deepEqual(d.cart, ['lamp', 'Öl & "50%" 😀']);
    const other = site.browser();
    await other.post('/cart', { item: 'pen' });
    assert.notEqual((await site.session(other.token)).id, id, 'each guest is another');
    assert.equal((await one.get('/devices')).status, 401);
    assert.equal((await site.browser().get('/devices')).status, 401);
    assert.equal((await one.request('POST', '/devices/end', { handle: 'a'.repeat(22) })).status, 401);
    await one.post('/logout/everywhere');
    await one.is(null);
    await other.is(null, ['pen']);
  });

  it('loses no item of those that are added at once', { skip: site.row.lastWins }, async () => {
    const one = site.browser();
    await one.post('/cart', { item: 'lamp' });
    const items = ['a', 'b', 'c', 'd', 'e', 'f'];
    await Promise.all(items.map((item) => site.sibling(one).post('/cart', { item })));
    assert.deepEqual((await site.session(one.token)).d.cart.sort(), [...items, 'lamp']);
    await one.post('/logout');
  });

  it('refuses a wrong password, and changes nothing', async () => {
    const [guest, user] = [site.browser(), await site.loggedIn(strange)];
    await guest.post('/cart', { item: 'lamp' });
    const { token } = guest;
    for (const form of [{ user: 'anna', password: 'Secret' }, { user: 'bob', password: 'secret' }, { user: 'anna' }, { password: 'secret' }, { user: '__proto__', password: '' }, {}]) {
      for (const one of [guest, user, site.browser()]) {
        const a = await one.request('POST', '/login', form);
        assert.ok([401, 403].includes(a.status), `${a.status} ${a.text}`);
        assert.ok(!a.cookie?.ended);
      }
    }
    assert.equal(guest.token, token);
    await guest.is(null, ['lamp']);
    await user.is(strange);
    assert.deepEqual(await site.sessionsOf('anna'), []);
    await user.post('/logout');
  });

  it("makes a guest's session the user's at the login: another token, the same cart", async () => {
    const one = site.browser();
    await one.post('/cart', { item: 'lamp' });
    const old = site.browser();
    old.token = one.token;
    const guest = await site.session(one.token);
    const { cookie } = await one.login('anna');
    assert.notEqual(one.token, old.token);
    const { id, expires, handle, ip } = await site.session(one.token);
    assert.equal(id, 'anna');
    assert.equal(ip, '127.0.0.1');
    assert.equal(handle, guest.handle, 'it is the same session');
    assert.ok(Math.abs(cookie.maxAge - (expires - Date.now() / 1000)) < 5, `Max-Age ${cookie.maxAge}`);
    assert.equal(cookie.attributes.httponly, true);
    assert.equal(cookie.attributes.samesite.toLowerCase(), 'lax');
    await one.is('anna', ['lamp']);
    assert.deepEqual(await site.session(old.token), {}, 'what knew the token of the guest has nothing');
    const home = await old.is(null);
    assert.equal(home.cookie?.ended, true);
    assert.deepEqual(await site.sessionsOf(guest.id), []);
    await one.post('/cart', { item: 'pen' });
    await one.is('anna', ['lamp', 'pen']);
    await one.post('/logout');
  });

  it('gives another user nothing of who was here before', async () => {
    const one = await site.loggedIn('anna');
    await one.post('/cart', { item: 'lamp' });
    const { token } = one;
    await one.login(strange);
    await one.is(strange);
    assert.deepEqual(await site.session(token), {});
    await one.post('/logout');
  });

  it('lists devices, ends one of them, and the other lives on', async () => {
    const [one, two, other] = [await site.loggedIn('anna'), await site.loggedIn('anna'), await site.loggedIn(strange)];
    const [mine, theirs] = [await one.devices(), await two.devices()];
    for (const list of [mine, theirs]) {
      assert.equal(list.length, 2);
      assert.equal(list.filter(({ current }) => current === true).length, 1);
      for (const device of list) {
        assert.deepEqual(Object.keys(device).sort(), ['created', 'current', 'expires', 'handle', 'idle', 'ip']);
        assert.match(device.handle, /^[0-9A-Za-z]{22}$/);
        assert.equal(device.ip, '127.0.0.1');
        assert.ok(Math.abs(device.created - Date.now() / 1000) < 10 && device.expires > device.created && device.idle < 10, JSON.stringify(device));
      }
    }
    const [a] = mine.filter(({ current }) => current);
    const [b] = theirs.filter(({ current }) => current);
    assert.notEqual(a.handle, b.handle);
    await other.post('/devices/end', { handle: a.handle });
    await one.is('anna');
    const [its, more] = [await other.devices(), await site.loggedIn(strange)];
    assert.equal(its.length, 1);
    await more.post('/devices/end', { handle: its[0].handle });
    await other.is(null);
    await more.is(strange);
    for (const handle of ['', 'x', `${a.handle}x`, '../../shop/killall']) assert.equal((await one.request('POST', '/devices/end', { handle })).status, 400, handle);
    assert.equal((await one.request('POST', '/devices/end', {})).status, 400);
    await one.post('/devices/end', { handle: b.handle });
    assert.equal((await two.is(null)).cookie?.ended, true);
    await one.is('anna');
    assert.deepEqual((await one.devices()).map(({ handle }) => handle), [a.handle]);
    await more.post('/logout');
    await one.post('/logout');
  });

  it('logs out, here or everywhere', async () => {
    const [one, two, three] = [await site.loggedIn(strange), await site.loggedIn(strange), await site.loggedIn(strange)];
    const other = await site.loggedIn('anna');
    const tokens = [one.token, two.token, three.token];
    assert.equal((await one.post('/logout')).cookie?.ended, true);
    assert.deepEqual(await site.session(tokens[0]), {});
    await one.is(null);
    await two.is(strange);
    assert.equal((await two.post('/logout/everywhere')).cookie?.ended, true);
    for (const token of tokens) assert.deepEqual(await site.session(token), {});
    await three.is(null);
    await other.is('anna');
    await other.post('/logout');
    await site.browser().post('/logout');
    await site.browser().post('/logout/everywhere');
  });

  it('keeps the ten latest sessions of a user', async () => {
    const all = [];
    for (let i = 0; i < 11; i++) all.push(await site.loggedIn('anna'));
    assert.equal((await all[10].devices()).length, 10);
    await all[10].post('/logout/everywhere');
    for (const one of all) await one.is(null);
  });

  it('takes rubbish in a cookie for nobody', async () => {
    const user = await site.loggedIn('anna');
    const rubbish = ['x', user.token.slice(1), `${user.token}x`, 'x'.repeat(64), '-', '%00', '../../shop/killall', '{"a":1}', 'é'.repeat(64), 'x'.repeat(4000), `${user.token}?with=handle`];
    for (const token of rubbish) {
      const one = site.browser();
      one.token = Buffer.from(token).toString('latin1');
      const { cookie } = await one.is(null);
      assert.equal(cookie?.ended, true, token);
      one.token = Buffer.from(token).toString('latin1');
      await one.post('/cart', { item: 'lamp' });
      await one.is(null, ['lamp']);
      assert.notEqual(one.token, token, 'the visitor does not choose the token');
    }
    const empty = site.browser();
    empty.token = '';
    await empty.is(null);
    await user.is('anna');
    await user.post('/logout');
  });

  it('sends the key, and no token in a URL', async () => {
    const bare = await ask(site.server.port, '/shop/get/-', { headers: { 'X-Session-Token': 'x'.repeat(64) } });
    assert.equal(bare.status, 401, 'a key is needed');
    assert.ok(site.gateway.seen.length > 100);
    for (const { method, url, headers } of site.gateway.seen) {
      assert.doesNotMatch(url, /[A-Za-z0-9]{64}/, `${method} ${url}`);
      assert.equal(headers.authorization, `Bearer ${siteKey}`);
      assert.equal(headers.cookie, undefined, 'the token goes as X-Session-Token');
    }
  });

  it('marks the cookie as Secure where it is served by https', { skip: !site.row.https && 'it is not told' }, async () => {
    const one = site.browser(site.row.https);
    assert.equal((await one.post('/cart', { item: 'lamp' })).cookie.attributes.secure, true);
    assert.equal((await one.login('anna')).cookie.attributes.secure, true);
    assert.equal((await one.post('/logout')).cookie.attributes.secure, true, 'else a browser would keep it');
  });

  it('sets the cookie anew when the end of the session has moved', { skip: !site.row.renews && 'it does not' }, async () => {
    const one = await site.loggedIn('anna');
    assert.equal((await one.is('anna')).cookie, undefined);
    await execFile('redis-cli', ['-p', String(site.redisPort), 'hincrby', `drs:shop:${one.token}`, 'la', '-400000']);
    const { token } = one;
    const { cookie } = await one.is('anna');
    assert.equal(one.token, token);
    const { expires } = await site.session(token);
    assert.ok(Math.abs(cookie.maxAge - (expires - Date.now() / 1000)) < 5, `Max-Age ${cookie.maxAge}`);
    await one.post('/logout');
  });
};
