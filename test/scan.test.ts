/** Uploads looked through before they are stored: by a clamd that speaks the real protocol, and by a command. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { EICAR, fakeClamd } from '../packages/server/src/scan/clamd.fixture.ts'
import { type Attache, formOf, postForm, startAttache, until } from './server.ts'
import { done, verb } from './verbs.ts'

interface Answer {
  status: number
  retryAfter: string | null
  errorMessage?: string
  errorDetails?: unknown
}

async function upload(attache: Attache, bytes: Buffer<ArrayBuffer>): Promise<Answer> {
  const response = await postForm(attache.url, await attache.token(), formOf('报销单.txt', bytes))
  const body = (await response.json()) as Pick<Answer, 'errorMessage' | 'errorDetails'>
  return { status: response.status, retryAfter: response.headers.get('retry-after'), ...body }
}

/** Everything under `tmp` and `blobs`. */
async function stored({ data }: Attache): Promise<string[]> {
  const names = await Promise.all(['tmp', 'blobs'].map((room) => readdir(join(data, room), { recursive: true })))
  return names.flat().filter((name) => !/^[0-9a-f]{2}$/.test(name))
}

test('an infected file is refused with a clear sentence, nothing of it is stored, and it is audited', async () => {
  await using clamd = await fakeClamd(EICAR)
  const attache = await startAttache({ env: { ATTACHE_SCAN_CLAMD: `127.0.0.1:${clamd.address.port}` } })
  const padded = Buffer.concat([randomBytes(700_000), Buffer.from(EICAR), randomBytes(700_000)])
  for (const bytes of [Buffer.from(EICAR), padded]) {
    const answer = await upload(attache, bytes)
    assert.deepEqual([answer.status, answer.errorMessage], [400, '文件未通过安全扫描，已拒绝保存'])
    assert.deepEqual(answer.errorDetails, [{ path: 'file', message: 'Eicar-Test-Signature' }])
  }
  assert.deepEqual(await stored(attache), [])
  const clean = randomBytes(1_000_000)
  assert.equal((await upload(attache, clean)).status, 200)
  assert.equal((await stored(attache)).length, 1)
  assert.deepEqual(clamd.streams, [Buffer.from(EICAR), padded, clean])
  await until(5000, async () => {
    const [line = ''] = (await done(['audit', '--reason', 'Infected', '--json'], attache.data)).split('\n')
    if (line === '') return undefined
    const { corporationId, detail, status } = JSON.parse(line) as Record<string, unknown>
    assert.deepEqual([corporationId, detail, status], [attache.corporationId, 'Eicar-Test-Signature', 400])
    return true
  })
  await attache.stop()
})

test('a scanner that is gone refuses uploads until it is back, or lets them pass where that is set', async () => {
  await using clamd = await fakeClamd(EICAR)
  const scan = { ATTACHE_SCAN_CLAMD: `127.0.0.1:${clamd.address.port}`, ATTACHE_SCAN_MILLISECONDS: '300' }
  const closed = await startAttache({ env: scan })
  const open = await startAttache({ env: { ...scan, ATTACHE_SCAN_FAILURE: 'accept' } })
  for (const mood of ['gone', 'silent'] as const) {
    clamd.mood = mood
    const refused = await upload(closed, Buffer.from('a'))
    assert.deepEqual(
      [refused.status, refused.retryAfter, refused.errorMessage],
      [503, '1', '安全扫描暂不可用，请稍后重试'],
    )
    assert.equal((await upload(open, Buffer.from('a'))).status, 200)
  }
  assert.deepEqual(await stored(closed), [])
  for (const { url } of [closed, open]) {
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^attache_unscanned_uploads_total 2$/m)
  }
  clamd.mood = 'well'
  assert.equal((await upload(closed, Buffer.from('a'))).status, 200)
  assert.equal((await upload(open, Buffer.from(EICAR))).status, 400)
  await closed.stop()
  await open.stop()
})

test('a command is handed the bytes, and neither a shell nor a name', async () => {
  const attache = await startAttache({ env: { ATTACHE_SCAN_COMMAND: '/usr/bin/grep -q -v EICAR' } })
  // Its exit code is 0 where it finds a line without the word, 1 where there is none.
  assert.equal((await upload(attache, Buffer.from('clean\n'))).status, 200)
  const refused = await upload(attache, Buffer.from(EICAR))
  assert.deepEqual([refused.status, refused.errorDetails], [400, [{ path: 'file', message: 'unnamed' }]])
  await attache.stop()
})

test('a scanner that can not be meant ends the start with what to do', async () => {
  const data = await mkdtemp(join(tmpdir(), 'attache-scan-'))
  for (const env of [{ ATTACHE_SCAN_CLAMD: 'clamd' }, { ATTACHE_SCAN_COMMAND: 'clamscan -' }]) {
    const { code, stderr } = await verb(['start', '--json'], { env: { ...env, ATTACHE_DATA: data } })
    assert.equal(code, 2)
    assert.match(stderr, /ATTACHE_SCAN_/)
  }
  await rm(data, { recursive: true })
})
