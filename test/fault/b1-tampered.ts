/** B1: of 100,000 changed URLs none is let in, of 10,000 true ones all are. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import OSS from 'ali-oss'
import { createApp } from '../../packages/server/src/commands/app.ts'
import { authenticate } from '../../packages/server/src/oss/authenticate.ts'
import { type TestService, testService, tokenFor } from '../../packages/server/src/service.fixture.ts'
import { foreignLinks } from './b-signers.ts'
import { type Attempt, flips, type Loot, type Random, saysTheSame, some, tamper } from './b-tampering.ts'
import { pipelined, rawGet } from './b-wire.ts'
import { row } from './stage.ts'

const HOST = 'attache.test'
const NAMES = [
  'kotlin简介.docx',
  "a b+c%20d&e=f(1)~'!.pdf",
  'é😀 résumé.txt',
  'e\u0301.txt',
  'x.jpg',
  'Straße/ß'.replace('/', '-'),
]
const BATCH = 1000
const THUMBNAIL = 'image/resize,w_120,h_120'

await row('B1', async ({ random, full }) => {
  await using on = await testService({ ATTACHE_PORT: '0', ATTACHE_TOKEN_LIFE_SECONDS: '31536000' })
  on.clock.now = Date.now()
  const stage = await prepare(on, random)
  const forged = await forgeries(stage, full ? 1_000_000 : 100_000)
  const valid = await trueLinks(stage, full ? 100_000 : 10_000)
  const wire = await overTheWire(stage, full ? 300_000 : 30_000)
  const figure = [
    `${forged.accepted} of ${forged.tried} tampered accepted`,
    `${forged.respelt} other spellings of the same link, ${forged.respeltRefused} refused`,
    `${valid.accepted} of ${valid.tried} valid accepted (${valid.signers.join(', ')})`,
    `over TCP ${wire.accepted} of ${wire.tried} tampered, ${wire.validAccepted} of ${wire.valid} valid`,
  ].join('; ')
  const ok =
    forged.accepted === 0 &&
    forged.respeltRefused === 0 &&
    forged.tried >= 100_000 &&
    valid.tried >= 10_000 &&
    valid.accepted === valid.tried &&
    wire.accepted === 0 &&
    wire.validAccepted === wire.valid
  return { ok, figure }
})

interface Stage {
  on: TestService
  random: Random
  bucket: string
  links: { target: string; loot: Loot }[]
}

async function prepare(on: TestService, random: Random): Promise<Stage> {
  const bucket = 'attache'
  const uploaded = []
  for (const name of NAMES) uploaded.push(await on.upload(name, Buffer.from(name)))
  const foreignTarget = await strangersLink(on)
  const links = []
  for (const [index, item] of uploaded.entries()) {
    const { url, thumbUrl } = await on.link(item, 10_000)
    const otherKey = uploaded[(index + 1) % uploaded.length]?.key ?? ''
    const loot = { bucket, host: HOST, key: item.key, otherKey, foreignTarget }
    links.push(
      { target: url, loot: { ...loot, sibling: thumbUrl } },
      { target: thumbUrl, loot: { ...loot, sibling: url } },
    )
  }
  return { on, random, bucket, links }
}

/** A true link of another corporation, for its own attachment. */
async function strangersLink({ service, ask }: TestService): Promise<string> {
  const app = await createApp(service.stores, { corporationId: 'stranger', corporationName: '另一家', demo: false })
  const token = await tokenFor(ask, app)
  const body =
    '--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nx.txt\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nx\r\n--b--\r\n'
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  const stored = await ask({
    method: 'POST',
    url: `/api/openapi/v2/attachment/upload?accessToken=${token}`,
    headers,
    payload: body,
  })
  const { fileId: id, key } = stored.json().value
  const links = await ask({
    method: 'POST',
    url: `/api/openapi/v2/attachment/downloadurls?accessToken=${token}`,
    payload: [{ id, key, expiration: 10_000 }],
  })
  return links.json()[0].url.replace(`http://${HOST}`, '')
}

async function letIn({ on, bucket }: Stage, { method, target, headers }: Attempt): Promise<boolean> {
  const rules = {
    defaultBucket: bucket,
    region: 'cn-hangzhou',
    strict: false,
    now: on.clock.now,
    signingKey: on.service.credentials.signingKey,
  }
  return authenticate({ method, target, headers }, rules).then(
    () => true,
    (error) => {
      assert.equal(error.name, 'OssFailure', `${method} ${target}: ${error.stack}`)
      return false
    },
  )
}

