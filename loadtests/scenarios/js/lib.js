// What the scenarios share: where the platform is, its objects, reads that look at what they get, and the summary.
//
// Set by `make load`, or with -e by hand: EDGES (URLs, separated by commas), ORIGIN, CONTROL, TOKEN; RATE (requests a
// second of the steady mix), SECONDS (how long), OBJECTS, SUMMARY (a file for the summary as JSON).
import http from 'k6/http';
import exec from 'k6/execution';
import { check, fail } from 'k6';
import { Counter, Rate } from 'k6/metrics';

function setting(name) {
  const value = __ENV[name];
  if (!value) throw new Error(`set ${name}: k6 run -e ${name}=...`);
  return value;
}

export const edges = setting('EDGES').split(',');
export const origin = setting('ORIGIN');
export const control = setting('CONTROL');
export const rate = Number(setting('RATE'));
export const seconds = Number(setting('SECONDS'));
export const objects = Number(setting('OBJECTS'));
const authorized = { Authorization: `Bearer ${setting('TOKEN')}` };

export const host = 'load.example.test';

// How many objects carry the same tag.
const perTag = 10;

// Hits of an edge itself, of all reads.
export const edgeHits = new Rate('edge_hits');
// Reads that showed what had been replaced or purged before they began. There must be none.
export const tooOld = new Counter('reads_too_old');
// Purges and writes whose receipts were not complete in time.
export const incomplete = new Counter('receipts_incomplete');

// sizeOf mixes 70 % of 1 KiB, 25 % of 10 KiB and 5 % of 100 KiB; the popularity of an object says nothing of its size.
function sizeOf(object) {
  const at = (object * 37) % 100;
  return at < 70 ? 1 << 10 : at < 95 ? 10 << 10 : 100 << 10;
}

// contentOf begins with what the object is, so that a reader knows what it got.
export function contentOf(path, version, size) {
  return `${path} ${version}\n`.padEnd(size, 'tiercache ');
}

export const pathOf = (object) => `/objects/${object}`;
export const tagOf = (object) => `group-${Math.floor(object / perTag)}`;
export const randomEdge = () => edges[Math.floor(Math.random() * edges.length)];

// drawn is an object by Zipf's law with exponent 1, by the inverse of a continuous approximation.
export function drawn() {
  return Math.min(objects - 1, Math.floor(Math.pow(objects + 1, Math.random()) - 1));
}

// put stores a version; how is `?wait=...` or nothing.
export function put(path, body, tag, how = '', tags = { kind: 'write' }) {
  return http.put(`${origin}/v1/objects/${host}${path}${how}`, body, {
    tags: { name: 'PUT', ...tags },
    headers: { ...authorized, 'Content-Type': 'text/plain', 'Cache-Control': 'public, max-age=600', 'Surrogate-Key': tag },
  });
}

const batch = 20;

// seed stores all objects, and has every edge read each once: what is measured is a platform that has been running.
export function seed() {
  for (let first = 0; first < objects; first += batch) {
    const requests = [];
    for (let i = first; i < Math.min(first + batch, objects); i++) {
      requests.push(['PUT', `${origin}/v1/objects/${host}${pathOf(i)}`, contentOf(pathOf(i), 1, sizeOf(i)), {
        tags: { name: 'seed', kind: 'seed' },
        headers: { ...authorized, 'Content-Type': 'text/plain', 'Cache-Control': 'public, max-age=600', 'Surrogate-Key': tagOf(i) },
      }]);
    }
    for (const answer of http.batch(requests)) {
      if (answer.status !== 200 && answer.status !== 201) fail(`seed: ${answer.status} ${answer.error} ${answer.body}`);
    }
  }
  for (const edge of edges) {
    for (let first = objects - 1; first >= 0; first -= batch) { // the popular ones last
      const requests = [];
      for (let i = first; i > first - batch && i >= 0; i--) {
        requests.push(['GET', `${edge}${pathOf(i)}`, null, { headers: { Host: host }, tags: { name: 'seed', kind: 'seed' } }]);
      }
      http.batch(requests);
    }
  }
}

