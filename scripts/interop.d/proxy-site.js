'use strict';
// What tests of a proxy have around it: a site, which answers with the request that it got;
// our server, with keys for the site and for the proxy; and the Redis below it. They are
// there from before the tests of a file until after them. scripts/interop builds the server:
//
//   INTEROP_PROGRAM     our server

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { after, before } = require('node:test');

const { Server } = require('./fleet-servers.js');
const { ask, freePorts, run: runProgram, stop } = require('./programs.js');

const examples = path.join(__dirname, '..', '..', 'examples');
const key = 'auth-0123456789abcdefghijklmnopqrstuvwxyz';
const siteKey = 'site-0123456789abcdefghijklmnopqrstuvwxyz';
const children = [];
const servers = []; // each with the process that it has last
// tmp is a directory, redis a process, server one of ours, site what a proxy protects;
// keysFile has the server's keys, and served the requests that the site got.
const around = { served: [] };
let redisPort;

// run starts a program that listens on a port.
const run = async (port, command, args, env = {}) => {
  const child = await runProgram(port, command, args, { env: { HOME: around.tmp, ...env } });
  children.push(child);
  return child;
};

// newServer starts one of our servers.
const newServer = async (env = {}) => {
  const server = new Server(process.env.INTEROP_PROGRAM, {
    RS_REDISPORT: String(redisPort), RS_NAMESPACE: 'proxies', RS_API_KEYS_FILE: around.keysFile, ...env,
  });
  await server.start();
  servers.push(server);
  return server;
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

const create = async (id, d) => {
  const headers = { 'Content-Type': 'application/json' };
  const a = await ask(around.server.port, `/shop/create/${encodeURIComponent(id)}?ip=::1`, { method: 'PUT', headers, body: JSON.stringify(d), key: siteKey });
  assert.equal(a.status, 200, a.text);
  return JSON.parse(a.text).token;
};
const kill = (token) => ask(around.server.port, `/shop/kill/${token}`, { method: 'DELETE', key: siteKey });
const cookie = (token) => ({ Cookie: `lang=en; sid=${token}` });

before(async () => {
  around.tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'proxies-'));
  [redisPort] = await freePorts(1);
  around.redis = await run(redisPort, 'redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', around.tmp]);
  around.keysFile = path.join(around.tmp, 'keys');
  fs.writeFileSync(around.keysFile, `site:${siteKey} proxy@shop!auth:${key}`);
  around.server = await newServer();
  around.site = http.createServer((req, res) => {
    let body = '';
    req.setEncoding('utf8');
    req.on('data', (chunk) => { body += chunk; });
    req.on('end', () => {
      around.served.push(req.url);
      res.end(JSON.stringify({ method: req.method, url: req.url, headers: req.headers, body }));
    });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => { around.site.once('listening', resolve); });
});

after(async () => {
  await stop([...children, ...servers.map((server) => server.child)]);
  around.site.closeAllConnections?.();
  around.site.close();
  fs.rmSync(around.tmp, { recursive: true });
});

module.exports = { around, cookie, create, example, examples, key, kill, newServer, run, siteKey };
