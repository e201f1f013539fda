/** B1: of 100,000 changed URLs, half of them signed by V1 and half by V4, none is let in; of 10,000 true ones all are. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import OSS from 'ali-oss'
import { createApp } from '../../packages/server/src/commands/app.ts'
import { authenticate } from '../../packages/server/src/oss/authenticate.ts'
import { type TestService, testService, tokenFor } from '../../packages/server/src/service.fixture.ts'
import { type SignedTargetV4, signedTargetV4 } from '../v4-signer.ts'
import { type Random, some } from './b-query.ts'
import { foreignLinks } from './b-signers.ts'
import { type Attempt, flips, isV4, type Loot, saysTheSame, tamper } from './b-tampering.ts'
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
const LIFE = 604_800
/** For each language of its own two links of so many keys; nothing has to be there, for here a signature alone is looked at. */
const FOREIGN_KEYS = 300
/** Of V1 and of V4 in what was changed. */
const LEAST_SHARE = 0.25

await row('B1', async ({ random, full }) => {
  await using on = await testService({ ATTACHE_PORT: '0', ATTACHE_TOKEN_LIFE_SECONDS: '31536000' })
  on.clock.now = Date.now()
  const stage = await prepare(on, random)
  const forged = await forgeries(stage, full ? 1_000_000 : 100_000)
  const valid = await trueLinks(stage, full ? 100_000 : 10_000)
  const wire = await overTheWire(stage, full ? 300_000 : 30_000)
  const figure = [
    `${forged.accepted} of ${forged.tried} tampered accepted (${shares(forged)})`,
    `${forged.respelt} other spellings of the same link, ${forged.respeltRefused} refused`,
    `${valid.accepted} of ${valid.tried} valid accepted (${[...valid.signers].map(([signer, count]) => `${signer} ${count}`).join(', ')})`,
    `over TCP ${wire.accepted} of ${wire.tried} tampered (${shares(wire)}), ${wire.validAccepted} of ${wire.valid} valid`,
  ].join('; ')
  const ok =
    forged.accepted === 0 &&
    forged.respeltRefused === 0 &&
    forged.tried >= 100_000 &&
    bothShare(forged) &&
    valid.tried >= 10_000 &&
    valid.accepted === valid.tried &&
    wire.accepted === 0 &&
    bothShare(wire) &&
    wire.validAccepted === wire.valid
  return { ok, figure }
})

interface Versions {
  tried: number
  v4: number
}

function shares({ tried, v4 }: Versions): string {
  return `V1 ${tried - v4}, V4 ${v4}`
}

function bothShare({ tried, v4 }: Versions): boolean {
  return Math.min(v4, tried - v4) >= LEAST_SHARE * tried
}

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
  const [stranger, strangersV4] = await strangersLinks(on)
  const links = []
  for (const [index, item] of uploaded.entries()) {
    const { url, thumbUrl } = await on.link(item, 10_000)
    const otherKey = uploaded[(index + 1) % uploaded.length]?.key ?? ''
    const loot = { bucket, host: HOST, key: item.key, otherKey, foreignTarget: stranger }
    // Every second one covers the host as well.
    const additional = index % 2 === 0 ? {} : { host: HOST }
    const v4 = await linkV4(on, 'corporation', { key: item.key, additional })
    const thumbV4 = await linkV4(on, 'corporation', { key: item.key, additional, more: [['x-oss-process', THUMBNAIL]] })
    const lootV4 = { ...loot, foreignTarget: strangersV4 }
    links.push(
      { target: url, loot: { ...loot, sibling: thumbUrl } },
      { target: v4, loot: { ...lootV4, sibling: thumbV4 } },
      { target: thumbUrl, loot: { ...loot, sibling: url } },
      { target: thumbV4, loot: { ...lootV4, sibling: v4 } },
    )
  }
  return { on, random, bucket, links }
}

