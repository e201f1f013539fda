import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { OssFailure } from '../oss/failure.ts'
import { parseProcess } from '../oss/process.ts'
import { type Gate, type GateLimits, openGate } from './gate.ts'
import type { JobSource } from './render-job.ts'
import { plain, strokesPdf } from './samples.ts'

const SMALL = parseProcess('image/resize,w_20')
const jpeg = await plain(200, 100).jpeg().toBuffer()
const gates: Gate[] = []

after(() => Promise.all(gates.map((gate) => gate.close())))

test('runs no more jobs at once than it may have children, and loads bytes only for those', async () => {
  const gate = open({ maxChildren: 2 })
  let most = 0
  const watched = () => {
    most = Math.max(most, gate.stats().running)
  }
  const jobs = Array.from({ length: 12 }, () => gate.run(bytesOf(jpeg, watched), SMALL))
  await sleep(1)
  assert.deepEqual(gate.stats(), { queued: 10, running: 2 })
  await Promise.all(jobs)
  assert.equal(most, 2)
  assert.ok(childrenOf(process.pid).length <= 2)
  assert.deepEqual(gate.stats(), { queued: 0, running: 0 })
})

test('refuses with a retry-after when the queue is full, and serves those in it', async () => {
  const gate = open({ maxChildren: 1, queueLength: 3 })
  const jobs = await Promise.allSettled(Array.from({ length: 6 }, () => gate.run(bytesOf(jpeg), SMALL)))
  const refused = jobs.filter((job) => job.status === 'rejected').map(({ reason }) => reason as OssFailure)
  assert.deepEqual(
    refused.map(({ code, status, retryAfterSeconds }) => [code, status, retryAfterSeconds]),
    Array(2).fill(['RendererBusy', 503, 1]),
  )
})

test('refuses a job that waited too long', async () => {
  const gate = open({ maxChildren: 1, queueTimeMs: 50 })
  const gone = Promise.withResolvers<void>()
  const first = gate.run(
    bytesOf(jpeg, () => gone.promise),
    SMALL,
  )
  await assert.rejects(gate.run(bytesOf(jpeg), SMALL), { code: 'RendererBusy' })
  gone.resolve()
  await first
})

test('gives the place on when the bytes can not be had', async () => {
  const gate = open({ maxChildren: 1 })
  await assert.rejects(
    gate.run(
      bytesOf(jpeg, () => Promise.reject(new Error('no disk'))),
      SMALL,
    ),
    /no disk/,
  )
  assert.equal((await gate.run(bytesOf(jpeg), SMALL)).contentType, 'image/jpeg')
})

test('kills a job that takes too long, and a new child serves the next', async () => {
  const gate = open({ maxChildren: 1, jobTimeMs: 700 })
  const before = childrenOf(process.pid)
  const slow = strokesPdf()
  const started = Date.now()
  // The machine may be so busy that the job did not get to work.
  const refused = async (): Promise<OssFailure> => {
    const [outcome] = await Promise.allSettled([gate.run(bytesOf(slow), SMALL)])
    assert.ok(outcome?.status === 'rejected' && outcome.reason instanceof OssFailure)
    return outcome.reason.code === 'RendererBusy' ? refused() : outcome.reason
  }
  const { code, message } = await refused()
  assert.deepEqual([code, message], ['BadRequest', 'Image processing took longer than 0.7 seconds.'])
  // Far below what the job would take, and far above the limit: the machine may be busy.
  assert.ok(Date.now() - started < 8000)
  assert.deepEqual(childrenOf(process.pid), before)
  assert.equal((await gate.run(bytesOf(jpeg), SMALL)).contentType, 'image/jpeg')
})

test('blames no image that got no processor, and the next child gives way to nobody', async () => {
  const gate = open({ maxChildren: 1, jobTimeMs: 700 })
  const before = childrenOf(process.pid)
  const started = () => childrenOf(process.pid).find((pid) => !before.includes(pid)) ?? 0
  await gate.run(bytesOf(jpeg), SMALL)
  const first = started()
  assert.equal(isOfIdleClass(first), existsSync('/usr/bin/chrt'))
  process.kill(first, 'SIGSTOP')
  await assert.rejects(gate.run(bytesOf(jpeg), SMALL), { code: 'RendererBusy', status: 503 })
  await gate.run(bytesOf(jpeg), SMALL)
  assert.notEqual(started(), first)
  assert.equal(isOfIdleClass(started()), false)
})

test('kills a job that takes too much memory, and a new child serves the next', async () => {
  const gate = open({ maxChildren: 1, memoryBytes: 150 * 1024 * 1024 })
  const progressive = await plain(6900, 6900).jpeg({ progressive: true }).toBuffer()
  await assert.rejects(gate.run(bytesOf(progressive), SMALL), { code: 'ImageTooLarge' })
  assert.equal((await gate.run(bytesOf(jpeg), SMALL)).contentType, 'image/jpeg')
})

