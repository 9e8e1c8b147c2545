'use strict';
// The two kinds of server as the tests speak to them: ours over REST, and the
// Node module in this process. Both answer with the same objects.

const assert = require('node:assert/strict');
const http = require('node:http');
const redis = require('redis');

// redis-sessions opens a second connection for its cache and keeps it to itself;
// an open one would keep this process alive. So all are noted, to be ended.
const clients = [];
const { createClient } = redis;
redis.createClient = (...args) => {
  const client = createClient(...args);
  clients.push(client);
  return client;
};
const RedisSessions = require('redis-sessions');

const redisPort = Number(process.env.INTEROP_REDIS_PORT);

// raw sends commands to Redis itself, to look at keys: raw('zscore', key, member).
const rawClient = redis.createClient(redisPort, '127.0.0.1');
const raw = (command, ...args) => new Promise((resolve, reject) => {
  rawClient.send_command(command, args, (err, reply) => (err ? reject(err) : resolve(reply)));
});

const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });

// request sends the path as it is: fetch would fold a segment "..", which is a
// valid id.
const request = (port, method, path, body) => new Promise((resolve, reject) => {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const req = http.request({ host: '127.0.0.1', port, method, path, agent, headers }, (res) => {
    const chunks = [];
    res.on('data', (chunk) => chunks.push(chunk));
    res.on('end', () => resolve({ status: res.statusCode, text: Buffer.concat(chunks).toString() }));
    res.on('error', reject);
  });
  req.on('error', reject);
  req.setTimeout(20_000, () => req.destroy(new Error(`${method} ${path}: no answer within 20 s`)));
  req.end(body);
});

// ours returns a client of our server on a port.
const ours = (port) => {
  const call = async (method, path, body) => {
    const { status, text } = await request(port, method, path, body);
    assert.equal(status, 200, `${method} ${path}: ${status} ${text}`);
    return JSON.parse(text);
  };
  const part = encodeURIComponent;
  return {
    name: 'ours',
    ready: async () => (await request(port, 'GET', '/readyz')).status === 200,
    create: async ({ app, id, ip, ttl, d, no_resave, max_age, max_sessions }) => {
      const query = new URLSearchParams({ ip });
      if (ttl !== undefined) query.set('ttl', ttl);
      if (max_age !== undefined) query.set('max_age', max_age);
      if (max_sessions !== undefined) query.set('max_sessions', max_sessions);
      if (no_resave) query.set('no_resave', 'true');
      const body = d === undefined ? undefined : JSON.stringify(d);
      return (await call('PUT', `/${app}/create/${part(id)}?${query}`, body)).token;
    },
    get: (app, token) => call('GET', `/${app}/get/${token}`),
    set: (app, token, d) => call('POST', `/${app}/set/${token}`, typeof d === 'string' ? d : JSON.stringify(d)),
    kill: async (app, token) => (await call('DELETE', `/${app}/kill/${token}`)).kill,
    killsoid: async (app, id) => (await call('DELETE', `/${app}/killsoid/${part(id)}`)).kill,
    killothers: async (app, id, except) => (await call('DELETE', `/${app}/killsoid/${part(id)}?except=${except}`)).kill,
    rotate: async (app, token, grace) => (await call('POST', `/${app}/rotate/${token}?grace=${grace}`)).token,
    killall: async (app) => (await call('DELETE', `/${app}/killall`)).kill,
    activity: async (app, dt) => (await call('GET', `/${app}/activity?dt=${dt}`)).activity,
    soapp: async (app, dt) => (await call('GET', `/${app}/soapp?dt=${dt}`)).sessions,
    soid: async (app, id) => (await call('GET', `/${app}/soid/${part(id)}`)).sessions,
  };
};

// theirs returns an instance of redis-sessions. Without options it neither wipes
// by itself nor caches.
const theirs = (namespace, options = {}) => {
  const rs = new RedisSessions({ port: redisPort, host: '127.0.0.1', namespace, wipe: 0, ...options });
  const call = (name, args) => new Promise((resolve, reject) => {
    rs[name](args, (err, reply) => (err ? reject(err) : resolve(reply)));
  });
  return {
    name: 'theirs',
    create: async (session) => (await call('create', { ...session })).token,
    get: (app, token) => call('get', { app, token }),
    set: (app, token, d) => call('set', { app, token, d: { ...d } }),
    kill: async (app, token) => (await call('kill', { app, token })).kill,
    killsoid: async (app, id) => (await call('killsoid', { app, id })).kill,
    killall: async (app) => (await call('killall', { app })).kill,
    activity: async (app, dt) => (await call('activity', { app, dt })).activity,
    soapp: async (app, dt) => (await call('soapp', { app, dt })).sessions,
    soid: async (app, id) => (await call('soid', { app, id })).sessions,
    wipe: () => rs._wipe(),
    quit: () => rs.quit(),
  };
};

// end closes all connections of this process.
const end = () => {
  agent.destroy();
  for (const client of clients) client.end(false);
};

module.exports = { ours, theirs, raw, end };
