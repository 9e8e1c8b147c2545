// How sessions of a user are ended.

import { userPath } from "./api.js";
import { sessionsOf } from "./json.js";

const page = 1000; // the most that a list gives at once
const atOnce = 4; // requests

const killed = (text) => JSON.parse(text).kill; // a count

// endOne ends the session with a handle, and returns whether there was one.
export async function endOne(client, app, id, handle) {
  const { text } = await client.end(userPath(app, "killsoid", id), { handle });
  return killed(text) === 1;
}

// endAll ends all, and returns how many.
export async function endAll(client, app, id) {
  const { text } = await client.end(userPath(app, "killsoid", id));
  return killed(text);
}

// handlesOf lists the handles of all sessions that a user has.
async function handlesOf(client, app, id) {
  const handles = new Set(); // one that moved meanwhile may come twice
  let cursor;
  do {
    const query = { limit: page, with: "handle", ...(cursor && { cursor }) };
    const { text } = await client.get(userPath(app, "soid", id), query);
    const list = sessionsOf(text);
    list.sessions.forEach((s) => handles.add(s.handle));
    cursor = list.cursor;
  } while (cursor);
  return handles;
}

// endOthers ends all sessions of a user but the one with the handle keep, one by one: the
// server has no call for it that does not ask for the token. Sessions that begin meanwhile
// are left. If the one to keep is gone nothing is ended, and kept is false. progress hears
// how many were asked for, of how many. When one fails no further is begun.
export async function endOthers(client, app, id, keep, progress) {
  const handles = await handlesOf(client, app, id);
  if (!handles.delete(keep)) return { kept: false, ended: 0, begun: 0 };
  let ended = 0, asked = 0, failure = null;
  const rest = handles.values();
  const worker = async () => {
    for (const handle of rest) {
      try {
        if (await endOne(client, app, id, handle)) ended++;
      } catch (error) {
        failure ??= error;
      }
      if (failure) return;
      progress(++asked, handles.size);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  if (failure) throw failure;
  const left = await handlesOf(client, app, id);
  left.delete(keep);
  return { kept: true, ended, begun: left.size };
}
