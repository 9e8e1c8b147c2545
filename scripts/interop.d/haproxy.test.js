'use strict';
// Real HAProxy, by examples/haproxy as it is, but for the ports: before a site, as nginx and
// Caddy are tested, and before servers of ours, which end, are killed, and do not answer.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { ask, freePorts } = require('./programs.js');
const { protects } = require('./proxy-pages.js');
const { around, cookie, create, example, examples, key, newServer, run, siteKey } = require('./proxy-site.js');

let started = 0;

// haproxy starts it with the site on one port, and returns that of the servers.
const haproxy = async (port, changes) => {
  const [sessions] = await freePorts(1);
  const file = path.join(around.tmp, `haproxy-${++started}.cfg`);
  fs.writeFileSync(file, example('haproxy/haproxy.cfg', {
    '/etc/haproxy/session.lua': path.join(examples, 'haproxy', 'session.lua'),
    'bind 127.0.0.1:3001': `bind 127.0.0.1:${sessions}`,
    'http://127.0.0.1:3001': `http://127.0.0.1:${sessions}`,
    'bind :8080': `bind 127.0.0.1:${port}`,
    ...changes,
  }));
  await run(port, 'haproxy', ['-db', '-f', file], { RS_AUTH_KEY: key });
  return sessions;
};

// before servers on two ports, it returns its own.
const beforeServers = async ([one, two], changes = {}) => {
  const [port] = await freePorts(1);
  return haproxy(port, { '127.0.0.1:3000': `127.0.0.1:${one}`, '127.0.0.1:3010': `127.0.0.1:${two}`, ...changes });
};

protects('haproxy', {
  down: 503,
  start: (port, upstreams) => haproxy(port, { ...upstreams, '127.0.0.1:3010': upstreams['127.0.0.1:3000'] }),
});

describe('haproxy without a server', () => {
  it('is an error', async () => {
    const [port, nobody] = await freePorts(2);
    await haproxy(port, { '127.0.0.1:3000': `127.0.0.1:${nobody}`, '127.0.0.1:3010': `127.0.0.1:${nobody}`, '127.0.0.1:9000': `127.0.0.1:${around.site.address().port}` });
    around.served = [];
    const a = await ask(port, '/account/', { headers: cookie('x'.repeat(64)) });
    assert.equal(a.status, 503, a.text);
    assert.deepEqual(around.served, []);
  });
});

describe('haproxy before two servers', () => {
  let servers, port;
  before(async () => {
    const ports = await freePorts(2);
    servers = await Promise.all(ports.map((own) => newServer({ RS_PORT: String(own) })));
    port = await beforeServers(ports);
  });

  const agent = new http.Agent({ keepAlive: true });
  after(() => agent.destroy());
  const set = (token, d) => ask(port, `/shop/set/${token}`, { method: 'POST', key: siteKey, agent, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(d) });
  const restart = async (server) => {
    await server.gone;
    await server.start();
  };

  it('loses no request while the servers are restarted, and sends none twice', async () => {
    const token = await create('user', {});
    let going = true, done = 0;
    const clients = Array.from({ length: 8 }, async (_, i) => {
      for (; going; done++) {
        const a = await set(token, { [`client${i}`]: done });
        assert.equal(a.status, 200, a.text);
      }
    });
    try {
      for (const server of servers) {
        server.child.kill('SIGTERM');
        await restart(server);
      }
    } finally {
      going = false;
    }
    await Promise.all(clients);
    assert.ok(done > 100, `${done} requests`);
    const { w } = JSON.parse((await ask(port, `/shop/get/${token}`, { key: siteKey })).text);
    assert.equal(w, done + 1);
  });

  it('sends requests to the other server when one is gone', async () => {
    const token = await create('user', {});
    await servers[0].kill();
    let done = 0, unknown = 0;
    for (let i = 0; i < 50; i++) {
      // HAProxy may send on a connection to it before it hears that this has ended.
      const { status } = await set(token, { i }).catch(() => ({ status: 502 }));
      if (status === 200) done++;
      else assert.equal(++unknown <= 4 && status, 502);
    }
    await restart(servers[0]);
    const { w } = JSON.parse((await ask(port, `/shop/get/${token}`, { key: siteKey })).text);
    assert.equal(w, done + 1);
  });

  it('passes a 503 on as it is, and says one itself when no server is ready', async () => {
    const token = await create('user', {});
    const get = (from) => ask(from, `/shop/get/${token}`, { key: siteKey });
    around.redis.kill('SIGSTOP');
    try {
      const theirs = await get(servers[0].port);
      assert.equal(theirs.status, 503);
      const passed = new Set();
      for (const end = Date.now() + 30_000; passed.size < 2; await sleep(20)) {
        assert.ok(Date.now() < end, `it says ${[...passed]}`);
        const a = await get(port);
        assert.equal(a.status, 503, a.text);
        assert.equal(a.headers['retry-after'], '1');
        assert.equal(a.headers['cache-control'], 'no-store');
        passed.add(a.text);
      }
      assert.deepEqual([...passed].sort(), [theirs.text, '{"name":"unavailable","message":"No server is ready"}'].sort());
    } finally {
      around.redis.kill('SIGCONT');
    }
    for (const end = Date.now() + 30_000; (await get(port)).status !== 200; await sleep(20)) assert.ok(Date.now() < end, 'it serves again');
  });

  it('does not show metrics without a key', async () => {
    assert.equal((await ask(servers[0].port, '/metrics')).status, 200, 'to this machine the server does');
    assert.equal((await ask(port, '/metrics')).status, 401);
    assert.equal((await ask(port, '/metrics', { key: siteKey })).status, 200);
  });
});

