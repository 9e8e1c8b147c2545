'use strict';
// What Redis holds while nothing is in flight, against what is known. It also tells
// what came of operations whose outcome was unknown, so that the model knows all again.

const { tick } = require('./fleet-session.js');

const maxWindow = 60; // an entry of _sessions trails the hash by less
const aliasSeconds = 61;

// settle holds a snapshot against the model.
const settle = (m, snap) => {
  const key = ({ app, token }) => `${app}:${token}`;
  const user = ({ app, id }) => `${app}:${id}`;
  const wrong = (what, s, detail) => m.wrong(`at rest: ${what}`, s, detail);
  if (m.enders.size > 0) wrong('enders are in flight', null, [...m.enders]);
  for (const strange of snap.strange) wrong('a key of no kind', null, strange);

  // The hashes that are sessions, by the serial number in their data.
  const hashes = new Map();
  const alive = new Set(); // keys of sessions
  const users = new Set();
  const aliases = new Map();
  for (const hash of snap.hashes) {
    const { fields } = hash;
    if (fields.id !== undefined) {
      const serial = JSON.parse(fields.d).n;
      if (hashes.has(serial)) wrong('a session is there twice', null, hash);
      if (hash.ttl !== -1) wrong('a session expires by itself', null, hash);
      hashes.set(serial, hash);
      alive.add(key(hash));
      users.add(`${hash.app}:${fields.id}`);
    } else if (fields.to !== undefined || fields.root !== undefined) {
      aliases.set(key(hash), fields);
      if (hash.ttl < 0 || hash.ttl > aliasSeconds + m.ahead) wrong('an alias stays', null, hash);
    } else if (!m.ghosts.has(key(hash))) {
      wrong('half a session', m.byToken.get(key(hash)), hash);
    }
  }

  for (const [serial, s] of m.sessions) {
    s.counted(true);
    const hash = hashes.get(serial);
    if (!hash) {
      if (s.alive(snap.now)) wrong('a session is lost', s, {});
      m.sessions.delete(serial);
      if (s.createdAt < Infinity) m.bury(s);
      continue;
    }
    if (s.endedAt !== Infinity) wrong('resurrected', s, hash);
    adopt(m, s, hash, aliases, wrong);
  }
  for (const [serial, hash] of hashes) if (!m.sessions.has(serial)) wrong('a session that nobody made, or that was gone', null, hash);

  // Every session has all its entries, and is armed for when it ends at the earliest.
  const [due, moved, counted, listed] = [new Map(), new Map(), new Map(), new Set()];
  for (const entry of snap.due) due.set(`${key(entry)}:${entry.id}`, entry);
  for (const entry of snap.moved) moved.set(`${key(entry)}:${entry.id}`, entry);
  for (const entry of snap.users) counted.set(user(entry), entry);
  for (const entry of snap.tokens) listed.add(`${key(entry)}:${entry.id}`);
  for (const [serial, hash] of hashes) {
    const s = m.sessions.get(serial);
    if (!s) continue;
    const [la, ttl, end] = [hash.fields.la, hash.fields.ttl, hash.fields.end ?? Infinity].map(Number);
    const entry = `${key(hash)}:${hash.fields.id}`;
    const armed = due.get(entry);
    if (!armed) wrong('no wiper will find it', s, hash);
    // Node's wiper is told of ends that Node does not know by our next touch only.
    else if (armed.score < Math.min(la + ttl, end) && !(s.node && s.ahead > 0)) wrong('it may be wiped early', s, { score: armed.score, hash });
    const place = moved.get(entry);
    if (!place) wrong('no entry in _sessions', s, hash);
    else if (place.score <= la - maxWindow - s.ahead || place.score > snap.now + s.ahead + 1) wrong('a score in _sessions', s, { score: place.score, hash });
    if (!listed.has(entry) && !s.unlisted) wrong('not in the list of its user', s, hash);
    if (!counted.has(user(s)) && !s.unlisted && !m.uncounted.has(user(s))) wrong('its user is in no activity', s, hash);
  }

  // Every entry has its session, but for what Node leaves.
  const left = (entry) => m.ghosts.has(key(entry)) || m.colons.has(user(entry)) && m.nodeMayHaveEnded(entry);
  for (const [index, entries] of Object.entries({ SESSIONS: snap.due, _sessions: snap.moved, us: snap.tokens })) {
    for (const entry of entries) if (!alive.has(key(entry)) && !left(entry)) wrong(`an entry of ${index} has no session`, null, entry);
  }
  const ghosts = new Set([...snap.due, ...snap.moved].filter((entry) => m.ghosts.has(key(entry))).map(user));
  for (const entry of snap.users) {
    if (!users.has(user(entry)) && !ghosts.has(user(entry)) && !m.colons.has(user(entry))) wrong('an entry of _users has no session', null, entry);
  }

  // Ghosts that are gone do not come back.
  const there = new Set([...snap.hashes, ...snap.due, ...snap.moved].map(key));
  for (const ghost of m.ghosts) if (!there.has(ghost)) m.ghosts.delete(ghost);
};

// adopt makes all certain that is known of a session.
const adopt = (m, s, { token, fields }, aliases, wrong) => {
  if (fields.id !== s.id) wrong('the id', s, fields);
  const known = s.tokens.find(({ text }) => text === token);
  if (known && known.retiredAt < Infinity) wrong('an old token is the token', s, {});
  const current = s.tokens.find((each) => each.current);
  if (current && current !== known) wrong('the token is another', s, {});
  m.known(s, token);
  s.tokens.sort((a, b) => (a.text === token) - (b.text === token));
  for (const each of s.tokens) {
    each.rotations.clear();
    if (each === s.token) continue;
    const alias = aliases.get(`${s.app}:${each.text}`);
    const last = alias && alias.end !== undefined ? Number(alias.end) : -Infinity;
    each.rotations.add({ low: last, high: last });
    each.retiredAt = Math.min(each.retiredAt, tick());
  }
  s.createdAt = Math.min(s.createdAt, tick());
  s.creating = false;

  for (const [name, field] of [['reads', 'r'], ['writes', 'w']]) {
    const n = Number(fields[field]) - 1;
    const count = s[name];
    if (n < count.acked || n > count.sent) wrong(`${name} are lost or counted twice`, s, { n, ...count });
    count.acked = count.sent = n;
  }
  const d = JSON.parse(fields.d);
  for (const [key, register] of s.registers) {
    if (!s.shared && !register.mayBe(d[key], register)) wrong('an update is lost', s, { key, d, acked: register.acked, sent: register.sent });
    Object.assign(register, { acked: register.sent, value: d[key], acks: [{ version: register.sent, value: d[key], ms: 0 }] });
    register.unknown.clear();
  }

  const la = Number(fields.la);
  if (la < s.laLow - (s.node ? 2 : 0)) wrong('its last activity is lost', s, { la });
  if (s.touching === 0 && la > s.laHigh) wrong('a last activity that nobody made', s, { la });
  s.laLow = s.laHigh = la;
  if (s.max_age) {
    const end = Number(fields.end);
    if (end < s.endLow || end > s.endHigh) wrong('its end', s, { end });
    s.endLow = s.endHigh = end;
  }
  if (!s.no_resave && Number(fields.ttl) !== s.ttl) wrong('ttl', s, fields);
  if (s.no_resave) s.bornLow = s.bornHigh = la + Number(fields.ttl) - s.ttl;
  Object.assign(s, { touching: 0, rotating: 0, mayEnd: 0 });
};

module.exports = { settle };
