import { now } from './state.js';

export default {
  scenario: {
    get name() { return now.scenario; },
    get iterationInTest() { return now.iteration; },
  },
  vu: {
    get idInTest() { return now.vu; },
  },
  test: {
    abort(why) { throw new Error(`aborted: ${why}`); },
  },
};