// read asks an edge for a path, and looks at what comes.
export function read(edge, path, tags = { kind: 'read' }) {
  const answer = http.get(`${edge}${path}`, { headers: { Host: host }, tags: { name: 'GET', ...tags } });
  check(answer, {
    'read: 200': (r) => r.status === 200,
    'read: the right object, whole': (r) => typeof r.body === 'string' && r.body.startsWith(`${path} `) && r.body.length === Number(r.headers['Content-Length']),
  });
  edgeHits.add(/edge-\d+; hit/.test(answer.headers['Cache-Status'] || ''));
  return answer;
}

// versionOf is what the first line of a body says.
export const versionOf = (answer) => Number(answer.body.slice(0, answer.body.indexOf('\n')).split(' ')[1]);

// purge purges a tag on all nodes and waits for their receipts. It is the purge's epoch, or 0 when receipts are missing.
export function purge(tag, mode) {
  const answer = http.post(`${control}/v1/purges`, JSON.stringify({ tags: [tag], mode, wait: '10s' }), {
    tags: { name: 'purge', kind: 'purge' }, headers: { ...authorized, 'Content-Type': 'application/json' },
  });
  const complete = answer.status >= 200 && answer.status < 300 && answer.json('state') === 'complete';
  check(answer, { 'purge: all receipts': () => complete });
  incomplete.add(complete ? 0 : 1);
  return complete ? answer.json('epoch') : 0;
}

// write replaces an object that nobody else writes, waits for all receipts, and reads it at every edge.
export function write(path, version, size, tag) {
  const answer = put(path, contentOf(path, version, size), tag, '?wait=10s');
  const written = answer.status === 200 || answer.status === 201;
  check(answer, { 'write: stored': () => written });
  if (!written) return;
  const complete = answer.json('receipt.state') === 'complete';
  incomplete.add(complete ? 0 : 1);
  if (!complete) return;
  for (const edge of edges) {
    const got = read(edge, path, { kind: 'read-after' });
    if (got.status === 200) tooOld.add(versionOf(got) === version ? 0 : 1);
  }
}

// own is an object that only this virtual user writes, and the number of its next version.
const versions = {};
export function own() {
  const path = `/own/${exec.scenario.name}/${exec.vu.idInTest}`;
  versions[path] = (versions[path] || Date.now()) + 1;
  return { path, version: versions[path] };
}

// mix are readers, a writer for every hundred reads and a purge for every five hundred, which all scenarios of the mix have.
export const mix = {
  reader: () => read(randomEdge(), pathOf(drawn())),
  writer: () => {
    const { path, version } = own();
    write(path, version, 10 << 10, 'own');
  },
  purger: () => {
    const object = drawn();
    const epoch = purge(tagOf(object), Math.random() < 0.5 ? 'soft' : 'hard');
    if (epoch === 0) return;
    for (const edge of edges) {
      const got = read(edge, pathOf(object), { kind: 'read-after' });
      if (got.status === 200) tooOld.add(Number(got.headers['Tiercache-Epoch']) >= epoch ? 0 : 1);
    }
  },
};

// constant is a scenario of so many requests a second, in an open loop.
export function constant(exec, perSecond, vus) {
  return {
    executor: 'constant-arrival-rate', exec, rate: Math.max(1, Math.round(perSecond * 10)), timeUnit: '10s', duration: `${seconds}s`,
    preAllocatedVUs: vus, maxVUs: 10 * vus,
  };
}

// What holds of every scenario.
export const always = {
  'http_req_failed{kind:read}': ['rate==0'],
  'http_req_failed{kind:write}': ['rate==0'],
  'http_req_failed{kind:purge}': ['rate==0'],
  checks: ['rate==1'],
  reads_too_old: ['count==0'],
  receipts_incomplete: ['count==0'],
  dropped_iterations: ['count==0'],
};

export const options = { summaryTrendStats: ['avg', 'med', 'p(90)', 'p(95)', 'p(99)', 'max'], setupTimeout: '10m' };

// summary writes all figures to SUMMARY, and says which thresholds were missed.
export function summary(data) {
  const lines = [];
  for (const [name, metric] of Object.entries(data.metrics)) {
    for (const [threshold, { ok }] of Object.entries(metric.thresholds || {})) lines.push(`${ok ? 'ok    ' : 'MISSED'} ${name}: ${threshold}\n`);
  }
  const files = { stdout: lines.sort().join('') };
  if (__ENV.SUMMARY) files[__ENV.SUMMARY] = JSON.stringify(data);
  return files;
}
