// A client in TypeScript, of the types that openapi-typescript makes of
// handlers/openapi.json. scripts/openapi compiles it: each line under a @ts-expect-error
// must be an error, so the types must not be loose.
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/sessions";

type Session = components["schemas"]["Session"];

export async function login(baseUrl: string, key: string, id: string, ip: string): Promise<string> {
  const client = createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
  const { data, error } = await client.PUT("/{app}/create/{id}", {
    params: { path: { app: "shop", id }, query: { ip, ttl: 3600, no_resave: false, max_sessions: 5 } },
    body: { name: "Peter", nested: [{ a: null }] },
  });
  if (error !== undefined) throw new Error(`${error.name}: ${error.message}`);
  return data.token;
}

export async function read(baseUrl: string, token: string): Promise<Session | undefined> {
  const client = createClient<paths>({ baseUrl });
  const { data, error } = await client.GET("/{app}/get/{token}", {
    params: { path: { app: "shop", token: "-" }, header: { "X-Session-Token": token } },
  });
  if (error?.name === "noToken") return undefined;
  if (error !== undefined) throw new Error(error.message);
  return data !== undefined && "id" in data ? (data as Session) : undefined;
}

export async function devices(baseUrl: string, id: string): Promise<Session[]> {
  const client = createClient<paths>({ baseUrl });
  const sessions: Session[] = [];
  let cursor: string | undefined;
  do {
    const { data, error } = await client.GET("/{app}/soid/{id}", {
      params: { path: { app: "shop", id }, query: { limit: 100, ...(cursor === undefined ? {} : { cursor }) } },
    });
    if (error !== undefined) throw new Error(error.message);
    sessions.push(...data.sessions);
    cursor = data.cursor;
  } while (cursor !== undefined);
  return sessions;
}

export async function mistakes(baseUrl: string): Promise<void> {
  const client = createClient<paths>({ baseUrl });
  // @ts-expect-error there is no such route
  await client.GET("/{app}/gets/{token}", { params: { path: { app: "shop", token: "-" } } });
  // @ts-expect-error another method
  await client.GET("/{app}/killall", { params: { path: { app: "shop" } } });
  // @ts-expect-error ip is needed
  await client.PUT("/{app}/create/{id}", { params: { path: { app: "shop", id: "id" }, query: { ttl: 60 } } });
  const { error } = await client.DELETE("/{app}/killsoid/{id}", {
    // @ts-expect-error a misspelt parameter
    params: { path: { app: "shop", id: "id" }, query: { exept: "-" } },
  });
  // @ts-expect-error no error has this name
  if (error?.name === "noSuchError") return;
}
