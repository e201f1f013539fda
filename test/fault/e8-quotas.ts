/** E8: a corporation that takes more than its share is held to it, to the byte, and its neighbour notices nothing. */

import { serveNode } from '../node.ts'
import { plain } from '../pictures.ts'
import { askLinks, type Calls, formOf, postForm, startAttache, tokenFor } from '../server.ts'
import { type Corporation, createCorporation, done } from '../verbs.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const BYTES = 1_000_000
const PIECE = 30_000
const ATTACHMENTS = 25
const REQUESTS = 400
const LINKS = 1000
const THUMBNAILS = 10
/** Rules of a minute forgive what lies on the edge of one. */
const EDGE = 2

interface Outcome {
  what: string
  allowed: number
  limit: number
  refusals: Set<number>
}

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  // Makes the data directory and ends; what serves it is `serve`, as an operator runs it.
  await (await startAttache({ data: directory })).stop()
  const greedy = await createCorporation({ data: directory }, '贪')
  const neighbour = await createCorporation({ data: directory }, '邻')
  const node = await serveNode({ ATTACHE_DATA: directory })
  defer(() => node.stop())
  const picture = await node.as(greedy).upload('a.jpg', Buffer.from(await plain(300, 200).jpeg().toBuffer()))
  const { thumbUrl } = await node.as(greedy).linkOf(picture)
  const outcomes: Outcome[] = []
  const on = { node, greedy, directory, thumbUrl, calls: node.as(greedy), picture }
  for (const show of [storage, count, links, thumbnails, requests]) outcomes.push(await show(on))
  const others = node.as(neighbour)
  const stored = await others.upload('b.txt', Buffer.from('x'))
  const fine = (await fetch((await others.linkOf(stored)).url)).status === 200
  const wrong = outcomes.filter(
    ({ allowed, limit, refusals }) => allowed > limit || allowed < Math.floor(limit * 0.9) - 1 || refusals.size !== 1,
  )
  for (const { what, allowed, limit, refusals } of outcomes)
    console.log(`${what}: ${allowed} of ${limit}, then ${[...refusals]}`)
  const figure = `${outcomes.map(({ what, allowed, limit, refusals }) => `${what} ${allowed} of ${limit}, then ${[...refusals].join()}`).join('; ')}; the neighbour ${fine ? 'unhurt' : 'HURT'}`
  return { ok: wrong.length === 0 && fine, figure }
}

interface On {
  node: { own: string }
  greedy: Corporation
  directory: string
  thumbUrl: string
  calls: Calls
  picture: { fileId: string; key: string }
}

/** Set anew for each kind, the others open. A limit is promised to be in force within a second, and asking whether it is would use it up. */
async function limited({ directory, greedy }: On, limits: string[]): Promise<void> {
  const open = [
    '--bytes',
    'none',
    '--attachments',
    'none',
    '--requests',
    'none',
    '--links',
    'none',
    '--thumbnails',
    'none',
  ]
  const words = ['quota', 'set', '--corporation', greedy.corporationId]
  await done([...words, ...open], directory)
  await done([...words, ...limits], directory)
  await new Promise((resolve) => setTimeout(resolve, 1000))
}

async function uploads(on: On, { times, size }: { times: number; size: number }): Promise<number[]> {
  const token = await tokenFor(on.node.own, on.greedy)
  const send = async (n: number) => {
    const response = await postForm(on.node.own, token, formOf(`${n}.bin`, Buffer.alloc(size)))
    await response.arrayBuffer()
    return response.status
  }
  return Promise.all(Array.from({ length: times }, (_, n) => send(n)))
}

async function usedBy({ directory, greedy }: On): Promise<{ bytes: number; attachments: number }> {
  return JSON.parse(await done(['quota', 'show', '--corporation', greedy.corporationId, '--json'], directory)).used
}

function outcome(
  what: string,
  statuses: readonly number[],
  { limit, each = 1 }: { limit: number; each?: number },
): Outcome {
  const refused = statuses.filter((status) => status !== 200)
  return { what, allowed: (statuses.length - refused.length) * each, limit, refusals: new Set(refused) }
}

async function storage(on: On): Promise<Outcome> {
  const before = await usedBy(on)
  await limited(on, ['--bytes', String(before.bytes + BYTES)])
  const statuses = await uploads(on, { times: 60, size: PIECE })
  const after = await usedBy(on)
  return { ...outcome('bytes', statuses, { limit: BYTES, each: PIECE }), allowed: after.bytes - before.bytes }
}

async function count(on: On): Promise<Outcome> {
  const before = await usedBy(on)
  await limited(on, ['--attachments', String(before.attachments + ATTACHMENTS)])
  return outcome('attachments', await uploads(on, { times: 60, size: 10 }), { limit: ATTACHMENTS })
}

async function links(on: On): Promise<Outcome> {
  await limited(on, ['--links', String(LINKS)])
  const refs = Array.from({ length: 100 }, () => ({ id: on.picture.fileId, key: on.picture.key, expiration: 10 }))
  return outcome('links a minute', await asked(on, { times: 15, body: refs }), { limit: LINKS, each: 100 })
}

async function requests(on: On): Promise<Outcome> {
  await limited(on, ['--requests', String(REQUESTS)])
  return outcome('requests a minute', await asked(on, { times: REQUESTS + 50, body: [] }), { limit: REQUESTS + EDGE })
}

async function thumbnails(on: On): Promise<Outcome> {
  await limited(on, ['--thumbnails', String(THUMBNAILS)])
  const statuses: number[] = []
  for (let n = 0; n < THUMBNAILS + 10; n++) {
    const response = await fetch(on.thumbUrl)
    await response.arrayBuffer()
    statuses.push(response.status)
  }
  return outcome('thumbnails a minute', statuses, { limit: THUMBNAILS })
}

async function asked(on: On, { times, body }: { times: number; body: unknown }): Promise<number[]> {
  const token = await tokenFor(on.node.own, on.greedy)
  const statuses: number[] = []
  for (let n = 0; n < times; n++) {
    const response = await askLinks(on.node.own, token, body)
    await response.arrayBuffer()
    statuses.push(response.status)
  }
  return statuses
}

await row('E8', prove)
