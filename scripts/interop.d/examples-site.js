'use strict';
// A site of examples/ with a Redis and a server of its own, between them a gateway.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

const { Browser } = require('./browser.js');
const { Server } = require('./fleet-servers.js');
const { Gateway } = require('./gateway.js');
const { freePorts, run, stop, ask } = require('./programs.js');

const siteKey = 'site-0123456789abcdefghijklmnopqrstuvwxyz';
const testKey = 'test-0123456789abcdefghijklmnopqrstuvwxyz';

class Site {
  constructor(name, row) {
    this.name = name;
    this.row = row;
  }

  async start() {
    this.tmp = fs.mkdtempSync(path.join(os.tmpdir(), `example-${this.name}-`));
    [this.redisPort, ...this.ports] = await freePorts(1 + (this.row.processes ?? 1));
    await this.startRedis();
    this.keysFile = path.join(this.tmp, 'keys');
    fs.writeFileSync(this.keysFile, `test:${testKey} site@shop!web:${siteKey}`);
    this.server = new Server(process.env.INTEROP_PROGRAM, {
      RS_REDISPORT: String(this.redisPort), RS_API_KEYS_FILE: this.keysFile,
    });
    await this.server.start();
    this.gateway = new Gateway(this.server);
    await this.gateway.start();
    this.children = await Promise.all(this.ports.map((port) => this.#startProcess(port)));
  }

  #startProcess(port) {
    const { command, args, env, dir = this.name } = this.row;
    return run(port, command, args(port), {
      cwd: path.join(__dirname, '..', '..', 'examples', dir),
      env: { HOME: this.tmp, PORT: String(port), SESSIONS_URL: this.gateway.url, SESSIONS_KEY: siteKey, ...env },
    });
  }

  async startRedis() {
    const args = ['--port', String(this.redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', this.tmp];
    this.redis = await run(this.redisPort, 'redis-server', args);
  }

  async stop() {
    await stop([...this.children ?? [], this.server?.child, this.redis].filter(Boolean));
    await this.gateway?.stop();
    fs.rmSync(this.tmp, { recursive: true });
  }

  // browser returns one without a cookie, loggedIn one in which a user has logged in.
  browser(headers) { return new Browser(this.ports[0], headers, this.children[0].log); }

  async loggedIn(user) {
    const browser = this.browser();
    await browser.login(user);
    return browser;
  }

  // sibling returns a browser with the cookie of another, which asks another process of the site.
  sibling(browser) {
    const i = (this.siblings = (this.siblings ?? 0) + 1) % this.ports.length;
    return Object.assign(new Browser(this.ports[i], {}, this.children[i].log), { token: browser.token });
  }

  // text asks rest-sessions itself, and api for JSON.
  async text(method, target, token, body) {
    const headers = { ...token && { 'X-Session-Token': token }, ...body && { 'Content-Type': 'application/json' } };
    const a = await ask(this.server.port, target, { method, key: testKey, headers, body });
    assert.equal(a.status, 200, `${method} ${target}: ${a.text}`);
    return a.text;
  }

  async api(...request) { return JSON.parse(await this.text(...request)); }

  session(token) { return this.api('GET', '/shop/get/-?touch=false&with=handle,expires', token); }

  async sessionsOf(id) { return (await this.api('GET', `/shop/soid/${encodeURIComponent(id)}`)).sessions; }

  // setKeys changes the keys of rest-sessions, and waits until that of the site has a status.
  async setKeys(keys, status) {
    const before = fs.readFileSync(this.keysFile, 'utf8');
    fs.writeFileSync(this.keysFile, keys ?? before);
    this.server.child.kill('SIGHUP');
    const token = 'x'.repeat(64);
    await eventually('the keys are read', async () => {
      const a = await ask(this.server.port, '/shop/get/-', { key: siteKey, headers: { 'X-Session-Token': token } });
      return a.status === status;
    });
    return before;
  }
}

// eventually waits for something that is true soon.
const eventually = async (what, probe) => {
  for (const end = Date.now() + 30_000; !(await probe()); await sleep(20)) assert.ok(Date.now() < end, what);
};

module.exports = { Site, eventually, siteKey, testKey };
