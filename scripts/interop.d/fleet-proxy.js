'use strict';
// A proxy between servers and Redis. The connections that subscribe it cuts, holds or slows
// when told to; all others it passes on.

const { once } = require('node:events');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');

// Subscriber is a connection that subscribes: what Redis says on it comes in order, late.
class Subscriber {
  constructor(client, proxy) {
    Object.assign(this, { client, proxy, queue: [] });
  }

  // take takes what Redis has said.
  take(chunk) {
    this.queue.push({ at: performance.now(), chunk });
    this.pass();
  }

  // pass passes on what is due.
  pass() {
    clearTimeout(this.timer);
    while (this.queue.length > 0 && !this.proxy.held && !this.client.destroyed) {
      const wait = this.queue[0].at + this.proxy.delay - performance.now();
      if (wait > 0) {
        this.timer = setTimeout(() => this.pass(), wait);
        return;
      }
      this.client.write(this.queue.shift().chunk);
    }
  }
}

class Proxy {
  constructor(port) {
    this.redis = port;
    this.subscribers = new Set();
    this.sockets = new Set();
    this.delay = 0; // ms
    this.held = false;
  }

  async start() {
    this.listener = net.createServer({ noDelay: true }, (client) => this.#accept(client));
    await once(this.listener.listen(0, '127.0.0.1'), 'listening');
    this.port = this.listener.address().port;
  }

  stop() {
    this.listener.close();
    for (const socket of this.sockets) socket.destroy();
  }

  // hold has subscribers hear nothing for a time, and then all at once.
  async hold(ms) {
    this.held = true;
    await sleep(ms);
    this.held = false;
    this.#pass();
  }

  // slow has subscribers hear all late by delay, for a time.
  async slow(delay, ms) {
    this.delay = delay;
    await sleep(ms);
    this.delay = 0;
    this.#pass();
  }

  #pass() {
    for (const each of this.subscribers) each.pass();
  }

  // cut ends the connections that subscribe, and returns how many.
  cut() {
    const n = this.subscribers.size;
    for (const { client } of this.subscribers) client.destroy();
    return n;
  }

  #accept(client) {
    const redis = net.connect({ port: this.redis, host: '127.0.0.1', noDelay: true });
    let subscriber;
    client.on('data', (chunk) => {
      if (!subscriber && /\r\nS?SUBSCRIBE\r\n/.test(chunk.toString('latin1'))) {
        subscriber = new Subscriber(client, this);
        this.subscribers.add(subscriber);
      }
      redis.write(chunk);
    });
    redis.on('data', (chunk) => (subscriber ? subscriber.take(chunk) : client.write(chunk)));
    for (const [socket, other] of [[client, redis], [redis, client]]) {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        other.destroy();
        this.sockets.delete(socket);
        this.subscribers.delete(subscriber);
      });
    }
  }
}

module.exports = { Proxy };
