import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { plain } from './pictures.ts'
import {
  askLinks,
  bytesOf,
  formOf,
  type Link,
  postForm,
  startAttache,
  statusOf,
  tokenFor,
  type Uploaded,
  until,
} from './server.ts'
import { signedQuery } from './v1-signer.ts'
import { createCorporation, done, verb } from './verbs.ts'

const SOON_MS = 1000

const attache = await startAttache()
after(() => attache.stop())
const bytes = randomBytes(300_000)
const file = await attache.upload('附件.bin', bytes)
const data = attache.data

test('app create gives credentials that work at once', async () => {
  const created = await createCorporation(attache, '新企业')
  assert.deepEqual(Object.keys(created), ['corporationId', 'appKey', 'appSecurity'])
  const token = await tokenFor(attache.url, created)
  const link = await ownLink(token)
  assert.equal(await statusOf(link.url), 200)
  const listed = (await done(['app', 'list'], data)).split('\n').find((line) => line.startsWith(created.appKey))
  assert.ok(listed?.includes('enabled') && listed.endsWith('新企业'), listed ?? 'not listed')
})

test('app disable ends the tokens of that app within a second, and gives no new ones', async () => {
  const created = await createCorporation(attache, 'Leaving')
  const token = await tokenFor(attache.url, created)
  const [mine, leaving] = [await attache.token(), askLinks(attache.url, token, [])]
  assert.equal((await leaving).status, 200)
  await done(['app', 'disable', created.appKey], data)
  await until(SOON_MS, async () => ((await askLinks(attache.url, token, [])).status === 403 ? true : undefined))
  await assert.rejects(tokenFor(attache.url, created), /密钥无效/)
  assert.equal((await askLinks(attache.url, mine, [])).status, 200)
  assert.equal((await verb(['app', 'disable', created.appKey], { env: { ATTACHE_DATA: data } })).code, 2)
})

test("links revoke ends a corporation's links within a second, and leaves new ones and those of others", async () => {
  const created = await createCorporation(attache, 'Revoked')
  const token = await tokenFor(attache.url, created)
  const [old, others] = [await ownLink(token), await attache.linkOf(file)]
  assert.equal(await statusOf(old.url), 200)
  await done(['links', 'revoke', '--corporation', created.corporationId], data)
  const code = await until(SOON_MS, () => refusalOf(old.url))
  assert.deepEqual(code, [403, 'SecurityTokenExpired'])
  assert.equal(await statusOf(old.thumbUrl), 403)
  assert.equal(await statusOf((await ownLink(token)).url), 200)
  assert.equal(await statusOf(others.url), 200)
})

test('attachment remove ends its links within a second, and takes its bytes and thumbnails', async () => {
  const photo = await attache.upload('照片.png', Buffer.from(await plain(400, 300).png().toBuffer()))
  const link = await attache.linkOf(photo)
  assert.equal(await statusOf(link.thumbUrl), 200)
  const { blobId } = JSON.parse(await done(['attachment', 'show', photo.fileId], data)) as { blobId: string }
  const folders = ['thumbnails', 'blobs'].map((room) => join(data, room, blobId.slice(0, 2)))
  const kept = async () => (await Promise.all(folders.map((folder) => readdir(folder)))).flat()
  assert.equal((await kept()).filter((name) => name === blobId).length, 2)
  await done(['attachment', 'remove', photo.fileId], data)
  for (const url of [link.url, link.thumbUrl]) {
    await until(SOON_MS, async () => ((await refusalOf(url))?.[0] === 404 ? true : undefined))
  }
  await until(SOON_MS, async () => ((await kept()).includes(blobId) ? undefined : true))
  assert.deepEqual(await attache.links([{ id: photo.fileId, key: photo.key, expiration: 60 }]), [])
})

test('answers 200 or 404, and nothing else, while an attachment is being removed', async () => {
  const doomed = await attache.upload('将删.bin', bytes)
  const { url } = await attache.linkOf(doomed)
  const seen = new Set<string>()
  const removed = done(['attachment', 'remove', doomed.fileId], data)
  await until(5000, async () => {
    const code = String((await refusalOf(url)) ?? 'served')
    seen.add(code)
    return code.startsWith('404') ? true : undefined
  })
  await removed
  assert.deepEqual([...seen].sort(), ['404,NoSuchKey', 'served'])
})

