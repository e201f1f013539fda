/** Who was given which link, who used it, who was refused: written by the server, asked by the verb. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import {
  askLinks,
  bytesOf,
  DOWNLOAD_URLS,
  environment,
  formOf,
  GET_ACCESS_TOKEN,
  PROGRAM,
  startAttache,
  statusOf,
  tokenFor,
  UPLOAD,
  until,
} from './server.ts'
import { createCorporation, done, verb } from './verbs.ts'

interface Entry {
  at: string
  act: string
  [name: string]: unknown
}

const data = await mkdtemp(join(tmpdir(), 'attache-audit-'))
const attache = await startAttache({ data, env: { ATTACHE_LOG_LEVEL: 'info' } })
after(async () => {
  await attache.stop()
  await rm(data, { recursive: true })
})
const bytes = randomBytes(300_000)
const file = await attache.upload('审计 报告.bin', bytes)
const other = await attache.upload('other.txt', Buffer.from('other'))
const forwarded = { 'x-forwarded-for': '203.0.113.7' }

async function audit(...args: string[]): Promise<Entry[]> {
  const text = await done(['audit', '--json', ...args], data)
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Entry)
}

/** A line is written a quarter of a second after its request. */
function found(args: string[], wanted: (entry: Entry) => boolean): Promise<Entry> {
  return until(5000, async () => (await audit(...args)).find(wanted))
}

test('tells who got a link for an attachment, who used it and from where', async () => {
  const before = new Date().toISOString()
  const [link] = await attache.links([
    { id: file.fileId, key: file.key, expiration: 77 },
    { id: 'unknown', key: 'unknown', expiration: 77 },
  ])
  assert.equal(await statusOf(link?.url ?? '', { headers: { range: 'bytes=10-19', ...forwarded } }), 206)
  const used = await found(['--file-id', file.fileId], ({ act }) => act === 'use')
  const { at, request, accessKeyId, expiresAt, ...facts } = used
  assert.deepEqual(facts, {
    act: 'use',
    // Nobody was named who may speak for others.
    address: '127.0.0.1',
    corporationId: attache.corporationId,
    fileId: file.fileId,
    key: file.key,
    method: 'GET',
    status: 206,
    complete: true,
    bytes: 10,
  })
  assert.ok(at >= before && /^[0-9A-F]{24}$/.test(String(request)))
  assert.equal(accessKeyId, attache.link.accessKeyId)
  assert.equal(String(expiresAt), /Expires=(\d+)/.exec(link?.url ?? '')?.[1])
  const entries = await audit('--key', file.key, '--since', before)
  assert.deepEqual(
    entries.map(({ act }) => act),
    ['links', 'use'],
  )
  const [issued] = entries
  assert.deepEqual([issued?.['files'], issued?.['expiration'], issued?.['appKey']], [[file.fileId], 77, attache.appKey])
  assert.deepEqual(
    await audit('--key', file.key, '--until', before),
    await audit('--file-id', file.fileId, '--until', before),
  )
  assert.deepEqual(
    (await audit('--file-id', file.fileId, '--until', before)).map(({ act }) => act),
    ['upload'],
  )
  const words = await done(['audit', '--file-id', file.fileId], data)
  assert.match(
    words,
    new RegExp(`use +${attache.corporationId} +127\\.0\\.0\\.1 +GET 206 10 B +${file.fileId} ${file.key}`),
  )
})

test('names each attachment of a request for many, on lines of a bounded length', async () => {
  const refs = Array.from({ length: 1201 }, (_, index) => ({
    id: other.fileId,
    key: other.key,
    expiration: 60 + (index % 2),
  }))
  refs[1200] = { id: file.fileId, key: file.key, expiration: 61 }
  await attache.links(refs)
  const lines = await until(5000, async () => {
    const all = (await audit('--file-id', other.fileId)).filter(({ act }) => act === 'links')
    return all.length === 3 ? all : undefined
  })
  assert.deepEqual(
    lines.map((line) => [(line['files'] as []).length, (line['expiration'] as []).length]),
    [
      [500, 500],
      [500, 500],
      [201, 201],
    ],
  )
  assert.equal(new Set(lines.map(({ request }) => request)).size, 1)
})

