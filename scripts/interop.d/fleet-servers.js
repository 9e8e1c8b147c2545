'use strict';
// A fleet: processes of our server that are killed and started again, and what a
// client hears from them. A request is answered, or refused, which means that no
// server had it, or its outcome is unknown: the server died, or said 503.

const { spawn } = require('node:child_process');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');

const { clock } = require('./fleet-near.js');

const refusals = new Set(['ECONNREFUSED']);

class Server {
  constructor(program, env, near = 0) {
    this.program = program;
    this.env = env;
    this.near = near; // RS_CACHE in ms, 0 for none
  }

  // start starts the process and waits until it serves.
  async start() {
    const child = spawn(this.program, [], {
      env: { PATH: process.env.PATH, RS_HOST: '127.0.0.1', RS_PORT: '0', RS_LOGLEVEL: 'none', ...(this.near && { RS_CACHE: `${this.near}ms` }), ...this.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.child = child;
    // What of near reads is known of this process: killed is when it was, by clock().
    this.life = { near: this.near, killed: Infinity };
    this.gone = new Promise((resolve) => { child.once('exit', resolve); });
    let log = '';
    this.port = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`a server ended at its start: ${log}`)));
      child.stderr.on('data', (text) => {
        log += text;
        const found = /listens on http:\/\/127\.0\.0\.1:(\d+),/.exec(log);
        if (found) resolve(Number(found[1]));
      });
    });
    // A new process has a new port, and so no connection to an old one.
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
    for (let ready = {}; ready.status !== 200; ready = await this.request('GET', '/readyz')) await sleep(5);
  }

  // kill kills it by SIGKILL, in whatever it is doing.
  async kill() {
    this.life.killed = clock();
    this.child.kill('SIGKILL');
    await this.gone;
    this.agent.destroy();
  }

  // halt has it stand still for a time.
  async halt(ms) {
    this.child.kill('SIGSTOP');
    await sleep(ms);
    this.child.kill('SIGCONT');
  }

  // stop ends it as Ctrl-C does.
  async stop() {
    this.child.kill('SIGINT');
    await this.gone;
    this.agent.destroy();
  }

  // request resolves to a status and a text, or to a refusal, or to neither.
  request(method, path, body) {
    return new Promise((resolve) => {
      const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
      const req = http.request({ host: '127.0.0.1', port: this.port, method, path, agent: this.agent, headers }, (res) => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (chunk) => { text += chunk; });
        res.on('end', () => resolve(res.complete ? { status: res.statusCode, text } : {}));
        res.on('error', () => resolve({}));
      });
      req.on('error', (err) => resolve({ refused: refusals.has(err.code) }));
      req.setTimeout(10_000, () => req.destroy(new Error('no answer')));
      req.end(body);
    });
  }

  // metric returns one of near reads.
  async metric(name) {
    const { text } = await this.request('GET', '/metrics');
    return Number(new RegExp(`^rest_sessions_cache_${name} (\\d+)`, 'm').exec(text)[1]);
  }

  // call is request for an answer that is JSON: {answer}, {refused} or {}.
  async call(method, path, body) {
    const { status, text, refused } = await this.request(method, path, body);
    if (status === 200) return { answer: JSON.parse(text) };
    if (status !== undefined && status !== 503) throw new Error(`${method} ${path}: ${status} ${text}`);
    return { refused };
  }
}

const part = encodeURIComponent;

// ours makes the operations of a server.
const ours = (server) => ({
  name: 'ours',
  life: server.life,
  create: ({ app, id, ip, ttl, d, no_resave, max_age, max_sessions }) => {
    const query = new URLSearchParams({ ip, ttl });
    if (no_resave) query.set('no_resave', 'true');
    if (max_age) query.set('max_age', max_age);
    if (max_sessions) query.set('max_sessions', max_sessions);
    return server.call('PUT', `/${app}/create/${part(id)}?${query}`, JSON.stringify(d));
  },
  get: (app, token) => server.call('GET', `/${app}/get/${token}`),
  set: (app, token, d) => server.call('POST', `/${app}/set/${token}`, JSON.stringify(d)),
  touch: (app, token) => server.call('POST', `/${app}/touch/${token}?with=handle`),
  peek: (app, token) => server.call('GET', `/${app}/get/${token}?touch=false&with=handle,created`),
  move: (app, token, id) => server.call('POST', `/${app}/rotate/${token}?id=${part(id)}&with=handle`),
  killhandle: (app, id, handle) => server.call('DELETE', `/${app}/killsoid/${part(id)}?handle=${handle}`),
  rotate: (app, token, grace) => server.call('POST', `/${app}/rotate/${token}?grace=${grace}`),
  kill: (app, token) => server.call('DELETE', `/${app}/kill/${token}`),
  killsoid: (app, id, except) => server.call('DELETE', `/${app}/killsoid/${part(id)}${except ? `?except=${except}` : ''}`),
  killall: (app) => server.call('DELETE', `/${app}/killall`),
  soid: (app, id) => server.call('GET', `/${app}/soid/${part(id)}`),
  soapp: (app, dt) => server.call('GET', `/${app}/soapp?dt=${dt}`),
  pageOfApp: (app, dt, cursor) => server.call('GET', `/${app}/soapp?dt=${dt}&limit=7${cursor ? `&cursor=${cursor}` : ''}`),
  activity: (app, dt) => server.call('GET', `/${app}/activity?dt=${dt}`),
});

// node makes the same of a client of redis-sessions, which always answers.
const node = (client) => {
  const answer = (promise) => promise.then((value) => ({ answer: value }));
  return {
    name: 'node',
    create: (session) => answer(client.create(session).then((token) => ({ token }))),
    get: (app, token) => answer(client.get(app, token)),
    set: (app, token, d) => answer(client.set(app, token, d)),
    kill: (app, token) => answer(client.kill(app, token).then((kill) => ({ kill }))),
    killsoid: (app, id) => answer(client.killsoid(app, id).then((kill) => ({ kill }))),
    killall: (app) => answer(client.killall(app).then((kill) => ({ kill }))),
    soid: (app, id) => answer(client.soid(app, id).then((sessions) => ({ sessions }))),
    soapp: (app, dt) => answer(client.soapp(app, dt).then((sessions) => ({ sessions }))),
    activity: (app, dt) => answer(client.activity(app, dt).then((activity) => ({ activity }))),
    // _wipe does not say when it has ended. Its three steps go through one connection,
    // and so does what is asked three times behind them.
    wipe: async (app) => {
      client.wipe();
      for (let i = 0; i < 4; i++) await client.activity(app, 10);
    },
  };
};

module.exports = { Server, ours, node };
