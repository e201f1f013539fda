/** B3: a signature is checked before any store is asked, so a refusal tells nothing of what exists, in words or in time. */
import assert from 'node:assert/strict'
import { readConfig } from '../../packages/server/src/config.ts'
import { openStores, type Stores } from '../../packages/server/src/stores.ts'
import { openInside } from './b-inside.ts'
import { row, type Stage } from './stage.ts'

const MOST_MS_APART = 1
const FORGED = 2000

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
  const there = spoilt(url)
  const missing = there.replace(/openapi[\da-f]{8}/, 'openapi00000000')
  const never = there.replace(encodeURIComponent(uploaded.key), encodeURIComponent(unseen.key))

  asked.length = 0
  for (let turn = 0; turn < FORGED; turn++) {
    const answer = await on.ask({ url: [there, missing, never][turn % 3] ?? '' })
    assert.equal(answer.statusCode, 403)
  }
  const accesses = asked.filter((name) => !name.startsWith('changes') && !name.startsWith('prune'))
  const bodies = new Set(
    await Promise.all([there, missing, never].map(async (target) => plainBody(await on.ask({ url: target })))),
  )
  const times = await medians(stage, {
    rounds: full ? 10_000 : 3000,
    ask: (target) => on.ask({ url: target }),
    targets: [there, missing, strangersId(url)],
  })
  const apart = Math.max(...times) - Math.min(...times)
  const figure = `${accesses.length} store accesses in ${FORGED} forged requests; ${bodies.size} kind of 403 body for a key that exists, one that does not, one never asked for; medians ${times.map((ms) => ms.toFixed(3)).join(' / ')} ms (there / missing / unknown id), ${apart.toFixed(3)} ms apart`
  return { ok: accesses.length === 0 && bodies.size === 1 && apart <= MOST_MS_APART, figure }
})

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
  return url.replace(/Signature=(.)/, (_, letter: string) => `Signature=${letter === 'A' ? 'B' : 'A'}`)
}

function strangersId(url: string): string {
  return url.replace(/OSSAccessKeyId=STS\../, 'OSSAccessKeyId=STS.~')
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
