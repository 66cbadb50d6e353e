// Ten times as many readers within two seconds, most of whom want one story that no cache has yet. Each tier asks the next one
// for it once.
import { Counter } from 'k6/metrics';
import * as lib from './lib.js';

// Reads of the story that an edge asked its next tier for, other than by joining somebody who had.
const storyFills = new Counter('story_fills');

const calm = Math.max(1, Math.round(lib.rate / 5));
const rush = lib.rate * 2;
const part = Math.max(2, Math.round(lib.seconds / 3));

export const options = {
  ...lib.options,
  scenarios: {
    reads: {
      executor: 'ramping-arrival-rate', exec: 'reads', startRate: calm, timeUnit: '1s', preAllocatedVUs: 200, maxVUs: 2000,
      stages: [
        { target: calm, duration: `${part}s` },
        { target: rush, duration: '2s' },
        { target: rush, duration: `${part}s` },
        { target: calm, duration: '2s' },
        { target: calm, duration: `${part}s` },
      ],
    },
  },
  thresholds: {
    'http_req_failed{kind:read}': ['rate==0'],
    checks: ['rate==1'],
    dropped_iterations: ['count==0'],
    'http_req_duration{kind:read}': ['p(99)<250'],
    edge_hits: ['rate>0.7'],
    story_fills: [`count<=${lib.edges.length}`],
  },
};

export function setup() {
  lib.seed();
  const path = `/stories/${Date.now()}`;
  lib.put(path, lib.contentOf(path, 1, 100 << 10), 'stories', '?wait=10s', { kind: 'seed' });
  return { path, from: Date.now() + part * 1000 };
}

export function reads({ path, from }) {
  if (Date.now() < from || Math.random() < 0.2) {
    lib.read(lib.randomEdge(), lib.pathOf(lib.drawn()));
    return;
  }
  const answer = lib.read(lib.randomEdge(), path);
  const edge = (answer.headers['Cache-Status'] || '').split(',').find((member) => /edge-\d+;/.test(member)) || '';
  storyFills.add(/fwd=/.test(edge) && !/collapsed/.test(edge) ? 1 : 0);
}

export const handleSummary = lib.summary;