describe('haproxy before servers that fail', () => {
  const fakes = [];
  let answer, port, asked, connections;
  before(async () => {
    for (let i = 0; i < 2; i++) {
      const fake = http.createServer((req, res) => {
        if (req.url === '/readyz') return res.end('ok');
        asked++;
        return answer(req, res);
      }).listen(0, '127.0.0.1');
      fake.on('connection', () => { connections++; });
      await new Promise((resolve) => { fake.once('listening', resolve); });
      fakes.push(fake);
    }
    port = await beforeServers(fakes.map((fake) => fake.address().port), { 'timeout server 3s': 'timeout server 300ms' });
  });
  after(() => {
    for (const fake of fakes) {
      fake.closeAllConnections();
      fake.close();
    }
  });

  for (const [method, target] of [['GET', '/shop/get/-'], ['POST', '/shop/set/-'], ['DELETE', '/shop/kill/-']]) {
    it(`sends ${method} once, whatever becomes of it`, async () => {
      for (const [status, what] of [[502, (req) => req.socket.destroy()], [504, () => {}], [503, (req, res) => { res.statusCode = 503; res.end('full'); }]]) {
        answer = what;
        asked = 0;
        const a = await ask(port, target, { method, body: method === 'POST' ? '{"a":1}' : undefined });
        assert.equal(a.status, status, a.text);
        assert.equal(asked, 1, `${status}: it is sent ${asked} times`);
        if (status !== 503) assert.equal(JSON.parse(a.text).name, 'unavailable');
      }
    });
  }

  it('waits for what takes long, and for nothing else', async () => {
    answer = (req, res) => setTimeout(() => res.end('{}'), 600);
    for (const target of ['/shop/killall', '/shop/killsoid/u', '/shop/soapp?dt=600', '/shop/SOID/u/']) assert.equal((await ask(port, target)).status, 200, target);
    assert.equal((await ask(port, '/shop/get/-')).status, 504);
  });

  it('keeps its connections', async () => {
    answer = (req, res) => res.end('{}');
    await ask(port, '/shop/get/-');
    connections = 0;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const began = Date.now();
    for (let i = 0; i < 100; i++) assert.equal((await ask(port, '/shop/get/-', { agent })).status, 200);
    agent.destroy();
    // A health check is a connection, one each half a second to either.
    const checks = 2 * (Math.ceil((Date.now() - began) / 500) + 1);
    assert.ok(connections <= checks + 8, `100 requests took ${connections} connections, ${checks} of them checks at most`);
  });
});