test('keys show prints the pair that signs links which work', async () => {
  const pair = JSON.parse(await done(['keys', 'show', '--corporation', attache.corporationId, '--json'], data))
  const address = `${attache.url}/${pair.bucket}/${encodeURIComponent(file.key)}?${signedQuery(pair, file.key)}`
  const response = await fetch(address)
  assert.equal(response.status, 200)
  assert.ok(bytes.equals(await bytesOf(response)))
})

test('keys rotate --grace leaves old links alive that long, and keys rotate ends them within a second', async () => {
  const old = await attache.linkOf(file)
  await done(['keys', 'rotate', '--grace', '600'], data)
  const renewed = await until(SOON_MS, async () => {
    const link = await attache.linkOf(file)
    return idOf(link) === idOf(old) ? undefined : link
  })
  assert.equal(await statusOf(old.url), 200)
  assert.equal(await statusOf(renewed.url), 200)
  await done(['keys', 'rotate'], data)
  for (const { url } of [old, renewed]) {
    assert.deepEqual(await until(SOON_MS, () => refusalOf(url)), [403, 'InvalidSecurityToken'])
  }
  assert.equal(await statusOf((await attache.linkOf(file)).url), 200)
})

test('keys rotate and links revoke --corporation refuse what they can not end: links of the permanent pair', async () => {
  const secret = join(data, 'permanent.secret')
  await writeFile(secret, 'a-permanent-secret')
  const pair = { ATTACHE_LINK_ACCESS_KEY_ID: 'permanent', ATTACHE_LINK_ACCESS_KEY_SECRET_FILE: secret }
  const old = await attache.linkOf(file)
  for (const args of [
    ['keys', 'rotate'],
    ['links', 'revoke', '--corporation', attache.corporationId],
  ]) {
    const { code, stdout, stderr } = await verb(args, { env: { ATTACHE_DATA: data, ...pair } })
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, /permanent pair.* change ATTACHE_LINK_ACCESS_KEY_ID and its secret, then restart/)
  }
  assert.equal(await statusOf(old.url), 200)
})

test('verbs that end links say that those to the store itself go on', async () => {
  const secret = join(data, 's3.secret')
  await writeFile(secret, 'a-secret-of-s3')
  const env = {
    ATTACHE_DATA: data,
    ATTACHE_LINKS: 'direct',
    ATTACHE_BLOBS: 's3',
    ATTACHE_S3_BUCKET: 'files',
    // Nobody listens there, and these verbs touch no bytes.
    ATTACHE_S3_ENDPOINT: 'http://127.0.0.1:9',
    ATTACHE_S3_ACCESS_KEY_ID: 'AKID',
    ATTACHE_S3_SECRET_ACCESS_KEY_FILE: secret,
  }
  for (const args of [
    ['keys', 'rotate'],
    ['links', 'revoke', '--corporation', attache.corporationId],
    ['links', 'revoke', '--file-id', file.fileId],
  ]) {
    const { code, stdout, stderr } = await verb(args, { env })
    assert.equal(code, 0, stderr)
    assert.match(stdout, /ATTACHE_LINKS=direct\) go on until they expire or their attachment is removed\n$/)
    assert.doesNotMatch(await done(args, data), /direct/)
  }
})

test('verbs that work on what is there refuse a directory without a store, and make none', async () => {
  const env = { ATTACHE_DATA: join(data, 'mistyped') }
  const of = ['--corporation', attache.corporationId]
  const VERBS = [
    ['app', 'list'],
    ['app', 'disable', attache.appKey],
    ['keys', 'show', ...of],
    ['keys', 'rotate'],
    ['links', 'revoke', ...of],
    ['attachment', 'show', file.fileId],
    ['document', 'remove', 'B1', ...of],
    ['audit'],
    ['quota', 'show', ...of],
    ['verify'],
    ['gc', '--remove'],
    ['backup', '--to', join(data, 'copy of nothing')],
  ]
  for (const args of VERBS) {
    const { code, stdout, stderr } = await verb(args, { env })
    assert.deepEqual([code, stdout], [2, ''], args.join(' '))
    assert.match(stderr, /there is no store to work on, .*mistyped.* is missing: set ATTACHE_DATA/)
  }
  const chinese = await verb(['verify'], { env: { ...env, LANG: 'zh_CN.UTF-8' } })
  assert.match(chinese.stderr, /没有可用的数据，缺少 .*mistyped.*：请按服务的配置设置ATTACHE_DATA/)
  const made = await readdir(data)
  assert.ok(!made.includes('mistyped') && !made.includes('copy of nothing'), made.join(' '))
})

