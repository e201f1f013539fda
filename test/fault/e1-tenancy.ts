/** E1: every route against the ids of another corporation. A route that has no row here fails. */
import { randomBytes, randomUUID } from 'node:crypto'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { type Inside, openInside } from './b-inside.ts'
import { type Belongings, type Cell, links, MATRIX, type Sides } from './e-tenancy-matrix.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const MOST_MS_APART = 1

async function belongings(on: Inside, name: string): Promise<Belongings> {
  const secret = () => randomBytes(12).toString('hex')
  const who = await on.corporation(`${name}-${secret()}`)
  const secrets = { name: secret(), content: secret(), title: secret(), code: secret() }
  const uploaded = await who.upload(`${secrets.name}.txt`, Buffer.from(secrets.content))
  const { key, fileId } = uploaded
  const saved = await who.call(PATHS.createDocument, {
    form: { title: secrets.title, code: `C${secrets.code}`, attachments: [{ key, fileId }] },
  })
  const { url } = await who.link(uploaded)
  const { id: flowId, form } = saved.json().flow
  return { who, fileId, key, secrets, flowId, code: form.code, url }
}

async function prove({ directory, full, defer }: Stage): Promise<Verdict> {
  const routes = new Set<string>()
  const on = await openInside({
    directory,
    extend: () => ({
      owns: () => false,
      attach: (app) =>
        app.addHook('onRoute', ({ method, url }) => {
          for (const one of [method].flat()) if (one !== 'HEAD' && one !== 'OPTIONS') routes.add(`${one} ${url}`)
        }),
    }),
  })
  defer(() => on.close())
  const [own, other, removed] = [
    await belongings(on, 'own'),
    await belongings(on, 'other'),
    await belongings(on, 'removed'),
  ]
  const at = Date.now()
  await on.service.stores.records.attachments.remove(removed.fileId, at)
  await on.service.stores.records.documents.remove(removed.who.corporationId, removed.code, at)
  const sides = { on, own, other, removed }
  const wrong: string[] = []
  // The data plane answers every method by one handler.
  const listedRoutes = [...routes].filter((route) => !route.endsWith(' /object') || route.startsWith('GET '))
  for (const route of listedRoutes) if (!(route in MATRIX)) wrong.push(`${route} has no row`)
  for (const route of Object.keys(MATRIX)) if (!listedRoutes.includes(route)) wrong.push(`${route} is no route`)
  let cells = 0
  for (const [route, kinds] of Object.entries(MATRIX)) {
    for (const cell of kinds === 'tells nothing of anybody' ? [] : kinds) {
      cells++
      const fault = await leak(cell, sides)
      if (fault) wrong.push(`${route}, ${cell.what}: ${fault}`)
    }
  }
  if ((await links(other.who, other.fileId, other.key)).json().length !== 1)
    wrong.push('the owner gets no link of its own')
  const apart = await apartInTime(sides, full ? 5000 : 1000)
  for (const line of wrong) console.log(line)
  const figure = `${listedRoutes.length} routes, ${cells} cells: ${wrong.length} leaks or gaps; another's pair and one that does not exist, each of its own and asked for the first time, ${apart.first.toFixed(3)} ms apart, the same once more ${apart.again.toFixed(3)} ms (medians, of ${apart.median.toFixed(2)} ms)`
  return {
    ok: wrong.length === 0 && cells > 15 && apart.first <= MOST_MS_APART && apart.again <= MOST_MS_APART,
    figure,
  }
}

/** The answer for what is another's is that for what does not exist, ids and request numbers apart. */
async function leak({ foreign, unknown }: Cell, sides: Sides): Promise<string | undefined> {
  const [theirs, nobodys] = [await foreign(sides), await unknown(sides)]
  const text = theirs.body + JSON.stringify(theirs.headers)
  const { url, payload = '', headers = {} } = theirs.asked
  const asked =
    decodeURIComponent(url) +
    url +
    JSON.stringify(headers) +
    (typeof payload === 'string' ? payload : JSON.stringify(payload))
  const told = [sides.other, sides.removed]
    .flatMap(piecesOf)
    .filter((piece) => text.includes(piece) && !asked.includes(piece))
  if (told.length > 0) return `tells ${told}`
  if (theirs.statusCode !== nobodys.statusCode)
    return `${theirs.statusCode}, but ${nobodys.statusCode} for what does not exist`
  if (plain(theirs.body) !== plain(nobodys.body))
    return `another body: ${plain(theirs.body).slice(0, 300)} / ${plain(nobodys.body).slice(0, 300)}`
  return undefined
}

/** Whatever tells of the other side. */
function piecesOf({ who, secrets, fileId, key, flowId, code, url }: Belongings): string[] {
  const signature = /Signature=([^&]*)/.exec(url)?.[1] ?? ''
  return [...Object.values(secrets), fileId, key, flowId, code, signature, who.token, who.corporationId, who.appKey]
}

/** Without what a request itself named, and without what is new in every answer. */
function plain(body: string): string {
  return body
    .replace(/<(Key|StringToSign|StringToSignBytes|RequestId)>[^<]*/g, '<$1>')
    .replace(/"(id|code|title|createTime|updateTime|url|thumbUrl)":("[^"]*"|\d+)/g, '"$1":')
    .replace(/Expires=\d+|Signature=[^&"]*/g, '')
}

interface Apart {
  /** In milliseconds, of medians: for pairs that nobody has asked for before, and for the same ones once more. */
  first: number
  again: number
  median: number
}

/** Pairs that exist and pairs that do not by turns, each of its own, so that no cache knows one side alone. */
async function apartInTime({ on, own, other }: Sides, rounds: number): Promise<Apart> {
  const { attachments } = on.service.stores.records
  const [record] = await attachments.byFileIds([other.fileId])
  if (record === undefined) throw new Error('the upload left no record')
  const pair = () => ({
    fileId: randomBytes(16).toString('base64url'),
    key: other.key.replace(/^openapi[\da-f-]{36}/, `openapi${randomUUID()}`),
  })
  const foreign = Array.from({ length: rounds }, pair)
  for (const one of foreign) await attachments.add({ ...record, ...one })
  const unknown = Array.from({ length: rounds }, pair)
  const apart = async () => {
    const [there, missing]: [number[], number[]] = [[], []]
    for (const [n, one] of foreign.entries()) {
      const turn = [[there, one] as const, [missing, unknown[n] ?? one] as const]
      for (const [times, { fileId, key }] of n % 2 === 0 ? turn : turn.reverse()) {
        const started = performance.now()
        await links(own.who, fileId, key)
        times.push(performance.now() - started)
      }
    }
    return [median(there), median(missing)] as const
  }
  const [first, again] = [await apart(), await apart()]
  return { first: Math.abs(first[0] - first[1]), again: Math.abs(again[0] - again[1]), median: first[1] }
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN
}

await row('E1', prove)
