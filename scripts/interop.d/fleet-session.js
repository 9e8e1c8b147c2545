'use strict';
// What is known of one session. Times are whole seconds; ticks order what clients
// send and hear.

const { createHash } = require('node:crypto');

const { acknowledged, unseen, lateness, Reads } = require('./fleet-near.js');

let ticks = 0;
const tick = () => ++ticks;
const now = () => Math.floor(Date.now() / 1000);

// valueOf is the value of a version of a key: some versions remove it.
const valueOf = (version) => (version % 5 === 0 ? undefined : version);

const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

// handleOf is the handle of a session by its first token, as docs/api.md says.
const handleOf = (first) => {
  let n = BigInt(`0x${createHash('sha1').update(`rest-sessions handle ${first}`).digest('hex').slice(0, 32)}`);
  let text = '';
  for (let i = 0; i < 22; i++) {
    text = base62[Number(n % 62n)] + text;
    n /= 62n;
  }
  return text;
};

// Token is one that a session has or had.
class Token {
  constructor(text) {
    this.text = text;
    this.retiredAt = Infinity; // the tick in which a rotation of it was acknowledged
    this.rotations = new Set(); // those sent and not known to have done nothing: {low, high}, the last second of the grace
    this.unsure = false; // Node may have spoilt what leads from it to the session
  }

  get current() { return this.rotations.size === 0; }

  get graceLow() { return Math.min(...[...this.rotations].map(({ low }) => low)); }

  get graceHigh() { return Math.max(...[...this.rotations].map(({ high }) => high)); }
}

// Register is a key of a session's data that one client writes.
class Register {
  constructor() {
    this.sent = 0;
    this.acked = 0;
    this.value = undefined; // of the version acked
    this.unknown = new Set();
    this.acks = []; // the latest, for reads that may be answered from before
  }

  // written takes note that op has written a version.
  written(op, version, value) {
    Object.assign(this, { acked: version, value });
    this.acks = [...this.acks.slice(-20), { version, value, ...acknowledged(op) }];
  }

  // seen is the latest version acknowledged that op sees for certain.
  seen(op) {
    if (!op.near) return { acked: this.acked, value: this.value };
    for (let i = this.acks.length - 1; i >= 0; i--) {
      const ack = this.acks[i];
      if (!unseen(op, ack)) return { acked: ack.version, value: ack.value };
    }
    return { acked: 0, value: undefined };
  }

  // mayBe reports whether a read that was sent when acked and value were those may
  // find a value.
  mayBe(value, { acked, value: then }) {
    if (value === then || this.unknown.has(value ?? null)) return true;
    for (let version = acked + 1; version <= this.sent; version++) if (valueOf(version) === value) return true;
    return false;
  }
}

class Session {
  constructor(serial, fields) {
    Object.assign(this, { serial, ...fields }); // app, id, ip, ttl, no_resave, max_age, max_sessions, shared
    this.tokens = [];
    this.createdAt = Infinity; // ticks
    this.endedAt = Infinity; // known to be gone
    this.ends = []; // all that tells that it is gone
    this.endAckedAt = Infinity; // a kill was acknowledged
    this.creating = true;
    this.mayEnd = 0; // enders that were sent and may have ended it
    this.touching = 0; // touches in flight, or with an unknown outcome
    this.touchedAt = -1;
    this.rotating = 0; // rotations, the same
    this.rotatedAt = -1;
    this.bornLow = this.laLow = this.bornHigh = this.laHigh = now();
    this.endLow = this.endHigh = Infinity;
    this.reads = new Reads();
    this.writes = { acked: 0, sent: 0 };
    this.latest = []; // writes acknowledged
    this.counts = new Set(); // w of all sets answered
    this.registers = new Map();
    this.node = false; // Node has touched it
    this.unlisted = false; // see Model.meet
    this.ahead = 0; // seconds by which the clock went back since it began
    this.history = []; // for whoever must understand what went wrong
  }

  note(text) {
    this.history.push(`${tick()} ${text}`);
    if (this.history.length > 40) this.history.shift();
  }

  get token() { return this.tokens[this.tokens.length - 1]; }

  register(key) {
    if (!this.registers.has(key)) this.registers.set(key, new Register());
    return this.registers.get(key);
  }

  // read takes note of a get that found it.
  read(op) { this.reads.answered(op); }

  // written takes note of a set.
  written(op) {
    this.writes.acked++;
    this.latest = [...this.latest.slice(-40), acknowledged(op)];
  }

  // counted takes what is in Redis by now of reads that were counted late.
  counted(atRest = false) {
    const second = this.reads.settle(atRest);
    this.laLow = Math.max(this.laLow, second);
  }

  // view is what an operation that is sent now may rely on.
  view(op) {
    this.counted();
    return {
      reads: this.reads.seen(op),
      written: this.writes.acked,
      writes: this.writes.acked - this.latest.filter((change) => unseen(op, change)).length,
      registers: new Map([...this.registers].map(([key, register]) => [key, register.seen(op)])),
    };
  }

  // unexpired reports whether its time is not over for certain in a second. Node moves
  // the last activity only past one second of idle time, and its wiper takes what is in
  // its last second.
  unexpired(second) {
    let last = this.laLow + this.ttl - (this.node ? 2 : 0);
    // Node shortens a no_resave session when it reads it twice in a second.
    if (this.no_resave) last = this.node ? -Infinity : this.bornLow + this.ttl;
    // And its touch after the clock went back arms its wiper by that clock.
    if (this.node && this.ahead > 0) last = -Infinity;
    return Math.min(last, this.endLow) >= second;
  }

  // alive reports whether it is there for certain, until a second.
  alive(second) {
    return this.createdAt < Infinity && this.endedAt === Infinity && this.mayEnd === 0 && this.unexpired(second);
  }

  // over reports whether its time was over for certain in a second, for a side. own is
  // how many of the touches in flight are the asker's. Node knows of no max_age.
  over(second, by, own = 0) {
    if (by === 'ours' && this.endHigh < second) return true;
    if (this.touching > own) return false;
    if (this.no_resave) return !this.node && this.bornHigh + this.ttl < second;
    return this.laHigh + this.ttl < second;
  }

  // active reports whether a touch of it overlaps with an operation.
  active(op) { return this.touching > 0 || this.touchedAt > op.at || this.reads.lastDue + lateness() >= op.ms; }

  // rotated reports whether a rotation of it overlaps with an operation.
  rotated(op) { return this.rotating > 0 || this.rotatedAt > op.at; }

  step(seconds) {
    this.ahead += Math.max(0, -seconds);
    for (const name of ['bornLow', 'bornHigh', 'laLow', 'laHigh', 'endLow', 'endHigh']) this[name] -= seconds;
    for (const { rotations } of this.tokens) for (const rotation of rotations) { rotation.low -= seconds; rotation.high -= seconds; }
  }
}

module.exports = { Session, Token, tick, now, valueOf, handleOf };
