/** E1: every route against the ids of another corporation. A route that has no row here fails. */
import { randomBytes } from 'node:crypto'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { signatureOf } from '../v1-signer.ts'
import { type Answer, type Inside, type Insider, openInside } from './b-inside.ts'
import { row, type Stage, type Verdict } from './stage.ts'

interface Belongings {
  who: Insider
  fileId: string
  key: string
  secret: string
  flowId: string
  code: string
  url: string
}

interface Sides {
  on: Inside
  own: Belongings
  other: Belongings
  /** Of the other corporation, and gone. */
  removed: Belongings
}

/** What is asked with ids of the other side, and what the same question answers for ids that do not exist at all. */
interface Cell {
  what: string
  foreign(sides: Sides): Promise<Answer>
  unknown(sides: Sides): Promise<Answer>
}

type Cells = Cell[] | 'tells nothing of anybody'

const NOBODY = randomBytes(16).toString('base64url')
const UNKNOWN_KEY = 'openapi00000000-0000-4000-8000-000000000000-x.txt'

const links = (who: Insider, id: string, key: string) => who.call(PATHS.downloadUrls, [{ id, key, expiration: 100 }])
const document = (who: Insider, triple: object) =>
  who.call(PATHS.createDocument, { form: { title: 'x', attachments: [triple] } })

const MATRIX: Record<string, Cells> = {
  [`POST ${PATHS.downloadUrls}`]: [
    {
      what: "other's pair",
      foreign: ({ own, other }) => links(own.who, other.fileId, other.key),
      unknown: ({ own }) => links(own.who, NOBODY, UNKNOWN_KEY),
    },
    {
      what: "other's key with own id",
      foreign: ({ own, other }) => links(own.who, own.fileId, other.key),
      unknown: ({ own }) => links(own.who, own.fileId, UNKNOWN_KEY),
    },
    {
      what: "own key with other's id",
      foreign: ({ own, other }) => links(own.who, other.fileId, own.key),
      unknown: ({ own }) => links(own.who, NOBODY, own.key),
    },
    {
      what: "other's, removed",
      foreign: ({ own, removed }) => links(own.who, removed.fileId, removed.key),
      unknown: ({ own }) => links(own.who, NOBODY, UNKNOWN_KEY),
    },
  ],
  [`PUT ${PATHS.updateDocument}`]: [
    {
      what: "other's document",
      foreign: ({ own, other }) => update(own.who, other.flowId, {}),
      unknown: ({ own }) => update(own.who, NOBODY, {}),
    },
    {
      what: "other's document, removed",
      foreign: ({ own, removed }) => update(own.who, removed.flowId, {}),
      unknown: ({ own }) => update(own.who, NOBODY, {}),
    },
    {
      what: "own document, other's attachment",
      foreign: ({ own, other }) =>
        update(own.who, own.flowId, { attachments: [{ key: other.key, fileId: other.fileId }] }),
      unknown: ({ own }) => update(own.who, own.flowId, { attachments: [{ key: UNKNOWN_KEY, fileId: NOBODY }] }),
    },
  ],
  [`GET ${PATHS.document}`]: [
    {
      what: "other's id",
      foreign: ({ own, other }) => found(own.who, 'flowId', other.flowId),
      unknown: ({ own }) => found(own.who, 'flowId', NOBODY),
    },
    {
      what: "other's id, removed",
      foreign: ({ own, removed }) => found(own.who, 'flowId', removed.flowId),
      unknown: ({ own }) => found(own.who, 'flowId', NOBODY),
    },
  ],
  [`GET ${PATHS.documentByCode}`]: [
    {
      what: "other's code",
      foreign: ({ own, other }) => found(own.who, 'code', other.code),
      unknown: ({ own }) => found(own.who, 'code', NOBODY),
    },
    {
      what: "other's code, removed",
      foreign: ({ own, removed }) => found(own.who, 'code', removed.code),
      unknown: ({ own }) => found(own.who, 'code', NOBODY),
    },
  ],
  [`POST ${PATHS.documentAttachments}`]: [
    {
      what: "other's id",
      foreign: ({ own, other }) => listed(own.who, [other.flowId]),
      unknown: ({ own }) => listed(own.who, [NOBODY]),
    },
    {
      what: "own and other's id",
      foreign: ({ own, other }) => listed(own.who, [own.flowId, other.flowId]),
      unknown: ({ own }) => listed(own.who, [own.flowId, NOBODY]),
    },
  ],
  [`POST ${PATHS.upload}`]: 'tells nothing of anybody',
  [`GET ${PATHS.location}`]: 'tells nothing of anybody',
  [`POST ${PATHS.getAccessToken}`]: [
    {
      what: "other's appKey with own secret",
      foreign: ({ on, own, other }) => issue(on, other.who.appKey, own.who.appSecurity),
      unknown: ({ on, own }) => issue(on, NOBODY, own.who.appSecurity),
    },
  ],
  [`POST ${PATHS.refreshToken}`]: [refreshed(PATHS.refreshToken, '')],
  [`POST ${PATHS.refreshTokenExpireDate}`]: [refreshed(PATHS.refreshTokenExpireDate, '&expireDate=3')],
  'GET /object': [
    {
      what: "other's key under own signature",
      foreign: (sides) => object(sides, sides.other.key),
      unknown: (sides) => object(sides, UNKNOWN_KEY),
    },
    {
      what: "other's key, removed, under own signature",
      foreign: (sides) => object(sides, sides.removed.key),
      unknown: (sides) => object(sides, UNKNOWN_KEY),
    },
    {
      what: "other's thumbnail under own signature",
      foreign: (sides) => object(sides, sides.other.key, 'image/resize,w_120,h_120'),
      unknown: (sides) => object(sides, UNKNOWN_KEY, 'image/resize,w_120,h_120'),
    },
    {
      what: "other's link with own token",
      foreign: ({ on, own, other }) => on.ask({ url: swapped(other.url, own.url) }),
      unknown: ({ on, own, other }) =>
        on.ask({ url: swapped(other.url, own.url).replace(encodeURIComponent(other.key), UNKNOWN_KEY) }),
    },
  ],
  // Last, because it takes the other's code for a document of its own.
  [`POST ${PATHS.createDocument}`]: [
    {
      what: "other's attachment",
      foreign: ({ own, other }) => document(own.who, { key: other.key, fileId: other.fileId }),
      unknown: ({ own }) => document(own.who, { key: UNKNOWN_KEY, fileId: NOBODY }),
    },
    {
      what: "own id with other's key",
      foreign: ({ own, other }) => document(own.who, { key: other.key, fileId: own.fileId }),
      unknown: ({ own }) => document(own.who, { key: UNKNOWN_KEY, fileId: own.fileId }),
    },
    {
      what: "other's code",
      foreign: ({ own, other }) => own.who.call(PATHS.createDocument, { form: { code: other.code, title: 'x' } }),
      unknown: ({ own }) => own.who.call(PATHS.createDocument, { form: { code: `B${NOBODY}`, title: 'x' } }),
    },
  ],
  'GET /livez': 'tells nothing of anybody',
  'GET /readyz': 'tells nothing of anybody',
  'GET /metrics': 'tells nothing of anybody',
}