async function forgeries(stage: Stage, wanted: number) {
  const count = { tried: 0, accepted: 0, respelt: 0, respeltRefused: 0 }
  for (const [attempt, original, loot] of attempts(stage)) {
    if (count.tried >= wanted) break
    const same = saysTheSame(attempt, original, loot)
    const accepted = await letIn(stage, attempt)
    if (same) count.respelt++
    else count.tried++
    if (same !== accepted) {
      console.log(
        `${same ? 'refused' : 'ACCEPTED'}: ${attempt.kind}: ${attempt.method} ${attempt.target} ${JSON.stringify(attempt.headers)}`,
      )
      if (same) count.respeltRefused++
      else count.accepted++
    }
  }
  return count
}

/** Every flipped bit of four links, then all kinds in turn. */
function* attempts({ links, random }: Stage): Generator<[Attempt, Attempt, Loot]> {
  const whole = (target: string): Attempt => ({ kind: 'true', method: 'GET', target, headers: { host: HOST } })
  for (const { target, loot } of links.slice(0, 4)) {
    for (const attempt of flips(target, loot)) yield [attempt, whole(target), loot]
  }
  for (let turn = 0; ; turn++) {
    const { target, loot } = some(links, random)
    yield [tamper(target, loot, { random, turn }), whole(target), loot]
  }
}

async function trueLinks(stage: Stage, wanted: number) {
  const { on, links, random } = stage
  const { credential } = await on.service.credentials.signerOf('corporation')
  const { accessKeyId, accessKeySecret, securityToken = '' } = credential
  const session = { accessKeyId, accessKeySecret, stsToken: securityToken }
  const options = {
    ...session,
    bucket: 'attache',
    endpoint: 'http://localhost:1',
    sldEnable: true,
    refreshSTSToken: async () => session,
  }
  const [v1, v4] = [new OSS(options), new OSS({ ...options, region: 'oss-cn-hangzhou', authorizationV4: true })]
  const foreign = await foreignLinks(credential, {
    bucket: 'attache',
    keys: links.map(({ loot }) => loot.key),
    expires: Math.floor(on.clock.now / 1000) + 600,
  })
  const makers: (() => Promise<string>)[] = [
    async () => {
      const item = some(links, random).loot.key
      return v1.signatureUrl(item, random() < 0.5 ? {} : { process: THUMBNAIL }).replace(/^http:\/\/[^/]+/, '')
    },
    async () =>
      (
        await v4.signatureUrlV4(
          'GET',
          600,
          random() < 0.5 ? {} : { queries: { 'x-oss-process': THUMBNAIL } },
          some(links, random).loot.key,
        )
      ).replace(/^http:\/\/[^/]+/, ''),
    async () => shuffled(some(links, random).target, random),
  ]
  const count = { tried: 0, accepted: 0, signers: ['ours', 'ali-oss V1 and V4', ...foreign.signers] }
  const check = async (target: string) => {
    count.tried++
    if (await letIn(stage, { kind: 'true', method: 'GET', target, headers: { host: 'localhost:1' } })) count.accepted++
    else console.log(`refused: ${target}`)
  }
  for (const target of foreign.targets) await check(target)
  while (count.tried < wanted) await check(await some(makers, random)())
  return count
}

function shuffled(target: string, random: Random): string {
  const mark = target.indexOf('?') + 1
  const pairs = target
    .slice(mark)
    .split('&')
    .map((pair) => [random(), pair] as const)
  return `${target.slice(0, mark)}${pairs
    .sort(([a], [b]) => a - b)
    .map(([, pair]) => pair)
    .join('&')}&utm_source=mail`
}

/**
 * What a parser of HTTP lets through at all, on connections of our own, while everything that the links lead to is in
 * memory: the plainest requests are answered from there, before the route.
 */
async function overTheWire(stage: Stage, wanted: number) {
  await stage.on.service.listen()
  const { port } = stage.on.service.app.server.address() as AddressInfo
  const count = { tried: 0, accepted: 0, valid: 0, validAccepted: 0 }
  const originals = stage.links.filter(({ target }) => !target.includes('x-oss-process'))
  for (let round = 0; round < 3; round++) {
    for (const { target } of originals) {
      count.valid++
      if ((await rawGet(port, { method: 'GET', target, headers: { host: HOST } })) === 200) count.validAccepted++
    }
  }
  let batch: Attempt[] = []
  for (const [attempt, original, loot] of attempts({
    ...stage,
    links: stage.links.toSorted(() => stage.random() - 0.5),
  })) {
    if (count.tried >= wanted) break
    if (saysTheSame(attempt, original, loot) || !/^[!-~]+$/.test(attempt.target)) continue
    batch.push(attempt)
    if (batch.length < BATCH) continue
    for (const [index, status] of (await pipelined(port, batch)).entries()) {
      const { method, target } = batch[index] as Attempt
      count.tried++
      if (status >= 400) continue
      count.accepted++
      console.log(`ACCEPTED over TCP: ${method} ${target}: ${status}`)
    }
    batch = []
  }
  return count
}