test('tells of a reader that left halfway', async () => {
  const big = await attache.upload('big.bin', randomBytes(20_000_000))
  const { url } = await attache.linkOf(big)
  const { hostname, port, pathname, search } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`)
  await once(socket, 'data')
  socket.destroy()
  const used = await found(['--file-id', big.fileId], ({ act }) => act === 'use')
  assert.deepEqual([used['complete'], used['address']], [false, '127.0.0.1'])
  assert.ok(Number(used['bytes']) > 0 && Number(used['bytes']) < 20_000_000, String(used['bytes']))
})

test('tells of links and of an upload whose caller left before the answer was over', async () => {
  const taken = await attache.upload('taken.txt', Buffer.from('taken'))
  const refs = Array.from({ length: 10_000 }, () => ({ id: taken.fileId, key: taken.key, expiration: 60 }))
  const leaving = await posted(DOWNLOAD_URLS, { type: 'application/json', body: Buffer.from(JSON.stringify(refs)) })
  await once(leaving, 'data')
  leaving.destroy()
  await found(['--file-id', taken.fileId], ({ act }) => act === 'links')
  await until(5000, async () => /downloadurls","status":200,.*"cut":true/.test(attache.stderr()) || undefined)

  const form = new Response(formOf('left.txt', randomBytes(100_000)))
  const type = form.headers.get('content-type') ?? ''
  const uploading = await posted(UPLOAD, { type, body: await bytesOf(form) })
  uploading.destroy()
  await found([], ({ act, key }) => act === 'upload' && String(key).endsWith('left.txt'))
})

test('tells refusals by their reason', async () => {
  const { url } = await attache.linkOf(file)
  const pair = { appKey: attache.appKey, appSecurity: 'not-the-secret' }
  const headers = { 'content-type': 'application/json' }
  assert.equal(
    await statusOf(attache.url + GET_ACCESS_TOKEN, { method: 'POST', headers, body: JSON.stringify(pair) }),
    403,
  )
  assert.equal((await askLinks(attache.url, 'no-such-token', [])).status, 403)
  assert.equal(await statusOf(url.replace(/Signature=[^&]+/, 'Signature=AAAA')), 403)
  assert.equal(await statusOf(url.replace(/Expires=\d+/, 'Expires=1')), 403)
  assert.equal(await statusOf(`${attache.url}/no/such`), 403)

  const secret = await found(['--reason', 'InvalidSecret'], () => true)
  assert.deepEqual(
    [secret['claimed'], secret['address'], secret['status']],
    [{ appKey: attache.appKey }, '127.0.0.1', 403],
  )
  await found(['--reason', 'Unauthorized'], ({ path }) => path === '/api/openapi/v2/attachment/downloadurls')
  const { accessKeyId } = attache.link
  for (const reason of ['SignatureDoesNotMatch', 'Expired']) {
    const refused = await found(['--reason', reason, '--key', file.key], () => true)
    assert.deepEqual(refused['claimed'], { accessKeyId, key: file.key }, reason)
    assert.equal(refused['corporationId'], undefined, 'nothing was proven')
  }
  await found(['--reason', 'AnonymousObject'], ({ path }) => path === '/no/such')
})

test('tells which links were revoked, by whom they were tried, and what the operator did', async () => {
  const old = await attache.linkOf(file)
  await done(['links', 'revoke', '--file-id', file.fileId], data)
  // The verb has waited until every node knows.
  assert.equal(await statusOf(old.url), 403)
  assert.equal(await statusOf((await attache.linkOf(file)).url), 200)
  const refused = await found(['--reason', 'LinkRevoked'], () => true)
  const proven = [refused['corporationId'], refused['fileId'], refused['key'], refused['claimed']]
  assert.deepEqual(proven, [attache.corporationId, file.fileId, file.key, undefined])
  const operated = await found(['--file-id', file.fileId], ({ act }) => act === 'operator')
  assert.deepEqual([operated['verb'], operated['detail']], ['links revoke', 'epoch 1'])
  for (const args of [
    ['links', 'revoke'],
    ['links', 'revoke', '--file-id', 'nobody'],
    ['audit', '--since', 'yesterday'],
    ['audit', '--key', 'a', '--file-id', 'b'],
  ]) {
    assert.equal((await verb(args, { env: { ATTACHE_DATA: data } })).code, 2, args.join(' '))
  }
})

test("filters by corporation, and knows no other's", async () => {
  const created = await createCorporation(attache, '另一家')
  await askLinks(attache.url, await tokenFor(attache.url, created), [{ id: file.fileId, key: file.key, expiration: 5 }])
  await attache.links([{ id: file.fileId, key: file.key, expiration: 4242 }])
  await found(['--corporation', attache.corporationId], ({ expiration }) => expiration === 4242)
  const own = await audit('--corporation', created.corporationId)
  assert.deepEqual(
    own.map((entry) => [entry.act, entry['verb'], entry['appKey']]),
    [['operator', 'app create', created.appKey]],
  )
})

test('keeps files for the owner only, and no secret in them', async () => {
  await statusOf(`${attache.url}/x;Signature=canary-1?security-token=canary-2&accessToken=canary-3`)
  await found([], ({ path }) => String(path).startsWith('/x'))
  const directory = join(data, 'audit')
  const names = (await readdir(directory)).sort()
  assert.deepEqual(
    names.map((name) => name.replace(/\d{4}-\d\d-\d\d/, 'DAY')),
    ['acts-DAY-000001.jsonl', 'refusals-DAY-000001.jsonl'],
  )
  const all = (await Promise.all(names.map((name) => readFile(join(directory, name), 'utf8')))).join('')
  for (const name of names) assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600)
  const { accessKeySecret, securityToken } = attache.link
  const secrets = [attache.appSecurity, accessKeySecret, securityToken, encodeURIComponent(securityToken)]
  for (const secret of [...secrets, 'not-the-secret', 'no-such-token', 'canary', 'Expires=']) {
    assert.ok(!all.includes(secret), `${secret} stands in the audit log`)
  }
})

test('ends without a word when its reader goes away', async () => {
  const at = new Date().toISOString()
  const lines = Array.from(
    { length: 20_000 },
    (_, index) => `${JSON.stringify({ at, act: 'operator', verb: `${index}` })}\n`,
  )
  const written = await mkdtemp(join(tmpdir(), 'attache-audit-'))
  await mkdir(join(written, 'audit'))
  await writeFile(join(written, 'audit', `acts-${at.slice(0, 10)}-000001.jsonl`), lines.join(''))
  const child = spawn(process.execPath, [PROGRAM, 'audit'], { env: environment({ ATTACHE_DATA: written }) })
  const [stderr, [first], [code]] = await Promise.all([
    text(child.stderr),
    once(child.stdout, 'data').finally(() => child.stdout.destroy()),
    once(child, 'exit'),
  ])
  assert.match(String(first), /operator .* 0\n/)
  assert.deepEqual([code, stderr], [130, ''])
  await rm(written, { recursive: true })
})

test('writes what waits when it is stopped, and nothing where it is switched off', async () => {
  const quiet = await startAttache({ env: { ATTACHE_AUDIT: 'off' } })
  await quiet.linkOf(await quiet.upload('a.txt', Buffer.from('a')))
  assert.ok(!(await readdir(quiet.data)).includes('audit'))
  await quiet.stop()
  const [link] = await attache.links([{ id: file.fileId, key: file.key, expiration: 31 }])
  assert.equal(await statusOf(link?.url ?? ''), 200)
  await attache.stop()
  assert.ok((await audit('--file-id', file.fileId)).some(({ expiration }) => expiration === 31))
})

/** A connection over which the whole request has gone, to be read or left. */
async function posted(path: string, { type, body }: { type: string; body: Buffer }): Promise<Socket> {
  const { hostname, port, pathname, search } = new URL(`${attache.url}${path}?accessToken=${await attache.token()}`)
  const socket = connect(Number(port), hostname)
  const head = `POST ${pathname}${search} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}`
  await new Promise<void>((resolve) =>
    socket.write(Buffer.concat([Buffer.from(`${head}\r\n\r\n`), body]), () => resolve()),
  )
  return socket
}
