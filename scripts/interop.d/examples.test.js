'use strict';
// Every site under examples/ does what the table in examples/README.md says. All are
// tested at once. Run by scripts/interop, which builds the server:
//
//   INTEROP_PROGRAM     our server
//   INTEROP_GO_SITE     examples/go, built
//   INTEROP_PYTHON      a Python that has Django, Flask and urllib3
//   EXAMPLES            some of the sites, with commas between; all if empty

const { after, before, describe } = require('node:test');

const outages = require('./examples-outages.js');
const { Site } = require('./examples-site.js');
const visits = require('./examples-visits.js');
const sites = require('./sites.js');

describe('examples', { concurrency: Object.keys(sites).length }, () => {
  for (const [name, row] of Object.entries(sites)) {
    describe(name, { concurrency: 1 }, () => {
      const site = new Site(name, row);
      before(() => site.start());
      after(() => site.stop());
      describe('visits', () => visits(site));
      describe('outages', () => outages(site));
    });
  }
});
