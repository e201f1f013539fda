/** B3: a signature is checked before any store is asked, so a refusal tells nothing of what exists, in words or in time. */
import assert from 'node:assert/strict'
import { readConfig } from '../../packages/server/src/config.ts'
import { openStores, type Stores } from '../../packages/server/src/stores.ts'
import { signedTargetV4 } from '../v4-signer.ts'
import { type Answer, type Inside, openInside } from './b-inside.ts'
import { row, type Stage } from './stage.ts'

const MOST_MS_APART = 1
const FORGED = 2000
const COLD = 300

await row('B3', async (stage) => {
  const { directory, full } = stage
  const asked: string[] = []
  const config = readConfig({ ATTACHE_DATA: directory })
  const open = async () => counted(await openStores(config, { serving: true }), asked)
  const on = await openInside({ directory, open })
  stage.defer(() => on.close())
  const own = await on.corporation('own')
  const uploaded = await own.upload('有.txt', Buffer.from('x'))
  const { url } = await own.link(uploaded)
  // Past 100 bytes, so that neither key has been seen.
  const unseen = await own.upload(`没见过${'x'.repeat(100)}.txt`, Buffer.from('y'))
  assert.equal((await on.ask({ url })).statusCode, 200)
  const kinds = forgeries({ url, v4: await linkV4(on, uploaded.key), key: uploaded.key, unseen: unseen.key })
  const forged = kinds.flatMap(({ targets }) => targets)

  asked.length = 0
  for (let turn = 0; turn < FORGED; turn++) await refused(on, forged[turn % forged.length])
  const warm = accesses(asked)
  const cold = await coldAccesses({ on, asked, forged, url })
  const wrong = await unlike(on, kinds)
  const times = await medians(stage, {
    rounds: full ? 10_000 : 3000,
    ask: (target) => on.ask({ url: target }),
    targets: kinds.flatMap(({ targets }) => targets.slice(0, 2)),
  })
  const apart = Math.max(...times) - Math.min(...times)
  for (const line of [...new Set([...warm, ...cold.forged]), ...wrong]) console.log(line)
  const figure = `${warm.length} store accesses in ${FORGED} forged requests, ${cold.forged.length} in ${COLD} more, each with nothing known of credentials (a true link: ${cold.fair}); ${kinds.length} kinds (${kinds.map(({ what }) => what).join(', ')}), each alike for a key that exists, one that does not, one never asked for, all 403 with the same headers, and as at OSS with a code of their own where the id is unknown: ${wrong.length} differ; medians ${Math.min(...times).toFixed(3)} to ${Math.max(...times).toFixed(3)} ms, ${apart.toFixed(3)} ms apart`
  const ok = warm.length + cold.forged.length + wrong.length === 0 && cold.fair > 0 && apart <= MOST_MS_APART
  return { ok, figure }
})

interface Kind {
  what: string
  code: string
  /** For a key that exists, one that does not, one never asked for. */
  targets: string[]
}

function forgeries({ url, v4, key, unseen }: Record<'url' | 'v4' | 'key' | 'unseen', string>): Kind[] {
  const keys = (target: string) => [
    target,
    target.replace(/openapi[\da-f]{8}/, 'openapi00000000'),
    target.replace(encodeURIComponent(key), encodeURIComponent(unseen)),
  ]
  const code = 'SignatureDoesNotMatch'
  return [
    { what: 'V1 signature', code, targets: keys(spoilt(url)) },
    { what: 'V4 signature', code, targets: keys(spoilt(v4)) },
    {
      what: 'id that is not the token’s',
      code: 'AccessKeyIdAndSecurityTokenNotMatch',
      targets: keys(url.replace(/OSSAccessKeyId=STS\../, 'OSSAccessKeyId=STS.~')),
    },
    {
      what: 'id that nobody has',
      code: 'InvalidAccessKeyId',
      targets: keys(url.replace(/OSSAccessKeyId=STS\./, 'OSSAccessKeyId=LTAI')),
    },
  ]
}

async function linkV4({ service }: Inside, key: string): Promise<string> {
  const { credential } = await service.credentials.signerOf('own')
  const { securityToken = '', ...pair } = credential
  return signedTargetV4({ ...pair, securityToken, bucket: 'attache' }, { key, at: Date.now(), life: 3600 })
}

