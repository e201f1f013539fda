/** B2: how long a comparison takes tells nothing of where a signature is wrong. */
import assert from 'node:assert/strict'
import { hmacSha1Key, sameSignature, signV1, signV4 } from '../../packages/server/src/oss/signature.ts'
import { row } from './stage.ts'

const THRESHOLD = 4.5
const ATTEMPTS = 3
const POOL = 512
const WARM = 20_000
const ORDERS = [
  [0, 1],
  [1, 0],
] as const
const [LETTER_A, LETTER_B] = [65, 66]

await row('B2', async ({ random, full }) => {
  const pairs = full ? 3_000_000 : 1_000_000
  const key = hmacSha1Key('secret')
  const signers = {
    V1: (text: string) => signV1(key, text),
    V4: (text: string) => signV4('secret', '20260102/cn-hangzhou/oss/aliyun_v4_request', text),
  }
  const control = Math.abs(welch(pool(signers.V4), { compare: leaky, pairs: 200_000, random }))
  const found: [string, number][] = []
  for (const [name, sign] of Object.entries(signers)) {
    // A machine that is busy with something else can show a difference that is none; a leak shows every time.
    const tries = []
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      tries.push(Math.abs(welch(pool(sign), { compare: sameSignature, pairs, random })))
      if ((tries.at(-1) ?? 0) < THRESHOLD) break
    }
    found.push([name, Math.min(...tries)])
  }
  const figure = `${found.map(([name, t]) => `${name} |t| = ${t.toFixed(2)}`).join(', ')} at ${pairs} pairs; a comparison that stops early shows |t| = ${control.toFixed(0)}`
  return { ok: control > THRESHOLD && found.every(([, t]) => t < THRESHOLD), figure }
})

/** Signatures by the thousand. */
function pool(sign: (text: string) => string): string[] {
  return Array.from({ length: POOL }, (_, n) => sign(`text ${n}`))
}

/** The first byte wrong, or the last; made in the same way, and of one piece as text from a socket is. */
function spoilt(signature: string, which: number): string {
  const bytes = Buffer.from(signature, 'latin1')
  const at = which * (bytes.length - 1)
  bytes[at] = bytes[at] === LETTER_A ? LETTER_B : LETTER_A
  return bytes.toString('latin1')
}

/**
 * Eight trials that between them have every order of making and of comparing, and each of the two in each place, once:
 * what is done second, or stands first, is faster by a little, and must be so for both alike.
 */
function trialsOf(expected: string, random: () => number) {
  const turn = Math.floor(random() * 8)
  return Array.from({ length: 8 }, (_, step) => {
    const bits = (step + turn) % 8
    const [order, making] = [ORDERS[bits & 1] ?? ORDERS[0], ORDERS[(bits >> 1) & 1] ?? ORDERS[0]]
    // Which of the two stands in the first place.
    const first = bits >> 2 === 0 ? 0 : 1
    const made: [string, string] = ['', '']
    for (const place of making) made[place] = spoilt(expected, place === 0 ? first : 1 - first)
    return { expected, order, first, made }
  })
}

interface Experiment {
  compare(expected: string, provided: string): boolean
  pairs: number
  random(): number
}

/**
 * In an order that is mixed, of strings made ahead of time and used once, so that where one lies in memory does not count; the
 * slowest hundredth, which are interruptions, left out of both by one common limit.
 */
function welch(signatures: readonly string[], { compare, pairs, random }: Experiment): number {
  const times = [new Float64Array(pairs), new Float64Array(pairs)] as const
  let [accepted, done] = [0, -WARM]
  while (done < pairs) {
    const trials = signatures.flatMap((expected) => trialsOf(expected, random))
    for (const { expected, order, first, made } of trials) {
      for (const place of order) {
        const candidate = made[place]
        const started = process.hrtime.bigint()
        if (compare(expected, candidate)) accepted++
        const took = Number(process.hrtime.bigint() - started)
        const which = place === 0 ? first : 1 - first
        if (done >= 0 && done < pairs) times[which === 0 ? 0 : 1][done] = took
      }
      done++
    }
  }
  assert.equal(accepted, 0)
  const limit = Math.max(...times.map((each) => each.toSorted()[Math.floor(pairs * 0.99)] ?? 0))
  const [a, b] = [momentsOf(times[0], limit), momentsOf(times[1], limit)]
  return (a.mean - b.mean) / Math.sqrt(a.variance / a.count + b.variance / b.count)
}

function momentsOf(times: Float64Array, limit: number): { count: number; mean: number; variance: number } {
  let [count, mean, squares] = [0, 0, 0]
  for (const time of times) {
    if (time > limit) continue
    count++
    const distance = time - mean
    mean += distance / count
    squares += distance * (time - mean)
  }
  return { count, mean, variance: squares / (count - 1) }
}

/** What a careless comparison does; the experiment must be able to see it. */
function leaky(expected: string, provided: string): boolean {
  for (let at = 0; at < expected.length; at++) if (expected.charCodeAt(at) !== provided.charCodeAt(at)) return false
  return true
}
