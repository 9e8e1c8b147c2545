'use strict';
// What is known of all sessions, by what was sent and acknowledged. An answer is
// wrong only if no order of what was in flight explains it.
//
// Node does each of its operations in two steps or more, and what happens between
// them it does not see. That is where its limits come from, and the model allows them:
//
//   - A read or a set of Node's that meets the end of a session, or its rotation,
//     between its steps counts for nobody, and leaves a hash without id and entries in
//     the indexes, until a wiper takes them: ghosts.
//   - A kill, killsoid or killall of Node's that meets a rotation between its steps ends
//     nothing but the grace of the old token.
//   - killall of Node's deletes the sets of its users: a session that begins or is rotated
//     between its steps is in no list of its user: unlisted.
//   - A kill of Node's takes a user out of the activity last, even if the user's next
//     session has begun: uncounted.
//   - Node's wiper takes a session that Node was the last to touch in its last second, even
//     if it is touched between the wiper's steps.
//   - When the clock has gone back, Node's touch arms the wiper by that clock, and so ends
//     a session before the time that its last activity gives it.
//   - Node's wiper and killall leave entries of ids with a colon behind.

const { clock, begun, answered, acknowledged, unseen } = require('./fleet-near.js');
const { Session, Token, tick, now, valueOf, handleOf } = require('./fleet-session.js');

const sweeps = new Set(['killsoid', 'killall']);

class Model {
  constructor() {
    this.sessions = new Map(); // by serial, without those that were gone long ago
    this.byToken = new Map(); // "app:token"
    this.enders = new Set(); // in flight
    this.ghosts = new Set(); // "app:token"
    this.uncounted = new Set(); // "app:id"
    this.colons = new Set(); // "app:id" of ids that Node does not clean up
    this.dead = []; // some of those that are gone, to ask for again
    this.killedAll = new Set(); // apps that Node was asked to kill
    this.ahead = 0; // seconds by which the clock went back
    this.serials = 0;
    this.wrongs = [];
    this.tally = { answered: 0, refused: 0, unknown: 0 };
    this.stale = 0; // answers from before a change that was acknowledged
  }

  wrong(what, s, detail) {
    const plain = (key, value) => (key === 'marked' || key === 'life' ? undefined : value);
    const { history, registers, counts, latest, ...known } = s || {};
    this.wrongs.push(`${what}: ${JSON.stringify(detail, plain)}\n${s ? `${JSON.stringify({ now: now(), ...known }, plain)}\n${history.join('\n')}` : ''}`);
  }

  // send begins an operation of a side. near is for how long it may be answered from
  // memory, in ms: 0 if Redis is asked for certain.
  send({ name: by, life }, name, fields) {
    const op = { by, life, near: name === 'get' && life ? life.near : 0, name, at: tick(), second: now(), ms: clock(), ...fields };
    begun(op);
    return op;
  }

  // done takes note of how it was answered, and returns the answer, if there is one.
  done(op, { answer, refused }) {
    answered(op);
    this.tally[answer ? 'answered' : refused ? 'refused' : 'unknown']++;
    op.refused = Boolean(refused);
    op.end = now();
    return answer;
  }

  // create makes a session known that is about to be created by op.
  create(op, fields) {
    const s = new Session(++this.serials, fields);
    this.sessions.set(s.serial, s);
    s.node = op.by === 'node';
    s.madeBy = op.by;
    if (s.max_age) s.endLow = op.second + s.max_age;
    if (s.id.includes(':')) this.colons.add(`${s.app}:${s.id}`);
    for (const ender of this.enders) {
      if (ender.covers(s)) this.mark(ender, s);
      if (ender.by === 'node' && ender.app !== undefined) this.meet(ender, s);
    }
    return s;
  }

  created(op, s, answer) {
    if (!answer) {
      if (op.refused) this.sessions.delete(s.serial);
      s.bornHigh = s.laHigh = Infinity;
      return;
    }
    s.creating = false;
    s.createdAt = tick();
    s.bornHigh = s.laHigh = Math.max(s.laHigh, op.end);
    if (s.max_age) s.endHigh = op.end + s.max_age;
    this.known(s, answer.token);
  }

  // known adds a token to a session.
  known(s, text) {
    const key = `${s.app}:${text}`;
    const other = this.byToken.get(key);
    if (other && other !== s) this.wrong('a token of another session', s, { other: other.serial });
    if (s.tokens.some((token) => token.text === text)) return;
    this.byToken.set(key, s);
    s.first ??= text;
    s.tokens.push(new Token(text));
  }

