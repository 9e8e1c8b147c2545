'use strict';
// What a client does: one operation, on any server, and what it then knows.

const { now, tick, valueOf, handleOf } = require('./fleet-model.js');
const { acknowledged } = require('./fleet-near.js');

const longAgo = 100_000; // a dt that holds all sessions

const apps = ['fleet-a', 'fleet-b', 'fleet-brief']; // in the last, both sides kill all at times
const users = ['user1', 'user2', 'user3', 'user4', 'a:b', 'team/7:Zoë'];
const capped = ['capped1', 'capped2'];
const cap = 3;
const hotSessions = 16;

// ttls have windows of 2, 3, 5, 10 and 30 s: a step of the clock is a multiple of them.
const ttls = [20, 20, 30, 50, 100, 300];
const stepUnit = 30;

class Client {
  constructor(m, random, name, sides, hot) {
    // hot are sessions that all clients come back to, so that some reads are near; not
    // set where none are.
    Object.assign(this, { m, random, key: name, sides, hot });
  }

  int(n) { return Math.floor(this.random() * n); }

  pick(list) { return list[this.int(list.length)]; }

  // side is one of ours, or any.
  side(any = true) {
    const all = this.sides();
    return any && this.int(10) < 3 ? all[all.length - 1] : all[this.int(all.length - 1)];
  }

  // session returns one to use: one that is there or was, and a token that it has or had.
  session(fit = () => true) {
    const { hot } = this;
    if (hot && hot.length > 0 && this.int(16) > 0) {
      const i = this.int(hot.length);
      const [s, token] = hot[i];
      if (s.endedAt < Infinity && this.int(8) === 0) hot.splice(i, 1);
      if (fit(s)) return [s, token];
    }
    const all = this.int(8) === 0 ? this.m.dead : [...this.m.sessions.values()];
    const found = all.filter((s) => s.tokens.length > 0 && fit(s));
    if (found.length === 0) return [];
    const s = this.pick(found);
    const token = this.int(4) === 0 ? this.pick(s.tokens) : s.token;
    if (hot && hot.unshift([s, token]) > hotSessions) hot.pop();
    return [s, token];
  }

