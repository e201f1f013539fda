/** B5: what an operator ends has ended within a second in a server that runs on, counted from the commit: links of originals and of thumbnails. */
import { randomBytes } from 'node:crypto'
import { readConfig } from '../../packages/server/src/config.ts'
import { openStores, type Stores } from '../../packages/server/src/stores.ts'
import { plain } from '../pictures.ts'
import { type Attache, askLinks, startAttache, statusOf, tokenFor, type Uploaded } from '../server.ts'
import { createCorporation, done } from '../verbs.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const MOST_MS = 1000
const GIVE_UP_MS = 5000

interface On {
  attache: Attache
  stores: Stores
}

const ENDINGS: Record<string, (on: On) => Promise<number>> = {
  'all links of a corporation': async ({ attache, stores }) => {
    const both = await fresh(attache)
    await stores.records.links.raiseEpoch(attache.corporationId, Date.now())
    return untilBothRefused(both, 403)
  },
  'the links of one attachment': async ({ attache, stores }) => {
    const both = await fresh(attache)
    await stores.records.attachments.revokeLinks(both.fileId, Date.now())
    return untilBothRefused(both, 403)
  },
  'the key of all links': async ({ attache, stores }) => {
    const both = await fresh(attache)
    await stores.records.links.rotateKey(randomBytes(32).toString('hex'), Date.now(), Date.now())
    return untilBothRefused(both, 403)
  },
  'an attachment': async ({ attache, stores }) => {
    const both = await fresh(attache)
    await stores.records.attachments.remove(both.fileId, Date.now())
    return untilBothRefused(both, 404)
  },
  'an app': async ({ attache, stores }) => {
    const corporation = await createCorporation(attache, '将停用')
    const token = await tokenFor(attache.url, corporation)
    const ask = async () => (await askLinks(attache.url, token, [])).status
    await ask()
    await stores.records.apps.disable(corporation.appKey, Date.now())
    return untilRefused(ask, 403)
  },
}

interface Both extends Uploaded {
  url: string
  thumbUrl: string
}

/** A picture whose thumbnail is remembered already. */
async function fresh(attache: Attache): Promise<Both> {
  // No two alike: what follows its end is no part of a picture.
  const bytes = Buffer.concat([await plain(40, 30).png().toBuffer(), randomBytes(1000)])
  const uploaded = await attache.upload('撤销.png', bytes)
  const { url, thumbUrl } = await attache.linkOf(uploaded)
  for (const address of [url, thumbUrl])
    if ((await statusOf(address)) !== 200) throw new Error('a link did not work in the first place')
  return { ...uploaded, url, thumbUrl }
}

function untilBothRefused({ url, thumbUrl }: Both, wanted: number): Promise<number> {
  const each = [url, thumbUrl].map((address) => untilRefused(() => statusOf(address), wanted))
  return Promise.all(each).then((times) => Math.max(...times))
}

/** From now until the answer is what it should be; time out counts as never. */
async function untilRefused(ask: () => Promise<number>, wanted: number): Promise<number> {
  const started = performance.now()
  while (performance.now() - started < GIVE_UP_MS) {
    if ((await ask()) === wanted) return performance.now() - started
  }
  return Number.POSITIVE_INFINITY
}

/** By the commands themselves: how long after one has returned a link that it ended works at most. */
async function afterVerbs(attache: Attache): Promise<number> {
  let longest = 0
  for (const words of [
    ['links', 'revoke', '--corporation', attache.corporationId],
    ['links', 'revoke', '--file-id'],
    ['keys', 'rotate'],
    ['attachment', 'remove'],
  ]) {
    const both = await fresh(attache)
    const needsId = words.at(-1) === '--file-id' || words.at(-1) === 'remove'
    await done(needsId ? [...words, both.fileId] : words, attache.data)
    const returned = performance.now()
    const statuses = await Promise.all([both.url, both.thumbUrl].map((url) => statusOf(url)))
    if (!statuses.includes(200)) continue
    await untilBothRefused(both, words[0] === 'attachment' ? 404 : 403)
    longest = Math.max(longest, performance.now() - returned)
    console.log(`${words.join(' ')}: the link worked after it for ${Math.round(performance.now() - returned)} ms`)
  }
  return longest
}

async function prove({ directory, full, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const stores = await openStores(readConfig({ ATTACHE_DATA: directory }), { serving: false })
  defer(() => stores[Symbol.asyncDispose]())
  const slowest = new Map<string, number>()
  for (let round = 0; round < (full ? 25 : 5); round++) {
    for (const [what, end] of Object.entries(ENDINGS)) {
      const ms = await end({ attache, stores })
      slowest.set(what, Math.max(slowest.get(what) ?? 0, ms))
    }
  }
  const after = await afterVerbs(attache)
  const figure = `slowest, of an original's link and its thumbnail's: ${[...slowest].map(([what, ms]) => `${what} ${Math.round(ms)} ms`).join(', ')}; ${Math.round(after)} ms after the verb has returned`
  return { ok: [...slowest.values()].every((ms) => ms <= MOST_MS) && after <= MOST_MS, figure }
}

await row('B5', prove)