function update(who: Insider, flowId: string, form: object): Promise<Answer> {
  return who.call(`${PATHS.updateDocument.replace(':dollarFlowId', `$${flowId}`)}?editFlag=increment`, { form }, 'PUT')
}

function found(who: Insider, name: string, value: string): Promise<Answer> {
  const path = name === 'code' ? PATHS.documentByCode : PATHS.document
  return who.call(`${path}?${name}=${encodeURIComponent(value)}`, undefined, 'GET')
}

function listed(who: Insider, flowIds: string[]): Promise<Answer> {
  return who.call(PATHS.documentAttachments, { flowIds })
}

function issue({ ask }: Inside, appKey: string, appSecurity: string): Promise<Answer> {
  return ask({ method: 'POST', url: PATHS.getAccessToken, payload: { appKey, appSecurity } })
}

function refreshed(path: string, more: string): Cell {
  const ask = ({ on }: Sides, accessToken: string, refreshToken: string) =>
    on.ask({
      method: 'POST',
      url: `${path}?accessToken=${accessToken}&refreshToken=${refreshToken}&powerCode=219904${more}`,
    })
  return {
    what: "own access token with other's refresh token",
    foreign: async (sides) =>
      ask(
        sides,
        sides.own.who.token,
        (await issue(sides.on, sides.other.who.appKey, sides.other.who.appSecurity)).json().value.refreshToken,
      ),
    unknown: (sides) => ask(sides, sides.own.who.token, NOBODY),
  }
}

