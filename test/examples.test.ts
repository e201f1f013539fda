/** The examples, run as an integrator runs them. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const RUNS: [string, string[], RegExp][] = [
  ['node:test', ['--test', 'examples/node-test/download.test.ts'], /^ℹ pass 4$/m],
  ['vitest', ['node_modules/vitest/vitest.mjs', 'run', '--root', 'examples/vitest'], /Tests +3 passed/],
]

for (const [runner, args, expected] of RUNS) {
  test(`the example for ${runner} passes, and its process ends by itself`, async (t) => {
    const started = performance.now()
    // Told that it is a child of another run, node --test would not report as it does for people.
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...env, NO_COLOR: '1' }, timeout: 60_000 })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, expected)
    t.diagnostic(`${Math.round(performance.now() - started)} ms`)
  })
}
