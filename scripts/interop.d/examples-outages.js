'use strict';
// What a visitor of a site under examples/ sees when rest-sessions says nothing of his
// session: 503, and his cookie stays.

const assert = require('node:assert/strict');
const { before, it } = require('node:test');

const { eventually, testKey } = require('./examples-site.js');
const { noAnswers } = require('./gateway.js');
const { stop } = require('./programs.js');

const login = { user: 'anna', password: 'secret' };
const reads = [['GET', '/'], ['GET', '/devices']];
const writes = [
  ['POST', '/cart', { item: 'pen' }], ['POST', '/login', login], ['POST', '/devices/end', { handle: 'a'.repeat(22) }],
  ['POST', '/logout'], ['POST', '/logout/everywhere'],
];

const says503 = async (one, [method, target, form]) => {
  const { token } = one;
  const a = await one.request(method, target, form);
  assert.equal(a.status, 503, `${method} ${target}: ${a.text}`);
  assert.match(a.headers['retry-after'] ?? '', /^[1-9]\d*$/, `${method} ${target}: Retry-After`);
  assert.equal(a.cookie, undefined, `${method} ${target}: the cookie is left alone`);
  assert.equal(one.token, token);
};

module.exports = (site) => {
  let user, guest;
  before(async () => {
    [user, guest] = [await site.loggedIn('anna'), site.browser()];
    await user.post('/cart', { item: 'lamp' });
    await guest.post('/cart', { item: 'lamp' });
  });

  const allSay503 = async () => {
    for (const one of [user, guest]) for (const request of [...reads, ...writes]) await says503(one, request);
    await says503(site.browser(), ['POST', '/cart', { item: 'pen' }]);
    await says503(site.browser(), ['POST', '/login', login]);
    await site.browser().is(null); // nobody need be asked
  };
  const fineAgain = async () => {
    await eventually('it works again', async () => (await user.get('/')).status === 200);
    await user.is('anna', ['lamp']);
    await guest.is(null, ['lamp']);
    await guest.post('/cart', { item: 'pen' });
    await guest.post('/logout');
    await guest.post('/cart', { item: 'lamp' });
  };

  it('says 503 to whatever is no answer', async () => {
    for (const mode of noAnswers) {
      await site.gateway.as(mode, async () => {
        await says503(user, ['GET', '/']);
        await says503(site.browser(), ['POST', '/cart', { item: 'pen' }]);
      });
    }
    await fineAgain();
  });

  it('says 503 when only one call of a request is not answered', async () => {
    const ended = site.browser();
    ended.token = 'x'.repeat(64);
    for (const mode of noAnswers) {
      // The session is read, and the next call fails.
      for (const [one, request] of [[user, ['GET', '/devices']], [user, ['POST', '/logout']], [guest, ['POST', '/login', login]], [ended, ['POST', '/cart', { item: 'pen' }]]]) {
        await site.gateway.as({ after: 1, mode }, () => says503(one, request));
      }
    }
    await fineAgain();
  });

  it('says 503 when Redis is stopped', async () => {
    site.redis.kill('SIGSTOP');
    try {
      // Only reads: what is sent to a stopped Redis may be done when it goes on.
      for (const one of [user, guest]) await says503(one, ['GET', '/']);
      await says503(user, ['GET', '/devices']);
    } finally {
      site.redis.kill('SIGCONT');
    }
    await fineAgain();
  });

  it('says 503 when the server is gone, or does not answer', async () => {
    await site.server.kill();
    await allSay503();
    await site.server.start();
    await fineAgain();
    const start = Date.now();
    await site.gateway.as('hang', () => says503(user, ['GET', '/']));
    assert.ok(Date.now() - start < 8000, `it waited ${Date.now() - start} ms`);
    await fineAgain();
  });

  it('says 503 when its key is not right', async () => {
    const keys = await site.setKeys(`test:${testKey}`, 401);
    await allSay503();
    await site.setKeys(keys, 200);
    await fineAgain();
  });

  it('says 503 while Redis is gone', async () => {
    await stop([site.redis], 'SIGKILL');
    await allSay503();
    await site.startRedis();
    // This Redis is empty, and says so.
    await eventually('it works again', async () => (await user.get('/')).status === 200);
    await user.is(null);
    await user.login('anna');
    await user.is('anna');
  });
};
