'use strict';
// Real nginx and real Caddy ask our server before they serve a page, each by its file
// under examples/ as it is, but for the ports. A visitor without a session is sent to
// /login, and only such a one; when nothing is known of him he is neither sent there nor
// served. Run by scripts/interop, which builds the server:
//
//   INTEROP_PROGRAM     our server

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { Server } = require('./fleet-servers.js');
const programs = require('./programs.js');

const { freePorts, stop, ask } = programs;

const examples = path.join(__dirname, '..', '..', 'examples');
const key = 'auth-0123456789abcdefghijklmnopqrstuvwxyz';
const siteKey = 'site-0123456789abcdefghijklmnopqrstuvwxyz';
const children = [];
let tmp, redis, redisPort, server, site, keysFile;
let served = []; // requests that the site got

// run starts a program that listens on a port.
const run = async (port, command, args, env = {}) => {
  const child = await programs.run(port, command, args, { env: { HOME: tmp, ...env } });
  children.push(child);
  return child;
};

// example returns one of the examples with other ports.
const example = (file, ports) => {
  let text = fs.readFileSync(path.join(examples, file), 'utf8');
  for (const [from, to] of Object.entries(ports)) {
    assert.equal(text.split(from).length, 2, `${file} has ${from} once`);
    text = text.replace(from, to);
  }
  return text;
};

const proxies = {
  nginx: {
    down: 500,
    start: async (port, upstreams) => {
      const dir = path.join(tmp, 'nginx');
      fs.mkdirSync(dir);
      fs.writeFileSync(path.join(dir, 'site.conf'), example('nginx/site.conf', { 'listen 8080;': `listen 127.0.0.1:${port};`, ...upstreams }));
      fs.writeFileSync(path.join(dir, 'rest-sessions-key.conf'), `proxy_set_header Authorization "Bearer ${key}";\n`);
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
      // Its user must reach the directory, which is this process' own.
      fs.writeFileSync(path.join(dir, 'nginx.conf'), `${process.getuid() === 0 ? 'user root; ' : ''}daemon off; pid ${dir}/pid; error_log stderr;
        events {} http { access_log off; ${temp} include site.conf; }\n`);
      await run(port, 'nginx', ['-p', dir, '-c', path.join(dir, 'nginx.conf')]);
    },
  },
  caddy: {
    down: 503,
    start: async (port, upstreams) => {
      const file = path.join(tmp, 'Caddyfile');
      fs.writeFileSync(file, `{\n\tadmin off\n}\n${example('caddy/Caddyfile', { 'http://:8080': `http://127.0.0.1:${port}`, ...upstreams })}`);
      await run(port, 'caddy', ['run', '--config', file, '--adapter', 'caddyfile'], { RS_AUTH_KEY: key });
    },
  },
};

const create = async (id, d) => {
  const headers = { 'Content-Type': 'application/json' };
  const a = await ask(server.port, `/shop/create/${encodeURIComponent(id)}?ip=::1`, { method: 'PUT', headers, body: JSON.stringify(d), key: siteKey });
  assert.equal(a.status, 200, a.text);
  return JSON.parse(a.text).token;
};
const kill = (token) => ask(server.port, `/shop/kill/${token}`, { method: 'DELETE', key: siteKey });
const cookie = (token) => ({ Cookie: `lang=en; sid=${token}` });

before(async () => {
  tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'proxies-'));
  [redisPort] = await freePorts(1);
  redis = await run(redisPort, 'redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', tmp]);
  keysFile = path.join(tmp, 'keys');
  fs.writeFileSync(keysFile, `site:${siteKey} proxy@shop!auth:${key}`);
  server = new Server(process.env.INTEROP_PROGRAM, {
    RS_REDISPORT: String(redisPort), RS_NAMESPACE: 'proxies', RS_TIMEOUT: '300ms', RS_API_KEYS_FILE: keysFile,
  });
  await server.start();
  children.push(server.child);
  site = http.createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8');
    req.on('data', (chunk) => { body += chunk; });
    req.on('end', () => {
      served.push(req.url);
      res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body }));
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => { site.once('listening', resolve); });
});

after(async () => {
  await stop(children);
  site.closeAllConnections?.();
  site.close();
  fs.rmSync(tmp, { recursive: true });
});

for (const [name, proxy] of Object.entries(proxies)) {
  describe(name, () => {
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
      served = [];
      const a = await page('/account/orders', { headers });
      assert.equal(a.status, status, a.text);
      assert.equal(a.headers.location, status === 302 ? '/login' : undefined);
      assert.deepEqual(served, [], 'the site is not asked');
    };

    before(async () => {
      [port] = await freePorts(1);
      await proxy.start(port, { '127.0.0.1:3000': `127.0.0.1:${server.port}`, '127.0.0.1:9000': `127.0.0.1:${site.address().port}` });
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

    it('sends who has no session to the login', async () => {
      const dead = await create('user', {});
      const other = await create('user', {});
      await kill(dead);
      await notServed(cookie(dead));
      await notServed({});
      await notServed({ Cookie: 'lang=en' });
      for (const malformed of ['', 'x', `${dead}x`, dead.slice(1), '-', '../../shop/killall', '%00']) await notServed(cookie(malformed));
      await notServed({ Cookie: `sid=${other}; sid=${dead}` });
    });

    it('neither serves nor sends to the login while nothing is known', async () => {
      const token = await create('user', {});
      const dead = await create('user', {});
      await kill(dead);
      await whoIs(token);
      redis.kill('SIGSTOP');
      try {
        for (let i = 0; i < 3; i++) {
          await notServed(cookie(token), proxy.down);
          await notServed(cookie(dead), proxy.down);
        }
      } finally {
        redis.kill('SIGCONT');
      }
      for (const end = Date.now() + 10_000; (await page('/account/', { headers: cookie(token) })).status !== 200;) {
        assert.ok(Date.now() < end, 'it serves again');
        await sleep(20);
      }
      await notServed(cookie(dead));
    });

    it('takes a key that is not right for an error, not for a visitor without a session', async () => {
      const token = await create('user', {});
      const keys = fs.readFileSync(keysFile, 'utf8');
      const reload = async (text, status) => {
        fs.writeFileSync(keysFile, text);
        server.child.kill('SIGHUP');
        const probe = () => ask(server.port, '/shop/auth', { key, headers: { 'X-Session-Token': token } });
        for (const end = Date.now() + 10_000; (await probe()).status !== status; await sleep(20)) assert.ok(Date.now() < end, 'the keys are read');
      };
      await reload(`site:${siteKey} proxy@blog!auth:${key}`, 403);
      await notServed(cookie(token), 403);
      await reload(`site:${siteKey}`, 403);
      await notServed(cookie(token), 403);
      await reload(keys, 200);
      await whoIs(token);
    });
  });
}

// After the others: a server that starts again has another port.
describe('a server that is gone', () => {
  it('is an error to both', async () => {
    const ports = await freePorts(2);
    const [nobody] = await freePorts(1);
    fs.rmSync(path.join(tmp, 'nginx'), { recursive: true });
    for (const [i, [name, proxy]] of Object.entries(proxies).entries()) {
      await proxy.start(ports[i], { '127.0.0.1:3000': `127.0.0.1:${nobody}`, '127.0.0.1:9000': `127.0.0.1:${site.address().port}` });
      served = [];
      const a = await ask(ports[i], '/account/', { headers: cookie('x'.repeat(64)) });
      assert.equal(a.status, { nginx: 500, caddy: 502 }[name], a.text);
      assert.deepEqual(served, []);
    }
  });
});
