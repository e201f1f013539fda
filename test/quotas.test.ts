/** What a corporation may store and how often it may ask, as callers meet it and as the operator sets it. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { plain } from './pictures.ts'
import {
  askLinks,
  formOf,
  type Link,
  postForm,
  startAttache,
  statusOf,
  tokenFor,
  type Uploaded,
  until,
} from './server.ts'
import { type Corporation, createCorporation, done, verb } from './verbs.ts'

const KB100 = 102_400
const SOON_MS = 1000
const env = { ATTACHE_QUOTA_BYTES: '1048576', ATTACHE_QUOTA_LINKS_PER_MINUTE: '1000' }
const attache = await startAttache({ env })
after(() => attache.stop())

interface Caller extends Corporation {
  token: string
}

async function newCaller(name: string): Promise<Caller> {
  const corporation = await createCorporation(attache, name)
  return { ...corporation, token: await tokenFor(attache.url, corporation) }
}

async function upload(
  { token }: Caller,
  size: number,
): Promise<{ status: number; value: Uploaded; errorMessage: string }> {
  const response = await postForm(attache.url, token, formOf('a.bin', randomBytes(size)))
  const body = (await response.json()) as { value: Uploaded; errorMessage: string }
  return { status: response.status, ...body }
}

async function quota(action: string, { corporationId }: Corporation, ...args: string[]): Promise<string> {
  const words = ['quota', action, `--corporation=${corporationId}`, ...args]
  const { code, stdout, stderr } = await verb(words, { env: { ...env, ATTACHE_DATA: attache.data } })
  assert.equal(code, 0, stderr)
  return stdout
}

test('parallel uploads fill the quota to the byte, and not beyond', async () => {
  const caller = await newCaller('Full')
  const outcomes = await Promise.all(Array.from({ length: 25 }, () => upload(caller, KB100)))
  const statuses = Map.groupBy(outcomes, ({ status }) => status)
  assert.deepEqual([...statuses].map(([status, all]) => [status, all.length]).sort(), [
    [200, 10],
    [403, 15],
  ])
  assert.equal(statuses.get(403)?.[0]?.errorMessage, '本企业的附件总大小已达配额上限（1048576字节），请联系管理员')
  assert.equal((await upload(caller, 1_048_576 - 10 * KB100)).status, 200)
  assert.equal((await upload(caller, 1)).status, 403)
  const { used, limits } = JSON.parse(await quota('show', caller, '--json')) as {
    used: object
    limits: { bytes: number }
  }
  assert.deepEqual([used, limits.bytes], [{ bytes: 1_048_576, attachments: 11 }, 1_048_576])
  assert.equal((await upload(await newCaller('Other'), KB100)).status, 200, 'another corporation has its own')
})

test('a removed attachment makes room, and a quota of its own takes effect within a second', async () => {
  const caller = await newCaller('Roomy')
  await quota('set', caller, '--bytes', '100KiB', '--attachments', '2', '--links', '0')
  const refs = [{ id: 'a', key: 'a', expiration: 1 }]
  await until(SOON_MS, async () =>
    (await askLinks(attache.url, caller.token, refs)).status === 400 ? true : undefined,
  )
  const first = await upload(caller, KB100)
  assert.deepEqual([first.status, (await upload(caller, 1)).status], [200, 403])
  await done(['attachment', 'remove', first.value.fileId], attache.data)
  assert.deepEqual([(await upload(caller, 1)).status, (await upload(caller, 1)).status], [200, 200])
  const third = await upload(caller, 1)
  assert.deepEqual([third.status, third.errorMessage], [403, '本企业的附件数量已达配额上限（2个），请联系管理员'])
  await quota('set', caller, '--bytes', 'none', '--attachments', 'none', '--links', 'default')
  await until(SOON_MS, async () => ((await upload(caller, KB100 * 12)).status === 200 ? true : undefined))
  const words = await quota('show', caller)
  assert.match(words, /^bytes +none +its own +used \d+$/m)
  assert.match(words, /^linksPerMinute +1000 +default$/m)
  assert.equal(await quota('recount', caller), words)
})

test('links over the rate are 429 with Retry-After, more than a minute holds 400', async () => {
  const caller = await newCaller('Eager')
  const refs = (count: number) => Array.from({ length: count }, () => ({ id: 'a', key: 'a', expiration: 1 }))
  assert.equal((await askLinks(attache.url, caller.token, refs(900))).status, 200)
  const late = await askLinks(attache.url, caller.token, refs(700))
  assert.equal(late.status, 429)
  const wait = Number(late.headers.get('retry-after'))
  assert.ok(wait >= 30 && wait <= 36, String(wait))
  assert.match(((await late.json()) as { errorMessage: string }).errorMessage, /每分钟的配额/)
  const many = await askLinks(attache.url, caller.token, refs(1001))
  assert.equal(many.status, 400)
  assert.match(((await many.json()) as { errorMessage: string }).errorMessage, /不能超过本企业每分钟的配额1000/)
})

test('requests and thumbnails have rates of their own, and links still work', async () => {
  const caller = await newCaller('Busy')
  const photo = Buffer.from(await plain(40, 30).png().toBuffer())
  const uploaded = await postForm(attache.url, caller.token, formOf('a.png', photo))
  const { fileId: id, key } = ((await uploaded.json()) as { value: Uploaded }).value
  const [link] = (await (await askLinks(attache.url, caller.token, [{ id, key, expiration: 60 }])).json()) as Link[]
  assert.ok(link)
  await quota('set', caller, '--requests', '5', '--thumbnails', '2')
  const refused = await until(SOON_MS, async () => {
    const response = await askLinks(attache.url, caller.token, [])
    return response.status === 429 ? response : undefined
  })
  assert.ok(Number(refused.headers.get('retry-after')) > 0)
  const pair = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(caller) }
  assert.equal(await statusOf(`${attache.url}/api/openapi/v1/auth/getAccessToken`, pair), 429)
  for (let i = 0; i < 20; i++) assert.equal(await statusOf(link.url), 200)
  const thumbnails = await Promise.all(Array.from({ length: 4 }, () => fetch(link.thumbUrl)))
  assert.deepEqual(thumbnails.map(({ status }) => status).sort(), [200, 200, 503, 503])
  const slow = thumbnails.find(({ status }) => status === 503)
  assert.equal(slow?.headers.get('retry-after'), '30')
  assert.match((await slow?.text()) ?? '', /<Code>QpsLimitExceeded<\/Code>/)
})

test('tells mistakes in one line, and audits what was set and refused', async () => {
  const { corporationId } = await newCaller('Checked')
  const wrong = [
    ['set', `--corporation=${corporationId}`],
    ['set', `--corporation=${corporationId}`, '--links', '5GiB'],
    ['set', `--corporation=${corporationId}`, '--bytes', '-1'],
    ['set', '--corporation', 'nobody', '--bytes', '1'],
    ['show'],
  ]
  for (const args of wrong) {
    const { code, stderr } = await verb(['quota', ...args], { env: { ATTACHE_DATA: attache.data } })
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
  }
  await until(5000, async () => {
    const log = await done(['audit', '--json'], attache.data)
    const all = [
      '"verb":"quota set"',
      '"reason":"QuotaExceeded"',
      '"reason":"RateLimited"',
      '"reason":"QpsLimitExceeded"',
    ]
    return all.every((words) => log.includes(words)) ? true : undefined
  })
})