  // begin sends what may end sessions: those that op.covers.
  begin(op) {
    op.marked = [];
    this.enders.add(op);
    if (op.by === 'node' && op.name === 'killall') this.killedAll.add(op.app);
    for (const s of this.sessions.values()) {
      if (s.endedAt !== Infinity) continue;
      if (op.covers(s)) this.mark(op, s);
      if (op.by === 'node' && (s.creating || s.rotating > 0)) this.meet(op, s);
    }
  }

  mark(op, s) {
    op.marked.push(s);
    s.mayEnd++;
    s.nodeEnds ||= op.by === 'node';
    s.note(`${op.at} ${op.by}: ${op.name} is sent`);
  }

  // meet notes that a session begins or is rotated while Node ends others.
  meet(op, s) {
    if (op.app !== undefined && op.app !== s.app || op.id !== undefined && op.id !== s.id) return;
    this.uncounted.add(`${s.app}:${s.id}`);
    if (op.covers(s)) for (const token of s.tokens) token.unsure = true;
    if (op.name === 'killall') s.unlisted = true;
  }

  // finish takes the answer to what began; ended is whether all that was there ended,
  // undefined if nobody knows, false if nothing did.
  finish(op, ended) {
    this.enders.delete(op);
    for (const s of op.marked) {
      s.note(`${op.at} ${op.by}: ${op.name}: ${ended}`);
      if (ended === false) s.mayEnd--;
      if (!ended || s.createdAt > op.at) continue;
      if (op.by === 'node' && s.rotated(op) || op.name === 'killsoid' && s.unlisted) continue;
      // A sweep that found it gone has published nothing.
      this.end(s, sweeps.has(op.name) && s.nodeEnds ? undefined : acknowledged(op));
      s.endAckedAt = Math.min(s.endAckedAt, tick());
    }
  }

  // end notes that s is gone; change is what ended it. Without one nobody knows what did,
  // perhaps Node.
  end(s, change = acknowledged({ by: 'node' })) {
    const at = tick();
    s.endedAt = Math.min(s.endedAt, at);
    s.ends.push({ at, ...change });
  }

  // served judges that op found s by token; own is whether op is a touch of it.
  served(op, s, token, own) {
    const ends = s.ends.filter((end) => end.at < op.at);
    if (ends.some((end) => !unseen(op, end))) this.wrong('resurrected', s, op);
    else if (ends.length > 0) this.stale++;
    if (token.retiredAt < op.at && !(token.retiredBy && unseen(op, token.retiredBy)) && (op.by === 'node' || token.graceHigh < op.second)) this.wrong('an old token is served', s, op);
    if (s.over(op.second, op.by, own ? 1 : 0)) this.wrong('served past its time', s, op);
  }

  // absent judges that op found no session by token; except is a rotation that op
  // itself is.
  absent(op, s, token, except) {
    const rotations = [...token.rotations].filter((rotation) => rotation !== except);
    const leads = rotations.length === 0 ||
      op.by === 'ours' && !token.unsure && rotations.every(({ low }) => low >= op.end) && s.createdAt < op.at;
    if (!leads) return;
    // What may have ended it has, if its time is not over.
    const own = op.marked && op.marked.includes(s) ? 1 : 0;
    if (s.mayEnd > own) {
      if (s.unexpired(op.end)) {
        s.note(`${op.at} ${op.by}: ${op.name} found it gone`);
        this.end(s, s.nodeEnds ? undefined : acknowledged({ by: 'ours' }));
      }
    } else if (s.createdAt < Infinity && s.endedAt === Infinity && s.unexpired(op.end)) {
      this.wrong('a session is lost', s, op);
    }
  }

  // touch sends a touch of s.
  touch(op, s) {
    op.view = s.view(op);
    s.touchedAt = tick();
    s.note(`${op.at} ${op.by}: ${op.name} is sent`);
    s.touching++;
    if (op.by === 'node') s.node = true;
  }

  // touched takes note of its outcome: whether it found the session.
  touched(op, s, token, found) {
    s.touchedAt = tick();
    s.note(`${op.at} ${op.by}: ${op.name}: ${found}`);
    if (found === undefined && !op.refused) return; // and it is one more in flight from now on
    s.touching--;
    if (!found) return;
    s.laHigh = Math.max(s.laHigh, op.end);
    if (op.by === 'node') {
      if (s.rotated(op) || !s.alive(op.end)) {
        token.unsure = true;
        this.ghosts.add(`${s.app}:${token.text}`);
      } else {
        s.laLow = Math.max(s.laLow, op.second - 1);
      }
    } else if (!op.near) { // else see Session.read
      s.laLow = Math.max(s.laLow, op.second);
    }
  }