test('verbs that work on what is there leave a directory alone that has lost its records', async () => {
  const lost = await mkdtemp(join(tmpdir(), 'attache-lost-'))
  await mkdir(join(lost, 'blobs'))
  for (const args of [['gc', '--remove'], ['verify']]) {
    const { code, stderr } = await verb(args, { env: { ATTACHE_DATA: lost } })
    assert.equal(code, 2)
    assert.match(stderr, /records\.sqlite is missing/)
  }
  assert.deepEqual(await readdir(lost, { recursive: true }), ['blobs'])
  await rm(lost, { recursive: true })
})

test('leaves a line in the audit log for each act of the operator, and no secret', async () => {
  const since = new Date().toISOString()
  const created = await createCorporation(attache, '审计')
  const { corporationId, appKey } = created
  const token = await tokenFor(attache.url, created)
  const uploaded = await postForm(attache.url, token, formOf('own.txt', Buffer.from('own')))
  const { fileId, key } = ((await uploaded.json()) as { value: Uploaded }).value
  const code = await newDocument(token)
  const of = ['--corporation', corporationId]
  const pair = JSON.parse(await done(['keys', 'show', ...of, '--json'], data)) as Record<string, string>
  const ACTS: [string[], object][] = [
    [['document', 'remove', code, ...of], { corporationId, detail: code }],
    [['quota', 'recount', ...of], { corporationId, detail: '1 attachments, 3 bytes' }],
    [['attachment', 'remove', fileId], { corporationId, fileId, key }],
    [['keys', 'rotate', '--grace', '60'], { detail: 'grace 60 s' }],
    [['app', 'disable', appKey], { corporationId, appKey }],
  ]
  for (const [args] of ACTS) await done(args, data)
  const log = await done(['audit', '--json', '--since', since], data)
  const entries = log
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as { at: string; act: string; verb: string })
  assert.deepEqual(
    entries.filter(({ act }) => act === 'operator').map(({ at, ...entry }) => entry),
    [
      { act: 'operator', verb: 'app create', corporationId, appKey },
      { act: 'operator', verb: 'keys show', corporationId, detail: pair['accessKeyId'] },
      ...ACTS.map(([[verb, action], facts]) => ({ act: 'operator', verb: `${verb} ${action}`, ...facts })),
    ],
  )
  for (const secret of [created.appSecurity, token, pair['accessKeySecret'], pair['securityToken']]) {
    assert.ok(secret && !log.includes(secret), 'a secret stands in the audit log')
  }
})

test('has logged no fault by its end', async () => {
  await attache.stop()
  assert.equal(attache.stderr(), '')
})

/** The link of an attachment that the holder of this token uploads. */
async function ownLink(token: string): Promise<Link> {
  const uploaded = await postForm(attache.url, token, formOf('own.txt', Buffer.from('own')))
  const { fileId, key } = ((await uploaded.json()) as { value: Uploaded }).value
  const [link] = (await (await askLinks(attache.url, token, [{ id: fileId, key, expiration: 600 }])).json()) as Link[]
  assert.ok(link)
  return link
}

async function newDocument(token: string): Promise<string> {
  const headers = { 'content-type': 'application/json' }
  const address = `${attache.url}/api/openapi/v2.2/flow/data?accessToken=${token}`
  const answer = await fetch(address, { method: 'POST', headers, body: '{"form":{"title":"差旅"}}' })
  assert.equal(answer.status, 200, await answer.clone().text())
  return ((await answer.json()) as { flow: { form: { code: string } } }).flow.form.code
}

async function refusalOf(url: string): Promise<[number, string | undefined] | undefined> {
  const response = await fetch(url)
  const text = await response.text()
  return response.status === 200 ? undefined : [response.status, /<Code>(\w+)<\/Code>/.exec(text)?.[1]]
}

function idOf({ url }: Link): string | undefined {
  return /OSSAccessKeyId=([^&]+)/.exec(url)?.[1]
}
