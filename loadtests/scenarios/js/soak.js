// The steady mix at half the rate, for long. `make load` watches the memory of the edges meanwhile.
import * as lib from './lib.js';

export const options = {
  ...lib.options,
  scenarios: {
    reads: lib.constant('reads', lib.rate / 2, 50),
    writes: lib.constant('writes', lib.rate / 200, 10),
    purges: lib.constant('purges', lib.rate / 1000, 10),
  },
  thresholds: {
    ...lib.always,
    'http_req_duration{kind:read}': ['p(99)<50'],
    edge_hits: ['rate>0.7'],
  },
};

export const setup = lib.seed;
export const reads = lib.mix.reader;
export const writes = lib.mix.writer;
export const purges = lib.mix.purger;
export const handleSummary = lib.summary;
