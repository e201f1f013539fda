/** Two nodes over PostgreSQL and Swift with nginx in front: what one does the other knows, and either may die. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ServingNode } from '../node.ts'
import { bytesOf, type Calls, callsOf, type Link, statusOf } from '../server.ts'
import { verb } from '../verbs.ts'
import { type Cluster, enginesMissing, startCluster } from './cluster.ts'
import { freePort, type Nginx, nginxMissing, startNginx } from './nginx.ts'

const missing = enginesMissing() ?? nginxMissing()
const KILLS = Number(process.env['KILLS'] ?? 20)
const WITHIN_MS = 1000
// As a caller would; a refusal comes faster than an answer.
const RETRY_MS = 50

describe('two nodes', { skip: missing && !process.env['CI'] ? missing : false }, () => {
  let cluster: Cluster
  let nginx: Nginx
  let front: Calls
  const ports: number[] = []
  const nodes: ServingNode[] = []
  before(async () => {
    assert.equal(missing, undefined)
    ports.push(await freePort(), await freePort(), await freePort())
    cluster = await startCluster({
      ATTACHE_PUBLIC_URL: `http://127.0.0.1:${ports[2]}`,
      ATTACHE_TRUSTED_PROXIES: '127.0.0.1',
    })
    // Both at once, on an empty database.
    nodes.push(...(await Promise.all([start(0), start(1)])))
    nginx = await startNginx({ nodes: [host(0), host(1)], port: ports[2] as number })
    front = callsOf({ ...cluster.corporation, url: nginx.url })
  })
  after(async () => {
    await nginx?.stop()
    await cluster?.stop()
  })

  const start = (index: number) => cluster.node(`node${index}`, { ATTACHE_PORT: String(ports[index]) })
  const host = (index: number) => `127.0.0.1:${ports[index]}`
  const at = (index: number, url: string) => url.replace(nginx.url, `http://${host(index)}`)
  const operator = async (...args: string[]) => {
    const { code, stderr } = await verb(args, { env: cluster.env })
    assert.equal(code, 0, stderr)
  }

  /** Milliseconds until the link answers `status` at that node; fails when it takes too long. */
  async function until(status: number, index: number, url: string): Promise<number> {
    const from = performance.now()
    while ((await statusOf(at(index, url))) !== status) {
      assert.ok(performance.now() - from < 5 * WITHIN_MS, `no ${status} at node ${index}`)
      await pause(10)
    }
    return performance.now() - from
  }

  it('serve each other\u2019s attachments and links at once', async () => {
    const [one, other] = nodes.map((node) => node.as(cluster.corporation))
    assert.ok(one && other)
    const bytes = randomBytes(100_000)
    const uploaded = await one.upload('发票.bin', bytes)
    const link = await other.linkOf(uploaded)
    for (const index of [0, 1]) assert.ok((await bytesOf(await fetch(at(index, link.url)))).equals(bytes))
  })

  it('let go of removed, revoked and rotated links within a second, on both', async (t) => {
    const upload = async (): Promise<[string, Link]> => {
      const uploaded = await front.upload('a.bin', randomBytes(1000))
      const link = await front.linkOf(uploaded)
      for (const index of [0, 1]) assert.equal(await statusOf(at(index, link.url)), 200)
      return [uploaded.fileId, link]
    }
    const took = async (status: number, { url }: Link) =>
      Math.max(...(await Promise.all([0, 1].map((index) => until(status, index, url)))))
    const [fileId, removed] = await upload()
    await operator('attachment', 'remove', fileId)
    const figures = { removed: await took(404, removed), revoked: 0, rotated: 0 }
    const [, revoked] = await upload()
    await operator('links', 'revoke', '--corporation', cluster.corporation.corporationId)
    figures.revoked = await took(403, revoked)
    const [, rotated] = await upload()
    await operator('keys', 'rotate')
    figures.rotated = await took(403, rotated)
    const [gone, withdrawn, renewed] = Object.values(figures).map(Math.ceil)
    t.diagnostic(
      `links died on both nodes within ${gone} ms (removed), ${withdrawn} ms (revoked), ${renewed} ms (rotated)`,
    )
    for (const milliseconds of Object.values(figures)) assert.ok(milliseconds <= WITHIN_MS, JSON.stringify(figures))
  })

  it(`lose nothing and serve on while one of them is killed, ${KILLS} times`, async (t) => {
    const acknowledged = new Map<string, { key: string; sha256: string }>()
    const links: { sha256: string; link: Link }[] = []
    const counts = { failedUploads: 0, failedLinks: 0, reads: 0, failedReads: 0, wrong: 0, survivorFailed: 0 }
    let going = true

    async function uploadOn(): Promise<void> {
      while (going) {
        const bytes = randomBytes(1 + Math.floor(Math.random() * 120_000))
        const uploaded = await front.upload('混合.bin', bytes).catch(() => undefined)
        if (uploaded === undefined) {
          counts.failedUploads++
          await pause(RETRY_MS)
          continue
        }
        // From the answer on it must not be lost, whatever becomes of the next request.
        acknowledged.set(uploaded.fileId, { key: uploaded.key, sha256: sha256(bytes) })
        const link = await front.linkOf(uploaded).catch(() => undefined)
        if (link === undefined) counts.failedLinks++
        else links.push({ sha256: sha256(bytes), link })
      }
    }

    async function readOn(): Promise<void> {
      while (going) {
        const one = links[Math.floor(Math.random() * links.length)]
        if (one === undefined) await pause(10)
        else await readOne(one)
      }
    }

    async function readOne({ sha256: expected, link }: { sha256: string; link: Link }): Promise<void> {
      try {
        const answer = await fetch(link.url)
        const bytes = await bytesOf(answer)
        counts.reads++
        if (answer.status !== 200) throw new Error(`status ${answer.status}`)
        if (sha256(bytes) !== expected) counts.wrong++
      } catch {
        counts.failedReads++
        await pause(RETRY_MS)
      }
    }

    const load = [uploadOn(), uploadOn(), readOn(), readOn()]
    for (let kill = 0; kill < KILLS; kill++) {
      const index = Math.floor(Math.random() * 2)
      await pause(100 + Math.random() * 300)
      await nodes[index]?.kill()
      const survivor = nodes[1 - index]?.as(cluster.corporation)
      const bytes = randomBytes(5000)
      try {
        const link = (await survivor?.linkOf(await survivor.upload('b.bin', bytes))) as Link
        assert.ok((await bytesOf(await fetch(at(1 - index, link.url)))).equals(bytes))
      } catch (error) {
        counts.survivorFailed++
        t.diagnostic(String(error))
      }
      nodes[index] = await start(index)
    }
    going = false
    await Promise.all(load)

    let lost = 0
    // At a node itself: nginx passes over both for a second when the last kill is young.
    const [first] = nodes
    for (const [fileId, { key, sha256: expected }] of acknowledged) {
      const [link] = (await first?.as(cluster.corporation).links([{ id: fileId, key, expiration: 60 }])) ?? []
      if (!link || sha256(await bytesOf(await fetch(at(0, link.url)))) !== expected) lost++
    }
    const { reads, wrong } = counts
    t.diagnostic(
      `${KILLS} kills, ${acknowledged.size} uploads acknowledged, ${lost} lost; ${reads} reads, ${wrong} wrong; failed meanwhile: ${counts.failedUploads} uploads, ${counts.failedLinks} links of those acknowledged, ${counts.failedReads} reads, ${counts.survivorFailed} at the survivor`,
    )
    assert.deepEqual([lost, wrong, counts.survivorFailed], [0, 0, 0])
    assert.ok(acknowledged.size > KILLS && reads > KILLS)
  })
})

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