async function refused(on: Inside, url = ''): Promise<Answer> {
  const answer = await on.ask({ url })
  assert.equal(answer.statusCode, 403, answer.body)
  return answer
}

/** Without what the service does by itself from time to time. */
function accesses(asked: readonly string[]): string[] {
  return asked.filter((name) => !name.startsWith('changes') && !name.startsWith('prune'))
}

interface Cold {
  on: Inside
  asked: string[]
  forged: readonly string[]
  url: string
}

/** As after a start, or a revocation of anybody's links: whose token it is, and its epoch, have to be found out anew. */
async function coldAccesses({ on, asked, forged, url }: Cold): Promise<{ forged: string[]; fair: number }> {
  const found: string[] = []
  for (let turn = 0; turn < COLD; turn++) {
    await on.service.credentials.reload()
    asked.length = 0
    await refused(on, forged[turn % forged.length])
    found.push(...accesses(asked))
  }
  await on.service.credentials.reload()
  asked.length = 0
  assert.equal((await on.ask({ url })).statusCode, 200)
  return { forged: found, fair: accesses(asked).length }
}

async function unlike(on: Inside, kinds: readonly Kind[]): Promise<string[]> {
  const wrong: string[] = []
  const heads = new Set<string>()
  for (const { what, code, targets } of kinds) {
    const answers = await Promise.all(targets.map((target) => refused(on, target)))
    const bodies = new Set(answers.map(plainBody))
    if (bodies.size !== 1) wrong.push(`${what}: ${[...bodies].join(' / ')}`)
    if (!answers.every(({ body }) => body.includes(`<Code>${code}</Code>`))) wrong.push(`${what}: not ${code}`)
    for (const answer of answers) heads.add(plainHead(answer))
  }
  if (heads.size !== 1) wrong.push(`other headers: ${[...heads].join(' / ')}`)
  return wrong
}

/** Without what is another in every answer, goes with the length of what was asked, or says the code once more. */
function plainHead({ statusCode, headers }: Answer): string {
  const volatile = ['date', 'content-length', 'x-request-id', 'x-oss-request-id', 'x-oss-server-time', 'x-oss-ec']
  return JSON.stringify([statusCode, ...Object.entries(headers).filter(([name]) => !volatile.includes(name))])
}

/** The same stores; each call of one of their functions is written down. */
function counted(stores: Stores, asked: string[]): Stores {
  const watch = <T extends object>(part: T): T =>
    new Proxy(part, {
      get(target, name) {
        const member = Reflect.get(target, name)
        if (typeof member === 'function') {
          return (...values: unknown[]) => {
            asked.push(String(name))
            return member.apply(target, values)
          }
        }
        return typeof member === 'object' && member !== null ? watch(member) : member
      },
    })
  return {
    ...stores,
    records: watch(stores.records),
    blobs: watch(stores.blobs),
    [Symbol.asyncDispose]: () => stores[Symbol.asyncDispose](),
  }
}

function spoilt(url: string): string {
  return url.replace(/ignature=([^&])/, (_, letter: string) => `ignature=${letter === 'A' ? 'B' : 'A'}`)
}

/** Without what the request itself said, which real OSS repeats: key, signed text; and without the number of the request. */
function plainBody({ body }: { body: string }): string {
  return body.replace(/<(StringToSign|StringToSignBytes|RequestId)>[^<]*/g, '<$1>')
}

interface Timed {
  rounds: number
  targets: readonly string[]
  ask(target: string): Promise<unknown>
}

async function medians({ random }: Stage, { rounds, targets, ask }: Timed): Promise<number[]> {
  const times = targets.map(() => [] as number[])
  for (let round = 0; round < rounds * targets.length; round++) {
    const which = Math.floor(random() * targets.length)
    const started = performance.now()
    await ask(targets[which] ?? '')
    times[which]?.push(performance.now() - started)
  }
  return times.map((each) => each.toSorted((a, b) => a - b)[Math.floor(each.length / 2)] ?? Number.NaN)
}
