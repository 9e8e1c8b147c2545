'use strict';
// What near reads may answer, and when they are counted, as docs/near-reads.md promises:
// never what was before a change of the same server; what was before another's for 200 ms
// at most; before Node's, which publishes nothing here, for RS_CACHE. Reads are counted
// within RS_CACHE; a server that is killed loses those that it has not counted.
//
// The first three hold as they are, without a margin: a change was made before its
// acknowledgement is read here, and a server decides on a near answer after its request was
// sent from here; both clocks are this machine's monotonic one. When a read is counted is not
// seen from here: the call for it may be as late as the slowest get of a near server.

const leaseMs = 200;
const longestMs = 1000; // more than any RS_CACHE here

const clock = () => performance.now();

// flights are the gets of near servers in flight, and slowest is how long one took, in ms.
const flights = new Set();
let slowest = 0;
const begun = (op) => { if (op.near > 0) flights.add(op); };
const answered = (op) => { if (flights.delete(op)) slowest = Math.max(slowest, clock() - op.ms); };

// lateness is by how much a count that is due may be late on this machine.
const lateness = () => {
  const [oldest] = flights;
  return Math.max(slowest, oldest ? clock() - oldest.ms : 0);
};

// acknowledged is a change of op's, as of now. life is the process that answered.
const acknowledged = ({ by, life }) => ({ by, life, ms: clock() });

// unseen reports whether op may be answered from before a change that was acknowledged.
const unseen = (op, change) => op.near > 0 && op.life !== change.life &&
  op.ms - change.ms < (change.by === 'ours' ? leaseMs : op.near);

// Reads are those of a session.
class Reads {
  constructor() {
    this.sent = 0;
    this.acked = 0; // certainly counted, and seen by all
    this.recent = []; // acknowledged: {life, token, due, second}; due is when Redis has counted it, but for lateness
    this.lastDue = -Infinity;
  }

  // answered takes note of a get that was.
  answered(op) {
    const due = clock() + op.near;
    this.recent.push({ life: op.life, token: op.token, near: op.near, due, second: op.near ? op.second - 1 : -Infinity });
    if (op.near) this.lastDue = due;
  }

  // seen is how many op must find counted: those by its own server and token, and those that Redis
  // had counted before the oldest answer that op may get from memory.
  seen(op) {
    const late = lateness();
    const counted = ({ near, due }) => due + (near && late) <= op.ms - op.near;
    return this.acked + this.recent.filter((read) => read.life && read.life === op.life && read.token === op.token || counted(read)).length;
  }

  // settle forgets what was lost by a kill, and returns the latest second of what is due.
  // What all see of it is then certain; at rest that is all.
  settle(atRest) {
    let second = -Infinity;
    const [now, late] = [clock(), lateness()];
    this.recent = this.recent.filter((read) => {
      const due = read.due + (read.near && late);
      if (read.near && read.life.killed < due) return false;
      if (due > now && !atRest) return true;
      second = Math.max(second, read.second);
      if (!atRest && now - due < longestMs) return true;
      this.acked++;
      return false;
    });
    return second;
  }
}

module.exports = { leaseMs, clock, begun, answered, lateness, acknowledged, unseen, Reads };
