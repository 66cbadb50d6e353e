// Reads the results that the suite's client wrote (standard input, JSON) and writes what the suite itself makes of
// each: [{id, suite, name, kind, verdict, message}]. Tests for browsers are left out, as its client leaves them out.
import fs from 'node:fs'
import tests from 'http-cache-tests/tests/index.mjs'
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs'
import { determineTestResult } from 'http-cache-tests/lib/display.mjs'

// The suite's third sign for each verdict, as a word.
const words = {
  '✅': 'pass',
  '⛔️': 'fail',
  '⚠️': 'optional_fail',
  Y: 'yes',
  N: 'no',
  '🔹': 'setup_fail',
  '⁉️': 'harness_fail',
  '⚪️': 'dependency_fail',
  '↻': 'retry',
  '-': 'untested'
}

tests.push(surrogate)
const results = JSON.parse(fs.readFileSync(0))
const verdicts = []
for (const suite of tests) {
  for (const test of suite.tests) {
    if (test.browser_only === true) continue
    const sign = determineTestResult(tests, test.id, results, true)[2]
    if (!(sign in words)) throw new Error(`unknown verdict ${sign} for ${test.id}`)
    const result = results[test.id]
    verdicts.push({
      id: test.id,
      suite: suite.id,
      name: test.name,
      kind: test.kind || 'required',
      verdict: words[sign],
      message: Array.isArray(result) ? result.join(': ') : ''
    })
  }
}
console.log(JSON.stringify(verdicts))
