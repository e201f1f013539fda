/** What one corporation can ask about another's belongings, route by route; for E1. */
import { randomBytes } from 'node:crypto'
import { PATHS } from '../../packages/protocol/src/index.ts'
import { signatureOf } from '../v1-signer.ts'
import type { Answer, Inside, Insider } from './b-inside.ts'

export interface Belongings {
  who: Insider
  fileId: string
  key: string
  /** Each stands in one place alone, so that what an answer tells is told apart from what the question said. */
  secrets: Record<'name' | 'content' | 'title' | 'code', string>
  flowId: string
  code: string
  url: string
}

export interface Sides {
  on: Inside
  own: Belongings
  other: Belongings
  /** Of the other corporation, and gone. */
  removed: Belongings
}

/** What is asked with ids of the other side, and what the same question answers for ids that do not exist at all. */
export interface Cell {
  what: string
  foreign(sides: Sides): Promise<Answer>
  unknown(sides: Sides): Promise<Answer>
}

type Cells = Cell[] | 'tells nothing of anybody'

const NOBODY = randomBytes(16).toString('base64url')
const UNKNOWN_KEY = 'openapi00000000-0000-4000-8000-000000000000-x.txt'

export const links = (who: Insider, id: string, key: string) =>
  who.call(PATHS.downloadUrls, [{ id, key, expiration: 100 }])
const document = (who: Insider, triple: object) =>
  who.call(PATHS.createDocument, { form: { title: 'x', attachments: [triple] } })

export const MATRIX: Record<string, Cells> = {
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