  // content judges the counters and the data of s in an answer; more is what the
  // operation itself has added to w.
  content(op, s, a, more = 0) {
    const { view } = op;
    if (a.id !== s.id || a.ip !== s.ip || !a.d || a.d.n !== s.serial) return this.wrong('another session', s, a);
    if (!s.no_resave && a.ttl !== s.ttl) this.wrong('ttl', s, a);
    const within = (n, low, high) => n >= low && n <= high;
    const [rHigh, wHigh] = [1 + s.reads.sent - (op.name === 'get' ? 1 : 0), 1 + s.writes.sent];
    if (!within(a.r, 1 + view.reads, rHigh)) this.wrong('reads are lost or counted twice', s, { a, view: view.reads, rHigh });
    // Node takes w from its own write, which a hash without id may have got.
    if (!(more && op.by === 'node') && !within(a.w, 1 + more + view.writes, wHigh)) {
      this.wrong('writes are lost or counted twice', s, { a, view: view.writes, wHigh });
    }
    if (a.w < 1 + more + view.written) this.stale++;
    if (s.shared) return undefined; // by two writers of whom one is Node, which loses updates
    for (const [key, register] of s.registers) {
      const then = view.registers.get(key) || { acked: 0, value: undefined };
      if (!register.mayBe(a.d[key], then)) this.wrong('an update is lost', s, { key, found: a.d[key], then, sent: register.sent });
    }
    return undefined;
  }

  // details judges what with=handle,created added to an answer: the handle is that of the
  // first token, whoever made the session, and Node notes no time of creation.
  details(s, a) {
    if (s.first && a.handle !== handleOf(s.first)) this.wrong('the handle', s, a);
    if ('created' in a !== (s.madeBy === 'ours')) this.wrong('the time of creation', s, a);
  }

  // list judges a list: of all sessions for which belongs, those that are there throughout
  // once, and none that is not. A list in pages may lack those that were active meanwhile.
  list(op, sessions, belongs) {
    const listed = new Map();
    for (const a of sessions) {
      const serial = a.d && a.d.n;
      const s = this.sessions.get(serial);
      listed.set(serial, (listed.get(serial) || 0) + 1);
      if (!s || !belongs(s)) this.wrong('a list has what does not belong', s, a);
      else if (s.endedAt < op.at) this.wrong('resurrected in a list', s, { op, a });
      else if (s.over(op.second, op.by)) this.wrong('listed past its time', s, op);
      else if (listed.get(serial) > 1) this.wrong('listed twice', s, op);
    }
    for (const s of this.sessions.values()) {
      if (!belongs(s) || listed.has(s.serial) || s.createdAt > op.at || !s.alive(op.end)) continue;
      if (op.by === 'node' && s.rotated(op)) continue;
      if (op.name === 'soid' && s.unlisted) continue;
      if (op.name === 'pages' && (s.active(op) || s.rotated(op))) continue;
      this.wrong('a list lacks a session', s, op);
    }
  }

  // activity judges the number of an app's users.
  activity(op, n, app) {
    const least = new Set();
    const most = new Set([...this.ghosts, ...this.colons].filter((key) => key.startsWith(`${app}:`)));
    for (const s of this.sessions.values()) {
      if (s.app !== app) continue;
      if (s.createdAt < op.at && s.alive(op.end) && !s.unlisted && !this.uncounted.has(`${app}:${s.id}`)) least.add(s.id);
      if (s.endAckedAt >= op.at) most.add(`${app}:${s.id}`);
    }
    if (n < least.size || n > most.size) this.wrong('activity', null, { op, n, least: least.size, most: most.size });
  }

  // bury notes that s is gone for good.
  bury(s) {
    this.end(s);
    this.dead.push(s);
    if (this.dead.length > 300) this.dead.shift();
  }

  // nodeMayHaveEnded reports whether Node's wiper or killall may have ended the session
  // that an entry is of.
  nodeMayHaveEnded({ app, token }) {
    const s = this.byToken.get(`${app}:${token}`);
    return this.killedAll.has(app) || s !== undefined && !s.unexpired(now());
  }

  step(seconds) {
    this.ahead += Math.max(0, -seconds);
    for (const s of this.sessions.values()) s.step(seconds);
  }
}

module.exports = { Model, tick, now, valueOf, handleOf };
