'use strict';
// Programs that a test starts on free ports, asks, and ends.

const http = require('node:http');
const net = require('node:net');
const { spawn } = require('node:child_process');
const { setTimeout: sleep } = require('node:timers/promises');

// freePorts returns n ports that are free together, on all addresses. They are below those that
// Linux gives to connections: one of these could take them before they are used.
const freePorts = async (n) => {
  const free = () => new Promise((resolve) => {
    const listener = net.createServer();
    listener.once('error', () => resolve(free()));
    listener.listen(16_384 + Math.floor(Math.random() * 16_000), () => resolve(listener));
  });
  const listeners = await Promise.all(Array.from({ length: n }, free));
  const ports = listeners.map((listener) => listener.address().port);
  await Promise.all(listeners.map((listener) => new Promise((resolve) => { listener.close(resolve); })));
  return ports;
};

// run starts a program that listens on a port, and waits until it does. log() of the
// child is what it has written to standard error.
const run = async (port, command, args, { env = {}, cwd, wait = 60_000 } = {}) => {
  const child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '', failure;
  child.log = () => log;
  child.stderr.on('data', (text) => { log += text; });
  child.once('error', (err) => { failure = err; });
  child.once('exit', () => { failure ??= new Error('it ended'); });
  for (const end = Date.now() + wait; ; await sleep(20)) {
    if (failure || Date.now() > end) {
      child.kill('SIGKILL');
      throw new Error(`${command} does not listen: ${failure}\n${log}`);
    }
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
      socket.once('error', () => resolve(false));
    });
    if (open) return child;
  }
};

// stop ends programs and waits until they are gone.
const stop = async (children, signal = 'SIGTERM') => {
  const gone = children.map((child) => child.exitCode ?? child.signalCode ?? new Promise((resolve) => { child.once('exit', resolve); }));
  for (const child of children) {
    child.kill('SIGCONT');
    child.kill(signal);
  }
  await Promise.all(gone);
};

// ask sends a request and returns status, headers and text of the answer.
const ask = (port, target, { method = 'GET', headers = {}, body, key, agent = false } = {}) => new Promise((resolve, reject) => {
  const all = { ...headers };
  if (key) all.Authorization = `Bearer ${key}`;
  if (body !== undefined) all['Content-Length'] = Buffer.byteLength(body);
  const req = http.request({ host: '127.0.0.1', port, method, path: target, headers: all, agent }, (res) => {
    let text = '';
    res.setEncoding('utf8');
    res.on('data', (chunk) => { text += chunk; });
    res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
    res.on('error', reject);
  });
  req.on('error', reject);
  req.setTimeout(15_000, () => req.destroy(new Error(`${method} ${target}: no answer`)));
  req.end(body);
});

module.exports = { freePorts, run, stop, ask };
