import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const DEMO = fileURLToPath(new URL('../demo/demo.ts', import.meta.url))

for (const [language, heading, ending] of [
  ['en_GB.UTF-8', 'file', 'All as expected.'],
  ['zh_CN.UTF-8', '文件', '全部符合预期。'],
] as const) {
  test(`the demo finds all as it must be, says so in the language of ${language}, and leaves nothing behind`, async (t) => {
    const temporary = await mkdtemp(join(tmpdir(), 'attache-demo-test-'))
    t.after(() => rm(temporary, { recursive: true }))
    const child = spawn(process.execPath, [DEMO], {
      env: { ...process.env, LANG: language, TMPDIR: temporary, ATTACHE_PORT: 'of mine' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
    t.diagnostic(`\n${stdout}`)
    assert.deepEqual([code, stderr], [0, ''], stdout)
    assert.ok(stdout.includes(heading) && stdout.trimEnd().endsWith(ending))
    assert.match(stdout, /发票照片\.jpg .* ✓ +90×120 jpeg/)
    assert.match(stdout, /透明印章\.png .* ✓ +120×90 png/)
    assert.match(stdout, /差旅说明\.docx .* ✓ +400 BadRequest/)
    assert.match(stdout, /电子发票\.pdf .* ✓ +85×120 png/)
    assert.deepEqual(await readdir(temporary), [])
  })
}
