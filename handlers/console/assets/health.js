// Whether the server lives and is ready: what load balancers ask, and open to all.

import { Failure } from "./api.js";
import { inWords } from "./words.js";

// health asks, and returns {state, text}.
export async function health(client) {
  try {
    await client.get("readyz");
    return { state: "good", text: "Live and ready" };
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    if (failure.status === 0) return { state: "bad", text: inWords(failure) };
    const lives = await client.get("livez").then(() => true, () => false);
    return { state: "bad", text: `${lives ? "Live, but not ready." : "Not ready."} ${inWords(failure)}` };
  }
}
