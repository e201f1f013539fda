import assert from 'node:assert/strict'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Fault } from '../packages/client/src/fault-proxy.fixture.ts'
import { type CliOutcome, cli, rowsOfType, startCli } from './cli.ts'
import { behindProxy, documentOf } from './cli-stage.ts'

const stage = await behindProxy()
const { proxy, env, home } = stage
after(() => stage[Symbol.asyncDispose]())

const TRIES = 3
const SIZE = 60_000
const FILES = 6
const names = Array.from({ length: FILES }, (_, index) => `发票 ${index}.bin`)
const { code, hashes, refs } = await documentOf(
  stage.attache,
  names.map((name) => ({ name, bytes: randomBytes(SIZE) })),
)
const [first = ''] = refs
const DATA = /^\/attache\//
const LINKS = /downloadurls/
const BY_CODE = /byCode/
const UPLOAD = /attachment\/upload/

const json = (status: number, errorMessage: string) => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ errorCode: status, errorMessage, errorDetails: null, code: null, data: null }),
})
const expired = {
  status: 403,
  headers: { 'content-type': 'application/xml' },
  body: '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>',
}
const busy = { status: 503, headers: { 'retry-after': '1' }, body: 'busy' }
const plain = { status: 500, headers: { 'content-type': 'text/plain' }, body: 'upstream exploded' }

interface Case {
  name: string
  faults: [RegExp, ...Fault[]][]
  /** For what can't be had now: how the first run ends. */
  ends?: number
}

// A busy answer is tried again, a refused link asked for anew: both three times for each file.
const CASES: Case[] = [
  { name: 'a token that ends mid-run', faults: [[LINKS, { answer: json(403, '未授权') }]] },
  {
    name: '503 with Retry-After',
    faults: [
      [LINKS, { answer: busy }],
      [DATA, { answer: busy }],
    ],
  },
  {
    name: 'bodies cut at random bytes',
    faults: [[DATA, ...Array.from({ length: 5 }, () => ({ cutAfter: randomInt(SIZE) }))]],
  },
  { name: 'a link that expired', faults: [[DATA, { answer: expired }]] },
  {
    name: 'an error in plain text',
    faults: [
      [BY_CODE, { answer: plain }],
      [DATA, { answer: plain }],
    ],
  },
  { name: 'a server that falls silent', faults: [[DATA, { stallAfter: 30_000 }]] },
  { name: 'a byte that turns over on the way', faults: [[DATA, { corruptAt: 1000 }]], ends: 6 },
  {
    name: 'a server that stays busy',
    faults: [[DATA, ...Array.from({ length: TRIES * FILES }, () => ({ answer: { ...busy, headers: {} } }))]],
    ends: 5,
  },
  {
    name: 'links that stay refused',
    faults: [[DATA, ...Array.from({ length: TRIES * FILES }, () => ({ answer: expired }))]],
    ends: 5,
  },
]

for (const [number, { name, faults, ends = 0 }] of CASES.entries()) {
  test(`archive under ${name} ends with ${ends} and holds no wrong file`, async (t) => {
    const directory = home.in(`case-${number}`)
    for (const [pattern, ...some] of faults) proxy.next(pattern, ...some)
    const started = performance.now()
    const args = ['archive', code, '-o', directory, '--json', '--timeout', '1s', '--tries', String(TRIES)]
    const outcome = await cli(args, { env })
    t.diagnostic(`${Math.round(performance.now() - started)} ms, exit ${outcome.code}`)
    assert.equal(outcome.code, ends, outcome.stderr)
    await nothingWrong(directory)
    if (ends === 0) assert.equal(rowsOfType(outcome, 'file').length, FILES)
    else listed(outcome)
    const again = await cli(args, { env })
    assert.equal(again.code, 0, again.stderr)
    assert.equal(await nothingWrong(directory), FILES)
  })
}

/** Every failure by its name and reason, in words as well. */
function listed(outcome: CliOutcome): void {
  const failed = rowsOfType(outcome, 'file').filter(({ status }) => status === 'failed')
  assert.ok(failed.length > 0)
  for (const { path, reason, message } of failed) {
    assert.ok(reason && message && outcome.stderr.includes(String(path)), JSON.stringify(failed))
  }
}

/** How many files are there; every one that is is right. */
async function nothingWrong(directory: string): Promise<number> {
  let there = 0
  for (const [index, name] of names.entries()) {
    const path = join(directory, code, name)
    if (!existsSync(path)) continue
    there++
    assert.equal(
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
      hashes[index],
      name,
    )
  }
  return there
}

test('a refused key pair is 3, an unknown code and an unknown attachment are 4', async () => {
  const wrong = { ...env, ATTACHE_APP_SECURITY: 'wrong-secret-of-this-test' }
  const refused = await cli(['ls', code], { env: wrong })
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /config show --origin/)
  assert.doesNotMatch(refused.stdout + refused.stderr, /wrong-secret/)
  assert.equal((await cli(['ls', code], { env: { ...env, ATTACHE_APP_SECURITY: '' } })).code, 3)
  assert.equal((await cli(['archive', 'B00000000', '-o', home.in('none')], { env })).code, 4)
  const outcome = await cli(['download', 'nobody:openapi-x.pdf', first, '-o', home.in('some'), '--json'], { env })
  assert.equal(outcome.code, 4)
  assert.deepEqual(
    rowsOfType(outcome, 'file')
      .map(({ status }) => status)
      .sort(),
    ['missing', 'saved'],
  )
})

