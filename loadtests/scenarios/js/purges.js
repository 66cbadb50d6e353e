// A purge storm: a purge for every ten reads, of tags that readers want at that moment, and half as many writes, each waited for and then
// read at every edge. What a receipt says must be so.
import * as lib from './lib.js';

const storm = Math.max(1, Math.round(lib.rate / 20));

export const options = {
  ...lib.options,
  scenarios: {
    reads: lib.constant('reads', lib.rate / 2, 50),
    purges: lib.constant('purges', storm, 50),
    writes: lib.constant('writes', storm / 2, 50),
  },
  thresholds: {
    ...lib.always,
    'http_req_duration{kind:read}': ['p(99)<250'],
    'http_req_duration{kind:purge}': ['p(95)<250', 'p(99)<1000'],
  },
};

export const setup = lib.seed;
export const reads = lib.mix.reader;
export const writes = lib.mix.writer;
export const purges = lib.mix.purger;
export const handleSummary = lib.summary;