test('answers ImageDamage when a child dies under a job, and a new child serves the next', async () => {
  const gate = open({ maxChildren: 1 })
  const before = childrenOf(process.pid)
  const slow = strokesPdf()
  await gate.run(bytesOf(jpeg), SMALL)
  const job = gate.run(bytesOf(slow), SMALL)
  await sleep(100)
  const [child] = childrenOf(process.pid).filter((pid) => !before.includes(pid))
  assert.ok(child)
  process.kill(child, 'SIGKILL')
  await assert.rejects(job, { code: 'ImageDamage' })
  assert.equal((await gate.run(bytesOf(jpeg), SMALL)).contentType, 'image/jpeg')
})

test('replaces a child that died idle', async () => {
  const gate = open({ maxChildren: 1 })
  const before = childrenOf(process.pid)
  await gate.run(bytesOf(jpeg), SMALL)
  const [child] = childrenOf(process.pid).filter((pid) => !before.includes(pid))
  assert.ok(child)
  process.kill(child, 'SIGKILL')
  await until(() => !childrenOf(process.pid).includes(child))
  await sleep(50)
  assert.equal((await gate.run(bytesOf(jpeg), SMALL)).contentType, 'image/jpeg')
})

test('makes nothing of bytes that are not those that were uploaded, and blames no image for it', async () => {
  const gate = open({ maxChildren: 1 })
  const sha256 = createHash('sha256').update(jpeg).digest('hex')
  assert.equal((await gate.run({ ...bytesOf(jpeg), sha256 }, SMALL)).contentType, 'image/jpeg')
  for (const rotted of [Buffer.concat([jpeg, jpeg]), jpeg.subarray(0, 200)]) {
    await assert.rejects(gate.run({ ...bytesOf(rotted), sha256 }, SMALL), /not what was uploaded/)
  }
  assert.equal((await gate.run({ ...bytesOf(jpeg), sha256 }, SMALL)).contentType, 'image/jpeg')
})

test('kills a child without work after a while', async () => {
  const gate = open({ maxChildren: 1, idleMs: 30 })
  const before = childrenOf(process.pid)
  await gate.run(bytesOf(jpeg), SMALL)
  await until(() => childrenOf(process.pid).length === before.length)
})

test('tells a child nothing but its settings, lowers its priority and keeps it through a signal to the group', async () => {
  const gate = open({ maxChildren: 1 })
  const before = childrenOf(process.pid)
  process.env['ATTACHE_TEST_SECRET'] = 'hush'
  await gate.run(bytesOf(jpeg), SMALL)
  const [child] = childrenOf(process.pid).filter((pid) => !before.includes(pid))
  assert.ok(child)
  const names = readFileSync(`/proc/${child}/environ`, 'utf8')
    .split('\0')
    .map((entry) => entry.split('=')[0])
    .filter((name) => name && !name.startsWith('NODE_CHANNEL_'))
  assert.deepEqual(names, ['MALLOC_ARENA_MAX'])
  const settings = readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0').at(-2)
  assert.equal(settings, '{"maxPixels":50000000,"avif":false}')
  assert.equal(fieldOfStat(child, 18), '10')
  process.kill(child, 'SIGTERM')
  await gate.run(bytesOf(jpeg), SMALL)
  assert.ok(childrenOf(process.pid).includes(child))
})

test('fails the jobs in hand and in the queue when it closes, and leaves no child', async () => {
  const gate = open({ maxChildren: 1 })
  const before = childrenOf(process.pid)
  const slow = strokesPdf()
  const jobs = Promise.allSettled([gate.run(bytesOf(slow), SMALL), gate.run(bytesOf(jpeg), SMALL)])
  await sleep(400)
  await gate.close()
  for (const job of await jobs) {
    assert.ok(job.status === 'rejected' && job.reason instanceof OssFailure)
    assert.equal(job.reason.code, 'ServiceUnavailable')
  }
  assert.deepEqual(childrenOf(process.pid), before)
  await assert.rejects(gate.run(bytesOf(jpeg), SMALL), { code: 'ServiceUnavailable' })
})

function bytesOf(bytes: Uint8Array, opened?: () => Promise<void> | void): JobSource {
  async function* chunks() {
    await opened?.()
    yield bytes
  }
  return { size: bytes.byteLength, sha256: undefined, bytes: chunks }
}

function open(limits: Partial<GateLimits>): Gate {
  const settings = { maxPixels: 50_000_000, avif: false, secret: 'hush' }
  const gate = openGate(settings, limits)
  gates.push(gate)
  return gate
}

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => fieldOfStat(child, 3) === String(pid) && fieldOfStat(child, 2) !== 'Z')
    .sort((one, other) => one - other)
}

/** Counted from 0 as in proc(5), past the name in brackets. */
function fieldOfStat(pid: number, field: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[field - 2]
  } catch {
    return undefined
  }
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000
  while (!holds()) {
    if (Date.now() > deadline) assert.fail('not within five seconds')
    await sleep(10)
  }
}

/** proc(5): field 41 is the scheduling policy, 5 that of the idle class (sched.h). */
function isOfIdleClass(pid: number): boolean {
  const line = readFileSync(`/proc/${pid}/stat`, 'latin1')
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[38] === '5'
}