async function linkV4(
  { service, clock }: TestService,
  corporationId: string,
  of: Pick<SignedTargetV4, 'key' | 'additional' | 'more'>,
): Promise<string> {
  const { credential } = await service.credentials.signerOf(corporationId)
  const { securityToken = '', ...pair } = credential
  return signedTargetV4({ ...pair, securityToken, bucket: 'attache' }, { ...of, at: clock.now, life: LIFE })
}

/** True links of another corporation, for its own attachment, by V1 and by V4. */
async function strangersLinks(on: TestService): Promise<[string, string]> {
  const { service, ask } = on
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
  return [links.json()[0].url.replace(`http://${HOST}`, ''), await linkV4(on, 'stranger', { key })]
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
  const count = { tried: 0, v4: 0, accepted: 0, respelt: 0, respeltRefused: 0 }
  for (const [attempt, original, loot] of attempts(stage)) {
    if (count.tried >= wanted) break
    const same = saysTheSame(attempt, original, loot)
    const accepted = await letIn(stage, attempt)
    if (same) count.respelt++
    else count.tried++
    if (!same && isV4(original.target)) count.v4++
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
    keys: Array.from({ length: FOREIGN_KEYS }, (_, n) => `${n}-${NAMES[n % NAMES.length]}`),
    expires: Math.floor(on.clock.now / 1000) + 600,
  })
  const ours = links.map(({ target }) => target).filter((target) => !isV4(target))
  const makers: [string, () => Promise<string>][] = [
    [
      'ali-oss V1',
      async () => {
        const item = some(links, random).loot.key
        return v1.signatureUrl(item, random() < 0.5 ? {} : { process: THUMBNAIL }).replace(/^http:\/\/[^/]+/, '')
      },
    ],
    [
      'ali-oss V4',
      async () =>
        (
          await v4.signatureUrlV4(
            'GET',
            600,
            random() < 0.5 ? {} : { queries: { 'x-oss-process': THUMBNAIL } },
            some(links, random).loot.key,
          )
        ).replace(/^http:\/\/[^/]+/, ''),
    ],
    ['ours', async () => shuffled(some(ours, random), random)],
  ]
  const count = { tried: 0, accepted: 0, signers: new Map<string, number>() }
  const check = async (signer: string, target: string) => {
    count.tried++
    count.signers.set(signer, (count.signers.get(signer) ?? 0) + 1)
    if (await letIn(stage, { kind: 'true', method: 'GET', target, headers: { host: 'localhost:1' } })) count.accepted++
    else console.log(`refused: ${target}`)
  }
  for (const [signer, targets] of foreign) for (const target of targets) await check(signer, target)
  while (count.tried < wanted) {
    const [signer, make] = some(makers, random)
    await check(signer, await make())
  }
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
  const count = { tried: 0, v4: 0, accepted: 0, valid: 0, validAccepted: 0 }
  const originals = stage.links.filter(({ target }) => !target.includes('x-oss-process'))
  for (let round = 0; round < 3; round++) {
    for (const { target } of originals) {
      count.valid++
      if ((await rawGet(port, { method: 'GET', target, headers: { host: HOST } })) === 200) count.validAccepted++
    }
  }
  let batch: (Attempt & { v4: boolean })[] = []
  for (const [attempt, original, loot] of attempts({
    ...stage,
    links: stage.links.toSorted(() => stage.random() - 0.5),
  })) {
    if (count.tried >= wanted) break
    if (saysTheSame(attempt, original, loot) || !/^[!-~]+$/.test(attempt.target)) continue
    batch.push({ ...attempt, v4: isV4(original.target) })
    if (batch.length < BATCH) continue
    for (const [index, status] of (await pipelined(port, batch)).entries()) {
      const { method, target, v4 } = batch[index] as Attempt & { v4: boolean }
      count.tried++
      if (v4) count.v4++
      if (status >= 400) continue
      count.accepted++
      console.log(`ACCEPTED over TCP: ${method} ${target}: ${status}`)
    }
    batch = []
  }
  return count
}
