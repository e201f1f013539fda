/** Moving up: from a data directory to PostgreSQL and Swift while its server serves, killed on the way. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { newCorporation, type ServingNode, serveNode } from '../node.ts'
import { bytesOf, environment, type Link, PROGRAM, type Ref } from '../server.ts'
import { type Corporation, verb } from '../verbs.ts'
import { databaseSettings, enginesMissing, s3Settings } from './cluster.ts'

const missing = enginesMissing()
const ATTACHMENTS = 10_000
const AT_A_TIME = 16
// Of ten thousand attachments at some fifty a second.
const timeout = 900_000

describe('migrate-storage', { skip: missing && !process.env['CI'] ? missing : false }, () => {
  const hashes = new Map<string, string>()
  const links: Link[] = []
  let directory: string
  let from: string
  let source: ServingNode
  let corporation: Corporation
  let target: Record<string, string>
  before(async () => {
    assert.equal(missing, undefined)
    directory = await mkdtemp(join(tmpdir(), 'attache-migrate-'))
    from = join(directory, 'from')
    const env = { ATTACHE_DATA: from, ATTACHE_DURABILITY: 'relaxed' }
    corporation = await newCorporation(env, 'Moving')
    source = await serveNode(env)
    const secret = join(directory, 'root.secret')
    await copyFile(join(from, 'root.secret'), secret)
    target = {
      ...(await databaseSettings()),
      ...(await s3Settings()),
      ATTACHE_ROOT_SECRET_FILE: secret,
      ATTACHE_DATA: join(directory, 'to'),
    }
  })
  after(async () => {
    await source?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
    let next = 0
    const lane = async () => {
      while (next < count) await work(next++)
    }
    await Promise.all(Array.from({ length: AT_A_TIME }, lane))
  }

  /** Ends with SIGKILL once it has told of so many attachments. */
  async function migrateUntil(attachments: number): Promise<void> {
    const args = [PROGRAM, 'migrate-storage', '--from', from]
    const child = spawn(process.execPath, args, { env: environment(target), stdio: ['ignore', 'ignore', 'pipe'] })
    const gone = once(child, 'exit')
    for await (const line of createInterface({ input: child.stderr })) {
      if (Number(/^(\d+) attachments/.exec(line)?.[1] ?? 0) >= attachments) break
    }
    child.kill('SIGKILL')
    const [, signal] = await gone
    assert.equal(signal, 'SIGKILL', 'it was done before it could be killed')
  }

  it('refuses the root secret of others', async () => {
    const env = { ...target, ...(await databaseSettings()) }
    const { code, stderr } = await verb(['migrate-storage', '--from', from], { env })
    assert.equal(code, 2)
    assert.match(stderr, /ATTACHE_ROOT_SECRET_FILE differs/)
  })

  it('is killed twice while the source serves', { timeout }, async () => {
    const calls = source.as(corporation)
    const refs: Ref[] = []
    await inParallel(ATTACHMENTS, async (index) => {
      const bytes = randomBytes(1 + (index % 5000))
      const { fileId, key } = await calls.upload(`发票 ${index}.bin`, bytes)
      hashes.set(fileId, sha256(bytes))
      refs.push({ id: fileId, key, expiration: 86_400 })
    })
    links.push(...(await calls.links(refs)))
    assert.equal(links.length, ATTACHMENTS)
    for (const attachments of [2500, 6000]) {
      await migrateUntil(attachments)
      const [link] = links
      assert.equal(sha256(await bytesOf(await fetch(link?.url ?? ''))), hashes.get(link?.id ?? ''))
    }
  })

  it('brings all of it over in the third run, and finds nothing to do in the fourth', { timeout }, async (t) => {
    const run = async () => {
      const { code, stdout, stderr } = await verb(['migrate-storage', '--from', from, '--json'], { env: target })
      assert.equal(code, 0, stderr)
      t.diagnostic(stdout.trim())
      return JSON.parse(stdout) as { attachments: number; copied: number; there: number; faulty: string[] }
    }
    const third = await run()
    assert.deepEqual([third.attachments, third.copied + third.there, third.faulty], [ATTACHMENTS, ATTACHMENTS, []])
    assert.ok(third.there >= 6000)
    const fourth = await run()
    assert.deepEqual([fourth.attachments, fourth.copied], [ATTACHMENTS, 0])
  })

  it('leaves every hash as it was', { timeout }, async (t) => {
    const { code, stdout } = await verb(['verify', '--json'], { env: target })
    t.diagnostic(stdout.trim().slice(0, 200))
    const { attachments, faulty } = JSON.parse(stdout) as { attachments: number; faulty: unknown[] }
    assert.deepEqual([code, attachments, faulty], [0, ATTACHMENTS, []])
  })

  it('keeps links and apps working at a new node', { timeout }, async () => {
    const node = await serveNode(target)
    const some = links.filter((_, index) => index % 10 === 0)
    await inParallel(some.length, async (index) => {
      const { id, url } = some[index] as Link
      const answer = await fetch(url.replace(source.own, node.own))
      assert.equal(answer.status, 200)
      assert.equal(sha256(await bytesOf(answer)), hashes.get(id))
    })
    const again = await node
      .as(corporation)
      .links(links.slice(0, 50).map(({ id, key }) => ({ id, key, expiration: 60 })))
    assert.equal(again.length, 50)
    await node.stop()
  })
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
