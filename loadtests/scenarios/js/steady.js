// What a site does all day: reads by Zipf's law at a steady rate, writes and purges among them, each followed by reads that
// must show it.
import * as lib from './lib.js';

export const options = {
  ...lib.options,
  scenarios: {
    reads: lib.constant('reads', lib.rate, 50),
    writes: lib.constant('writes', lib.rate / 100, 10),
    purges: lib.constant('purges', lib.rate / 500, 10),
  },
  thresholds: {
    ...lib.always,
    'http_req_duration{kind:read}': ['p(99)<50'],
    'http_req_duration{kind:write}': ['p(99)<250'],
    'http_req_duration{kind:purge}': ['p(99)<250'],
    edge_hits: ['rate>0.7'],
  },
};

export const setup = lib.seed;
export const reads = lib.mix.reader;
export const writes = lib.mix.writer;
export const purges = lib.mix.purger;
export const handleSummary = lib.summary;