  async one() {
    const moves = [
      [this.m.sessions.size < 150 ? 30 : 3, this.create], [this.hot ? 600 : 40, this.get], [30, this.set], [6, this.touch], [6, this.peek], [2, this.killhandle], [2, this.guest], [8, this.rotate], [6, this.kill], [1, this.killsoid],
      [1, this.killothers], [1, this.killall], [8, this.soid], [3, this.soapp], [2, this.pages], [3, this.activity], [2, this.wipe],
    ];
    let n = this.int(moves.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, move] of moves) if ((n -= weight) < 0) return move.call(this);
    return undefined;
  }

  async create() {
    const side = this.side();
    const app = this.pick(apps);
    const ours = side.name === 'ours';
    const limited = ours && app !== 'fleet-brief' && this.int(4) === 0;
    const serial = this.m.serials + 1;
    const fields = {
      app, id: this.pick(limited ? capped : users), ip: `10.1.${serial >> 8 & 255}.${serial & 255}`, ttl: this.pick(ttls),
      no_resave: !limited && this.int(6) === 0, max_age: !limited && ours && this.int(5) === 0 ? this.pick(ttls) : undefined,
      max_sessions: limited ? cap : undefined, shared: this.int(3) === 0,
    };
    const op = this.m.send(side, 'create', {});
    const s = this.m.create(op, fields);
    if (limited) {
      Object.assign(op, { app, id: s.id, covers: (other) => other !== s && other.app === app && other.id === s.id });
      this.m.begin(op);
    }
    const answer = this.m.done(op, await side.create({ ...fields, d: { n: s.serial } }));
    if (limited) this.m.finish(op, op.refused ? false : undefined);
    this.m.created(op, s, answer);
  }

  // touchable is what a side may read and set: Node loses time of no_resave sessions
  // when it reads them (README), and sets of others.
  touchable(side, write) {
    return (s) => side.name === 'ours' || !s.no_resave && (!write || s.shared);
  }

  async get() {
    const side = this.side();
    const [s, token] = this.session(this.touchable(side, false));
    if (!s) return;
    const op = this.m.send(side, 'get', { token: token.text });
    this.m.touch(op, s);
    s.reads.sent++;
    const a = this.m.done(op, await side.get(s.app, token.text));
    if (a && a.id) {
      this.m.served(op, s, token, true);
      this.m.content(op, s, a);
      if (!(op.by === 'node' && (s.rotated(op) || !s.alive(op.end)))) s.read(op);
    } else if (a) {
      this.m.absent(op, s, token);
      s.reads.sent--;
    } else if (op.refused) {
      s.reads.sent--;
    }
    this.m.touched(op, s, token, a && Boolean(a.id));
  }

  async set() {
    const side = this.side();
    const [s, token] = this.session(this.touchable(side, true));
    if (!s) return;
    const op = this.m.send(side, 'set', { token: token.text });
    this.m.touch(op, s);
    const register = s.register(this.key);
    const version = ++register.sent;
    const value = valueOf(version);
    s.writes.sent++;
    const a = this.m.done(op, await side.set(s.app, token.text, { [this.key]: value ?? null }));
    if (a && a.id) {
      this.m.served(op, s, token, true);
      this.m.content(op, s, a, 1);
      if (a.d && a.d[this.key] !== value) this.m.wrong('a set is not in its own answer', s, { value, a });
      const sure = op.by === 'ours' || !s.rotated(op) && s.alive(op.end);
      if (sure && s.counts.has(a.w)) this.m.wrong('two sets with one w', s, a);
      if (sure) {
        s.counts.add(a.w);
        s.written(op);
        register.written(op, version, value);
      }
    } else if (a) {
      this.m.absent(op, s, token);
      s.writes.sent--;
    } else if (op.refused) {
      s.writes.sent--;
    } else {
      register.unknown.add(value ?? null);
    }
    this.m.touched(op, s, token, a && Boolean(a.id));
  }

  // touch is activity, but no read.
  async touch() {
    const side = this.side(false);
    const [s, token] = this.session(this.touchable(side, false));
    if (!s) return;
    const op = this.m.send(side, 'touch', { token: token.text });
    this.m.touch(op, s);
    const a = this.m.done(op, await side.touch(s.app, token.text));
    if (a && a.id) {
      this.m.served(op, s, token, true);
      this.m.content(op, s, a);
      if (s.first && a.handle !== handleOf(s.first)) this.m.wrong('the handle', s, a);
    } else if (a) {
      this.m.absent(op, s, token);
    }
    this.m.touched(op, s, token, a && Boolean(a.id));
  }

  // peek reads and is no activity.
  async peek() {
    const side = this.side(false);
    const [s, token] = this.session();
    if (!s) return;
    const op = this.m.send(side, 'peek', { token: token.text });
    op.view = s.view(op);
    const a = this.m.done(op, await side.peek(s.app, token.text));
    if (a && a.id) {
      this.m.served(op, s, token, false);
      this.m.content(op, s, a);
      this.m.details(s, a);
    } else if (a) {
      this.m.absent(op, s, token);
    }
  }

  // killhandle ends a session of a user by its handle.
  async killhandle() {
    const side = this.side(false);
    const [s] = this.session((each) => each.first);
    if (!s) return;
    const op = this.m.send(side, 'killhandle', { app: s.app, id: s.id, covers: (other) => other === s });
    this.m.begin(op);
    const a = this.m.done(op, await side.killhandle(s.app, s.id, handleOf(s.first)));
    if (a && a.kill === 1) {
      if (s.endedAt < op.at || s.killed) this.m.wrong('killed twice', s, op);
      if (s.over(op.second, op.by)) this.m.wrong('killed past its time', s, op);
      s.killed = true;
    } else if (a && s.mayEnd === 1 && s.createdAt < op.at && s.endedAt === Infinity && s.unexpired(op.end) && !s.unlisted) {
      this.m.wrong('a handle is not found', s, op);
    }
    this.m.finish(op, a || op.refused ? Boolean(a && a.kill === 1) : undefined);
  }

  // guest makes a guest's session a user's, by a server that lives: three ask for it at once
  // while others set, and one gets it, with all that was set. Nobody else knows the session.
  async guest() {
    const [side, node] = [this.sides()[0], this.sides().at(-1)];
    const [app, id, user] = ['fleet-guest', `guest:${this.key}`, `user/${this.key}`];
    const ask = async (call) => (await call).answer;
    const { token } = await ask(side.create({ app, id, ip: '10.2.0.1', ttl: 300, d: { cart: [1] } }));
    const sets = ['a', 'b', 'c'].map((key) => ask(side.set(app, token, { [key]: key })));
    const moves = [1, 2, 3].map(() => ask(side.move(app, token, user)));
    const [done, moved] = [await Promise.all(sets), await Promise.all(moves)];
    const [won, ...more] = moved.filter((a) => a && a.token);
    if (!won || more.length > 0) return this.m.wrong('a guest is moved once', null, moved);
    if (won.handle !== handleOf(token)) this.m.wrong('the handle of a guest', null, won);
    const d = { cart: [1] };
    ['a', 'b', 'c'].forEach((key, i) => { if (done[i].id) d[key] = key; });
    const sorted = (o) => JSON.stringify(Object.entries(o).sort());
    for (const each of [side, node]) {
      const a = await ask(each.get(app, won.token));
      if (a.id !== user || sorted(a.d) !== sorted(d)) this.m.wrong('a guest has lost something', null, { by: each.name, a, d });
      const old = await ask(each.get(app, token));
      if (old.id) this.m.wrong("a guest's token is served", null, { by: each.name, old });
      const left = await ask(each.soid(app, id));
      if (left.sessions.length > 0) this.m.wrong('a guest is left', null, { by: each.name, left });
    }
    const a = await ask(side.killhandle(app, user, won.handle));
    if (a.kill !== 1) this.m.wrong('a user who was a guest is not killed', null, a);
    return undefined;
  }

  async rotate() {
    const side = this.side(false);
    const [s, token] = this.session((each) => !each.pinned);
    if (!s) return;
    const op = this.m.send(side, 'rotate', {});
    const grace = this.pick([0, 0, 1, 10, 60]);
    const rotation = { low: grace === 0 ? -Infinity : op.second + grace, high: Infinity };
    token.rotations.add(rotation);
    this.m.touch(op, s);
    s.rotating++;
    for (const ender of this.m.enders) if (ender.by === 'node') this.m.meet(ender, s);
    const a = this.m.done(op, await side.rotate(s.app, token.text, grace));
    if (!a && !op.refused) return; // rotated, or not, from now on
    s.rotating--;
    if (a && a.token) {
      this.m.served(op, s, token, true);
      rotation.high = op.end + grace;
      token.retiredAt = Math.min(token.retiredAt, tick());
      token.retiredBy = acknowledged(op);
      this.m.known(s, a.token);
      s.rotatedAt = tick();
    } else {
      if (a) this.m.absent(op, s, token, rotation);
      token.rotations.delete(rotation);
    }
    this.m.touched(op, s, token, Boolean(a && a.token));
  }

  async kill() {
    const side = this.side();
    const [s, token] = this.session();
    if (!s) return;
    const op = this.m.send(side, 'kill', { app: s.app, id: s.id, covers: (other) => other === s });
    this.m.begin(op);
    const a = this.m.done(op, await side.kill(s.app, token.text));
    if (a && a.kill === 1) {
      this.m.served(op, s, token, false);
      // Node says 1 too if it deleted what a rotation or another of its own has left.
      if (op.by === 'ours' && s.killed) this.m.wrong('killed twice', s, op);
      s.killed = s.killed || op.by === 'ours';
    } else if (a) {
      this.m.absent(op, s, token);
    }
    this.m.finish(op, a || op.refused ? Boolean(a && a.kill === 1) : undefined);
  }

  killsoid() { return this.sweep('killsoid', this.side(), this.pick(apps), this.pick([...users, ...capped])); }

  // killothers ends a user's other sessions.
  async killothers() {
    const [s] = this.session((each) => each.token.current);
    if (!s) return;
    // A rotation meanwhile, without grace, would make its token one of no session.
    s.pinned = (s.pinned || 0) + 1;
    await this.sweep('killsoid', this.side(false), s.app, s.id, s);
    s.pinned--;
  }

  killall() {
    return this.sweep('killall', this.side(), 'fleet-brief');
  }

  async sweep(name, side, app, id, kept) {
    const op = this.m.send(side, name, { app, id, covers: (s) => s.app === app && (id === undefined || s.id === id) && s !== kept });
    this.m.begin(op);
    const reply = name === 'killall' ? side.killall(app) : side.killsoid(app, id, kept && kept.token.text);
    const a = this.m.done(op, await reply);
    if (a && op.by === 'ours') {
      const had = op.marked.filter((s) => s.createdAt < op.at && s.endedAt === Infinity && s.mayEnd === 1 && s.unexpired(op.end) && !s.unlisted);
      if (a.kill < had.length) this.m.wrong(`${name} counts too few`, null, { op, a, had: had.map((s) => s.serial) });
      if (name === 'killsoid' && a.kill > op.marked.length) this.m.wrong('killsoid counts too many', null, { op, a });
    }
    this.m.finish(op, a ? true : op.refused ? false : undefined);
  }

  async soid() {
    const side = this.side();
    const app = this.pick(apps);
    const id = this.pick([...users, ...capped]);
    const op = this.m.send(side, 'soid', {});
    const a = this.m.done(op, await side.soid(app, id));
    if (!a) return;
    this.m.list(op, a.sessions, (s) => s.app === app && s.id === id);
    if (capped.includes(id) && a.sessions.length > cap) this.m.wrong('more than max_sessions', null, { op, a });
  }

  async soapp() {
    const side = this.side();
    const app = this.pick(apps);
    const op = this.m.send(side, 'soapp', {});
    const a = this.m.done(op, await side.soapp(app, longAgo));
    if (a) this.m.list(op, a.sessions, (s) => s.app === app);
  }

  // pages lists an app page by page, each from any of our servers.
  async pages() {
    const app = this.pick(apps);
    const op = this.m.send({ name: 'ours' }, 'pages', {});
    const sessions = [];
    let cursor = '';
    do {
      const a = this.m.done(op, await this.side(false).pageOfApp(app, longAgo, cursor));
      if (!a) return;
      sessions.push(...a.sessions);
      cursor = a.cursor;
    } while (cursor);
    this.m.list(op, sessions, (s) => s.app === app);
  }

  async activity() {
    const side = this.side();
    const app = this.pick(apps);
    const op = this.m.send(side, 'activity', {});
    const a = this.m.done(op, await side.activity(app, longAgo));
    if (a) this.m.activity(op, a.activity, app);
  }

  // wipe lets Node's wiper work.
  async wipe() {
    const side = this.sides().at(-1);
    const op = this.m.send(side, 'wipe', { covers: (s) => s.node && !s.unexpired(now() + 2) });
    this.m.begin(op);
    await side.wipe(apps[0]);
    this.m.finish(op);
  }
}

module.exports = { Client, stepUnit, apps, users, ttls };