/** Signed by the own corporation's pair, as its operator could. */
async function object({ on, own }: Sides, key: string, process?: string): Promise<Answer> {
  const { credential } = await on.service.credentials.signerOf(own.who.corporationId)
  const { accessKeyId, accessKeySecret, securityToken = '' } = credential
  const expires = String(Math.ceil(Date.now() / 1000) + 60)
  const signed: [string, string][] = [
    ['security-token', securityToken],
    ...(process ? [['x-oss-process', process] as [string, string]] : []),
  ]
  const signature = signatureOf(accessKeySecret, { bucket: 'attache', key, expires, signed: [...signed] })
  const query = new URLSearchParams({
    Expires: expires,
    OSSAccessKeyId: accessKeyId,
    Signature: signature,
    ...Object.fromEntries(signed),
  })
  return on.ask({ url: `/attache/${encodeURIComponent(key)}?${query}` })
}

function swapped(url: string, by: string): string {
  const parameter = (name: string) => new RegExp(`${name}=[^&]*`)
  return ['OSSAccessKeyId', 'security-token'].reduce(
    (text, name) => text.replace(parameter(name), parameter(name).exec(by)?.[0] ?? ''),
    url,
  )
}

async function belongings(on: Inside, name: string): Promise<Belongings> {
  const who = await on.corporation(name)
  const secret = `${name}-${randomBytes(12).toString('hex')}`
  const uploaded = await who.upload(`${secret}.txt`, Buffer.from(secret))
  const saved = await who.call(PATHS.createDocument, {
    form: { title: secret, code: `C${secret}`, attachments: [{ key: uploaded.key, fileId: uploaded.fileId }] },
  })
  const { url } = await who.link(uploaded)
  const { id: flowId, form } = saved.json().flow
  return { who, fileId: uploaded.fileId, key: uploaded.key, secret, flowId, code: form.code, url }
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
  const figure = `${listedRoutes.length} routes, ${cells} cells: ${wrong.length} leaks or gaps; another's pair and one that does not exist ${apart.toFixed(3)} ms apart (medians)`
  return { ok: wrong.length === 0 && cells > 15 && apart <= 1, figure }
}

/** The answer for what is another's is that for what does not exist, ids and request numbers apart. */
async function leak({ foreign, unknown }: Cell, sides: Sides): Promise<string | undefined> {
  const [theirs, nobodys] = [await foreign(sides), await unknown(sides)]
  const secrets = [sides.other, sides.removed].flatMap(({ secret, who }) => [secret, who.token, who.corporationId])
  const text = theirs.body + JSON.stringify(theirs.headers)
  const asked = theirs.asked.url
  const told = secrets.filter((secret) => plain(text).includes(secret) && !asked.includes(secret))
  if (told.length > 0) return `tells ${told}`
  if (theirs.statusCode !== nobodys.statusCode)
    return `${theirs.statusCode}, but ${nobodys.statusCode} for what does not exist`
  if (plain(theirs.body) !== plain(nobodys.body))
    return `another body: ${plain(theirs.body).slice(0, 300)} / ${plain(nobodys.body).slice(0, 300)}`
  return undefined
}

/** Without what a request itself named, and without what is new in every answer. */
function plain(body: string): string {
  return body
    .replace(/<(Key|StringToSign|StringToSignBytes|RequestId)>[^<]*/g, '<$1>')
    .replace(/"(id|code|title|createTime|updateTime|url|thumbUrl)":("[^"]*"|\d+)/g, '"$1":')
    .replace(/Expires=\d+|Signature=[^&"]*/g, '')
}

async function apartInTime({ own, other }: Sides, rounds: number): Promise<number> {
  const times: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    // Each key once, so that no cache tells them apart either.
    for (const [which, id, key] of [
      [0, other.fileId, other.key],
      [1, NOBODY, UNKNOWN_KEY],
    ] as const) {
      const started = performance.now()
      await links(own.who, id, key)
      times[which].push(performance.now() - started)
    }
  }
  const [a = 0, b = 0] = times.map((each) => each.toSorted((x, y) => x - y)[Math.floor(each.length / 2)] ?? 0)
  return Math.abs(a - b)
}

await row('E1', prove)
