'use strict';
// The tests of a proxy that asks our server before it serves a page. A visitor without a
// session is sent to /login, and only such a one; when nothing is known of him he is neither
// sent there nor served.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { before, describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { ask, freePorts } = require('./programs.js');
const { around, cookie, create, key, kill, siteKey } = require('./proxy-site.js');

// protects runs them: start starts the proxy on a port, with other ports of the example;
// down is what a visitor hears while Redis is down.
const protects = (name, proxy) => describe(name, () => {
  let port;
  const page = (target, options) => ask(port, target, options);

  // whoIs asks for a page as the visitor with a token, and returns what the site was told.
  const whoIs = async (token, target = '/account/orders', options = {}) => {
    const a = await page(target, { ...options, headers: { ...cookie(token), ...options.headers } });
    assert.equal(a.status, 200, `${a.status} ${a.text}`);
    return JSON.parse(a.text);
  };

  // notServed wants that a visitor is sent to /login, or hears an error of a status.
  const notServed = async (headers, status = 302) => {
    around.served = [];
    const a = await page('/account/orders', { headers });
    assert.equal(a.status, status, a.text);
    assert.equal(a.headers.location, status === 302 ? '/login' : undefined);
    assert.deepEqual(around.served, [], 'the site is not asked');
  };

  before(async () => {
    [port] = await freePorts(1);
    await proxy.start(port, { '127.0.0.1:3000': `127.0.0.1:${around.server.port}`, '127.0.0.1:9000': `127.0.0.1:${around.site.address().port}` });
  });

  it('serves a visitor with a session, and tells the site who it is', async () => {
    const token = await create('user', { name: 'Jürgen 😀', roles: ['a', 'b'] });
    const other = await create('user', {});
    const { headers } = await whoIs(token);
    assert.equal(headers['x-session-id'], 'user');
    assert.equal(headers['x-session-data'], '{"name":"J\\u00fcrgen \\ud83d\\ude00","roles":["a","b"]}');
    assert.match(headers['x-session-handle'], /^[0-9A-Za-z]{22}$/);
    assert.equal((await whoIs(token)).headers['x-session-handle'], headers['x-session-handle']);
    assert.notEqual((await whoIs(other)).headers['x-session-handle'], headers['x-session-handle']);
    assert.equal(headers.authorization, undefined, 'the key of the proxy is not for the site');
  });

  it('passes the whole request on to the site', async () => {
    const token = await create('user', { role: 'guest', banned: true });
    for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
      const body = method === 'GET' ? undefined : 'x'.repeat(100_000);
      const got = await whoIs(token, '/account/a%20b?page=2&data=role', { method, body, headers: { 'Content-Type': 'text/plain' } });
      assert.equal(got.method, method);
      assert.equal(got.url, '/account/a%20b?page=2&data=role');
      assert.ok(got.body === (body ?? ''), `${method}: a body of ${got.body.length}`);
      assert.equal(got.headers['x-session-data'], '{"role":"guest","banned":true}', 'the visitor does not choose the keys');
    }
  });

  it('tells of ids of any text', async () => {
    for (const id of ['Zoë ✓ 日本語 🦊', '100% a/b?c', ' ', '\t"\u007f', '🦊'.repeat(128)]) {
      const { headers } = await whoIs(await create(id, {}));
      assert.match(headers['x-session-id'], /^[!-~]+$/);
      assert.equal(decodeURIComponent(headers['x-session-id']), id);
    }
  });

  it('takes the most data that there can be, and leaves out more', async () => {
    const most = { text: 'x'.repeat(4096 - '{"text":""}'.length) };
    const { headers } = await whoIs(await create('🦊'.repeat(128), most));
    assert.ok(headers['x-session-data'] === JSON.stringify(most));
    const more = await create('user', { text: `${most.text}x` });
    const got = await whoIs(more, '/account/', { headers: { 'X-Session-Data': '{"forged":1}' } });
    assert.equal(got.headers['x-session-id'], 'user');
    assert.ok(!got.headers['x-session-data'], `the site is told ${got.headers['x-session-data']}`);
  });

  it('lets nobody say who they are', async () => {
    const forged = { 'X-Session-Id': 'root', 'X-Session-Handle': 'h', 'X-Session-Data': '{"admin":true}' };
    const { headers } = await whoIs(await create('user', { a: 1 }), '/account/', { headers: forged });
    assert.equal(headers['x-session-id'], 'user');
    assert.equal(headers['x-session-data'], '{"a":1}');
    assert.notEqual(headers['x-session-handle'], 'h');
    const open = await whoIs('none', '/open', { headers: forged });
    for (const header of Object.keys(forged)) assert.ok(!open.headers[header.toLowerCase()], header);
  });

  it('lets nobody say it by names that PHP and CGI take for these', async () => {
    const token = await create('user', {});
    for (const name of ['x_session_id', 'X-Session_Id', 'X_Session-Handle', 'x.session.id', 'X_SESSION_DATA', 'X-Session.Data', 'X.Session_Id']) {
      for (const target of ['/open', '/account/']) {
        const { headers } = await whoIs(token, target, { headers: { [name]: 'root' } });
        assert.ok(!Object.values(headers).includes('root'), `${target}: the site is told ${name}`);
      }
    }
  });

  it('sends who has no session to the login', async () => {
    const dead = await create('user', {});
    const other = await create('user', {});
    await kill(dead);
    await notServed(cookie(dead));
    await notServed({});
    await notServed({ Cookie: 'lang=en' });
    for (const malformed of ['', 'x', `${dead}x`, dead.slice(1), '-', '../../shop/killall', '%00']) await notServed(cookie(malformed));
    for (const [one, two] of [[other, dead], [dead, other], [other, 'x']]) await notServed({ Cookie: `sid=${one}; lang=en; sid=${two}` });
    await notServed({ Cookie: `my_sid=${other}; sid2=${other}` });
    await notServed({ 'X-Session-Token': other }); // which only a program sends
  });

  it('takes the token in the cookie, whatever else the visitor sends', async () => {
    const token = await create('user', {});
    // As many as nginx takes: with the rest of the head they are more than the 8 KiB of ours.
    const more = `a=${'x'.repeat(4000)}; b=${'x'.repeat(4050)}`;
    for (const Cookie of [`sid=${token}; ${more}`, `${more};sid=${token}`, `my_sid=x; sid=${token}; sid2=y`]) {
      const { headers } = await whoIs(token, '/account/', { headers: { Cookie, 'X-Session-Token': 'x'.repeat(64), Referer: `http://localhost/${'x'.repeat(1500)}` } });
      assert.equal(headers['x-session-id'], 'user');
      assert.equal(headers.cookie, Cookie, 'the site gets all cookies');
    }
  });

  it('protects a page however its path is written', async () => {
    for (const target of ['/%61ccount/orders', '/account%2forders', '/%2faccount/orders', '//account/orders', '/open/../account/orders', '/./account/orders',
      '/open/%2e%2e/account/orders', '/account/../account/orders', '/account', 'http://localhost/account/orders']) {
      around.served = [];
      const { status } = await page(target, { headers: { Host: 'localhost' } });
      // As a site may read what it is asked for.
      const asked = around.served.map((url) => path.posix.normalize(decodeURIComponent(url.replace(/^http:\/\/[^/]*/, ''))));
      assert.ok(!asked.some((page) => /^\/+account/.test(page)), `${target}: ${status}, the site is asked for ${asked}`);
    }
  });

  it('neither serves nor sends to the login while nothing is known', async () => {
    const token = await create('user', {});
    const dead = await create('user', {});
    await kill(dead);
    await whoIs(token);
    around.redis.kill('SIGSTOP');
    try {
      for (let i = 0; i < 3; i++) {
        await notServed(cookie(token), proxy.down);
        await notServed(cookie(dead), proxy.down);
      }
    } finally {
      around.redis.kill('SIGCONT');
    }
    for (const end = Date.now() + 30_000; (await page('/account/', { headers: cookie(token) })).status !== 200;) {
      assert.ok(Date.now() < end, 'it serves again');
      await sleep(20);
    }
    await notServed(cookie(dead));
  });

  it('takes a key that is not right for an error, not for a visitor without a session', async () => {
    const token = await create('user', {});
    const keys = fs.readFileSync(around.keysFile, 'utf8');
    const reload = async (text, status) => {
      fs.writeFileSync(around.keysFile, text);
      around.server.child.kill('SIGHUP');
      const probe = () => ask(around.server.port, '/shop/auth', { key, headers: { 'X-Session-Token': token } });
      for (const end = Date.now() + 30_000; (await probe()).status !== status; await sleep(20)) assert.ok(Date.now() < end, 'the keys are read');
    };
    await reload(`site:${siteKey} proxy@blog!auth:${key}`, 403);
    await notServed(cookie(token), 403);
    await reload(`site:${siteKey}`, 403);
    await notServed(cookie(token), 403);
    await reload(keys, 200);
    await whoIs(token);
  });
});

module.exports = { protects };
