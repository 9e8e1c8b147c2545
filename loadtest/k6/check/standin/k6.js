import { seen } from './state.js';

export function check(value, checks, tags) {
  let all = true;
  for (const [name, test] of Object.entries(checks)) {
    let ok = false;
    try {
      ok = Boolean(test(value));
    } catch (error) {
      // k6 lets a check that throws end the iteration; a script must not rely on that.
      seen.checks.push({ name, ok: false, tags, error });
      throw error;
    }
    seen.checks.push({ name, ok, tags });
    all &&= ok;
  }
  return all;
}

// Nothing waits: scripts sleep to be polite, not to be right.
export function sleep(seconds) {
  if (typeof seconds !== 'number') throw new TypeError('sleep takes seconds');
  seen.slept += seconds;
}
