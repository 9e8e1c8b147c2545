// What the stand-ins saw, and where the script that runs believes to be.
export const seen = { requests: [], checks: [], samples: [], slept: 0 };
export const now = { vu: 1, iteration: 0, scenario: '' };

export function forget() {
  seen.requests = [];
  seen.checks = [];
  seen.samples = [];
  seen.slept = 0;
}
