'use strict';
// Every site under examples/ does what the table in examples/README.md says. All are
// tested at once. Run by scripts/interop, which builds the server:
//
//   INTEROP_PROGRAM     our server
//   INTEROP_GO_SITE     examples/go, built
//   INTEROP_PYTHON      a Python that has Django, Flask and urllib3
//   EXAMPLES            some of the sites, with commas between; all if empty

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');

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

it('the client in Node asks for no user that fetch takes for a directory', async () => {
  const { Client, SessionsRefused } = await import('../../examples/express/client.js');
  const client = new Client({ app: 'shop', url: 'http://127.0.0.1:1' });
  for (const id of ['.', '..']) {
    for (const call of [client.create(id, { ip: '::1' }), client.killUser(id), client.sessionsOf(id)]) await assert.rejects(call, SessionsRefused);
  }
});
