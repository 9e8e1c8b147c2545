'use strict';
// What near reads may answer, and when they are counted, as docs/near-reads.md promises:
// never what was before a change of the same server; what was before another's for 200 ms
// at most; before Node's, which publishes nothing here, for RS_CACHE. Reads are counted
// within RS_CACHE; a server that is killed loses those that it has not counted.

const leaseMs = 200;
const longestMs = 1000; // more than any RS_CACHE here
const slackMs = 150; // for the flush and its way, on a machine that is busy

// acknowledged is a change of op's, as of now. life is the process that answered.
const acknowledged = ({ by, life }) => ({ by, life, ms: Date.now() });

// unseen reports whether op may be answered from before a change that was acknowledged.
const unseen = (op, change) => op.near > 0 && op.life !== change.life &&
  op.ms - change.ms <= (change.by === 'ours' ? leaseMs : op.near);

// flushMs is after how long all is counted by servers with that RS_CACHE.
const flushMs = (near) => (near > 0 ? near + slackMs : 0);

// Reads are those of a session.
class Reads {
  constructor() {
    this.sent = 0;
    this.acked = 0; // certainly counted, and seen by all
    this.recent = []; // acknowledged: {life, token, due, second}; due is when Redis has counted it
    this.lastDue = -Infinity;
  }

  // answered takes note of a get that was.
  answered(op) {
    const due = Date.now() + flushMs(op.near);
    this.recent.push({ life: op.life, token: op.token, near: op.near, due, second: op.near ? op.second - 1 : -Infinity });
    if (op.near) this.lastDue = due;
  }

  // seen is how many op must find counted: those by its own server and token, and those that Redis
  // had counted before the oldest answer that op may get from memory.
  seen(op) {
    return this.acked + this.recent.filter(({ life, token, due }) => life && life === op.life && token === op.token || due <= op.ms - op.near).length;
  }

  // settle forgets what was lost by a kill, and returns the latest second of what is due.
  // What all see of it is then certain; at rest that is all.
  settle(now, atRest) {
    let second = -Infinity;
    this.recent = this.recent.filter((read) => {
      if (read.near && read.life.killed < read.due) return false;
      if (read.due > now) return true;
      second = Math.max(second, read.second);
      if (!atRest && now - read.due < longestMs) return true;
      this.acked++;
      return false;
    });
    return second;
  }
}

module.exports = { acknowledged, unseen, flushMs, Reads };
