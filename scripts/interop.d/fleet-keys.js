'use strict';
// What is in Redis, and a step of its clock.

// A snapshot is of one moment, since it is one script.
const snapshotScript = `
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do
  local kind, content = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then
    content = redis.call('HGETALL', key)
  elseif kind == 'set' then
    content = redis.call('SMEMBERS', key)
  else
    content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  end
  found[#found + 1] = {key, kind, redis.call('TTL', key), content}
end
return {redis.call('TIME')[1], found}`;

// Redis' clock cannot be set. But a step of it by n seconds, as all that has a time
// see it, is the same as all times in the data moved by n the other way: last
// activities, ends, scores, expiries. As windows of the clock stay where they are, n is
// a multiple of all their lengths.
const stepScript = `
local n = tonumber(ARGV[2])
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do
  local kind = redis.call('TYPE', key).ok
  if kind == 'hash' then
    for _, field in ipairs({'la', 'end'}) do
      local at = redis.call('HGET', key, field)
      if at then
        redis.call('HSET', key, field, string.format('%d', at - n))
      end
    end
    local left = redis.call('PTTL', key)
    if left >= 0 then
      redis.call('PEXPIRE', key, string.format('%d', left - 1000 * n))
    end
  elseif kind == 'zset' then
    local entries = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    for i = 1, #entries, 2 do
      redis.call('ZADD', key, string.format('%.6f', entries[i + 1] - n), entries[i])
    end
  end
end
return 'OK'`;

const step = (raw, ns, seconds) => raw('eval', stepScript, 0, ns, seconds);

const pairs = (list) => Object.fromEntries(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]));

// member splits an index entry: the app ends at the first colon, the token at the
// next, the rest is the id.
const member = (text) => {
  const [, app, token, id] = /^([^:]*):([^:]*):(.*)$/s.exec(text);
  return { app, token, id };
};

// snapshot returns the time, hashes, entries of indexes and members of users' sets.
const snapshot = async (raw, ns) => {
  const [time, keys] = await raw('eval', snapshotScript, 0, ns);
  const all = { now: Number(time), hashes: [], due: [], moved: [], users: [], tokens: [], strange: [] };
  for (const [key, kind, ttl, content] of keys) {
    const name = key.slice(ns.length + 1);
    const app = name.slice(0, name.indexOf(':'));
    const rest = name.slice(app.length + 1);
    const entries = (list, f) => Object.entries(pairs(list)).map(([text, score]) => ({ ...f(text), score: Number(score) }));
    if (name === 'SESSIONS') all.due.push(...entries(content, member));
    else if (rest === '_sessions') all.moved.push(...entries(content, (text) => member(`${app}:${text}`)));
    else if (rest === '_users') all.users.push(...entries(content, (id) => ({ app, id })));
    else if (rest.startsWith('us:')) all.tokens.push(...content.map((token) => ({ app, token, id: rest.slice(3) })));
    else if (kind === 'hash') all.hashes.push({ app, token: rest, ttl, fields: pairs(content) });
    else all.strange.push(key);
  }
  return all;
};

module.exports = { snapshot, step };
