import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { bytesOf } from './blob-store.ts'
import { describeOnS3, seeded } from './s3.fixture.ts'
import { BROKEN, BUSY, inChunks, newId, type S3Stage, s3Stage } from './s3-stage.fixture.ts'
import type { StoreFault } from './store-proxy.fixture.ts'

const OPERATIONS = 80
const MOST_TRIES = 3
const MOST_MS = 10_000

describeOnS3('S3 under faults of all kinds', () => {
  it('gives right bytes or none, and takes three tries and ten seconds at most', async (t) => {
    const { seed, random } = seeded()
    t.diagnostic(`SEED=${seed}`)
    await using stage = await s3Stage()
    stage.proxy.fault = () => faultOf(random)
    const counts = { right: 0, failed: 0, wrong: 0, mostTries: 0, mostMs: 0 }
    for (let n = 0; n < OPERATIONS; n++) {
      stage.proxy.requests.length = 0
      const started = performance.now()
      counts[await roundTrip(stage, Math.floor(random() * 200_000) + 1)]++
      counts.mostMs = Math.max(counts.mostMs, Math.round(performance.now() - started))
      for (const method of ['PUT', 'GET', 'DELETE']) {
        const tries = stage.proxy.requests.filter((request) => request.method === method).length
        counts.mostTries = Math.max(counts.mostTries, tries)
      }
      // A breaker that opened by chance would keep the faults away.
      stage.ahead(5000)
    }
    const { right, failed, wrong, mostTries, mostMs } = counts
    t.diagnostic(
      `faults of all kinds: ${right} round trips right, ${failed} failed, ${wrong} wrong; ${mostTries} tries and ${mostMs} ms at most`,
    )
    assert.equal(counts.wrong, 0)
    assert.ok(counts.mostTries <= MOST_TRIES && counts.mostMs <= MOST_MS, JSON.stringify(counts))
    assert.ok(counts.right > OPERATIONS / 4 && counts.failed > 0, JSON.stringify(counts))
  })
})

async function roundTrip({ store }: S3Stage, size: number): Promise<'right' | 'failed' | 'wrong'> {
  const bytes = randomBytes(size)
  const id = newId()
  try {
    await store.put(id, inChunks(bytes))
    const body = await store.read(id, { first: 0, last: size - 1 })
    if (body === undefined) return 'failed'
    return sha256(await bytesOf(body)) === sha256(bytes) ? 'right' : 'wrong'
  } catch {
    return 'failed'
  }
}

function faultOf(random: () => number): StoreFault | undefined {
  const byte = Math.floor(random() * 200_000)
  const faults: StoreFault[] = [
    BUSY,
    BROKEN,
    { resetAt: 0 },
    { resetAt: byte },
    { stallAt: byte },
    { shortenTo: byte },
    { etag: '"00000000000000000000000000000000"' },
    { refuse: { status: 403, code: 'RequestTimeTooSkewed' } },
    { refuse: { status: 404, code: 'NoSuchKey' } },
    { delayMs: 20 },
  ]
  return random() < 0.6 ? undefined : faults[Math.floor(random() * faults.length)]
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