test('an address where nothing listens is 5, one that is no API is 7, and both say the next step', async () => {
  const nobody = await cli(['ls', code, '--tries', '1'], { env: { ...env, ATTACHE_URL: 'http://127.0.0.1:9' } })
  assert.equal(nobody.code, 5, nobody.stderr)
  assert.match(nobody.stderr, /fix: .*attache doctor/)
  const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<title>Log in</title>' }
  proxy.next(BY_CODE, { answer: page })
  const strange = await cli(['ls', code], { env })
  assert.equal(strange.code, 7, strange.stderr)
  assert.match(strange.stderr, /fix: .*--url/)
  const nowhere = await cli(['archive', code, '-o', join(import.meta.filename, 'x')], { env })
  assert.equal(nowhere.code, 7, nowhere.stderr)
})

test('doctor tells what the server says of its database and storage, and that another server does not tell', async () => {
  proxy.next(/readyz/, { answer: json(503, '存储服务暂时不可用') }, { answer: { status: 404, body: 'not found' } })
  for (const [code, result] of [
    [5, 'failed'],
    [0, 'note'],
  ] as const) {
    const outcome = await cli(['doctor', '--json', '--no-round-trip'], { env })
    const backend = rowsOfType(outcome, 'check').find(({ name }) => name === 'backend')
    assert.deepEqual([outcome.code, backend?.['result']], [code, result], outcome.stdout)
    if (code === 5) assert.match(`${backend?.['detail']} ${backend?.['fix']}`, /存储服务暂时不可用 .*operator/)
  }
})

test('an upload without an answer is not sent twice, and is told as one that may be stored', async () => {
  const file = join(import.meta.dirname, 'cli.ts')
  proxy.next(UPLOAD, { noAnswer: true })
  const before = proxy.count(UPLOAD)
  const outcome = await cli(['upload', file], { env })
  assert.equal(outcome.code, 5)
  assert.match(outcome.stderr, /may have been stored/)
  assert.equal(proxy.count(UPLOAD) - before, 1)
})

test('an upload that the server could not answer for is sent once and told so, one that it refused is sent again', async () => {
  const upload = ['upload', join(import.meta.dirname, 'cli.ts')]
  const unknown = json(503, '存储没有应答，附件可能已保存：请核实后再决定是否重新上传')
  proxy.next(UPLOAD, { answer: unknown })
  const before = proxy.count(UPLOAD)
  const outcome = await cli(upload, { env })
  assert.equal(outcome.code, 5, outcome.stderr)
  assert.match(outcome.stderr, /附件可能已保存(.*\n)+.*may have been stored/)
  assert.equal(proxy.count(UPLOAD) - before, 1)
  proxy.next(UPLOAD, { answer: busy })
  assert.equal((await cli(upload, { env })).code, 0)
  assert.equal(proxy.count(UPLOAD) - before, 3)
})

test('an upload is given up after --timeout of silence', async () => {
  proxy.next(UPLOAD, { stallAfter: 0 })
  const outcome = await cli(['upload', join(import.meta.dirname, 'cli.ts'), '--timeout', '1s', '--json'], { env })
  assert.deepEqual([outcome.code, rowsOfType(outcome, 'error')[0]?.['kind']], [5, 'timeout'], outcome.stderr)
  assert.match(outcome.stderr, /may have been stored/)
})

test('an upload beyond the quota is 7 in both languages, and does not suggest another key pair', async () => {
  const file = join(import.meta.dirname, 'cli.ts')
  const sentence = '本企业的附件总大小已达配额上限（1048576字节），请联系管理员'
  for (const [lang, fix] of [
    ['en', /fix: the key pair is right: ask the operator.*quota$/m],
    ['zh', /解决: 密钥对有效：.*配额$/m],
  ] as const) {
    proxy.next(UPLOAD, { answer: json(403, sentence) })
    const before = proxy.count(UPLOAD)
    const outcome = await cli(['upload', file, '--json', '--lang', lang], { env })
    assert.equal(outcome.code, 7, outcome.stderr)
    assert.ok(outcome.stderr.includes(sentence), outcome.stderr)
    assert.match(outcome.stderr, fix)
    assert.doesNotMatch(outcome.stderr, /attache login/)
    assert.deepEqual([rowsOfType(outcome, 'error')[0]?.['kind'], proxy.count(UPLOAD) - before], ['not-allowed', 1])
  }
})

test('Ctrl-C is 130, says how to go on, and going on works', async () => {
  const directory = home.in('interrupted')
  proxy.next(DATA, { stallAfter: 20_000 }, { stallAfter: 20_000 }, { stallAfter: 20_000 }, { stallAfter: 20_000 })
  const before = proxy.count(DATA)
  const running = startCli(['archive', code, '-o', directory, '--json'], { env })
  while (proxy.count(DATA) - before < 4) await new Promise((resolve) => setTimeout(resolve, 10))
  running.child.kill('SIGINT')
  const { code: exit, stderr } = await running.ended
  assert.equal(exit, 130)
  assert.match(stderr, /interrupted; the same command goes on/)
  assert.equal((await cli(['archive', code, '-o', directory], { env })).code, 0)
  assert.equal(await nothingWrong(directory), FILES)
})

test('--rate holds the requests back, and a log gets a line every 5 s', async () => {
  const before = proxy.passed.length
  const started = performance.now()
  const outcome = await cli(['archive', code, '-o', home.in('slow'), '--rate', '1.5/s'], { env })
  const seconds = (performance.now() - started) / 1000
  assert.equal(outcome.code, 0, outcome.stderr)
  const requests = proxy.passed.length - before
  assert.ok(requests / seconds < 1.8, `${requests} requests in ${seconds} s`)
  assert.match(outcome.stderr, /^\d\/6 files · .*\/s · \d:\d\d left$/m)
})
