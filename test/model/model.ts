/** What the service is, with nothing behind it: a few lists, and the rules by which they answer. */

export interface KnownToken {
  corporation: string
  accessToken: string
  refreshToken: string
  /** Unix time in milliseconds. */
  expiresAt: number
  replaced: boolean
}

export interface KnownAttachment {
  corporation: string
  fileId: string
  key: string
  bytes: Buffer
  linkEpoch: number
  removed: boolean
}

export interface KnownLink {
  attachment: KnownAttachment
  corporation: string
  url: string
  expiresAt: number
  keyGeneration: number
  corporationEpoch: number
  linkEpoch: number
}

export interface KnownDocument {
  corporation: string
  flowId: string
  code: string
  title: string
  attachments: KnownAttachment[]
  version: number
  removed: boolean
}

export interface Model {
  /** Unix time in milliseconds. */
  now: number
  /** Whether the clock of the real one can be moved. */
  movable: boolean
  keyGeneration: number
  epochs: Map<string, number>
  tokens: KnownToken[]
  attachments: KnownAttachment[]
  links: KnownLink[]
  documents: KnownDocument[]
}

export const CORPORATIONS = ['north', 'south'] as const
export const TOKEN_LIFE_MS = 7_200_000
const DAY_MS = 86_400_000

export function emptyModel(now: number, movable: boolean): Model {
  const epochs = new Map(CORPORATIONS.map((name) => [name, 0]))
  return { now, movable, keyGeneration: 0, epochs, tokens: [], attachments: [], links: [], documents: [] }
}

export function usable(model: Model, { expiresAt, replaced }: KnownToken): boolean {
  return !replaced && model.now < expiresAt
}

export function refreshedUntil(model: Model, days: number): number {
  return model.now + days * DAY_MS
}

/** What a GET of a link answers. */
export function statusOfLink(model: Model, link: KnownLink): number {
  const { attachment, corporation } = link
  if (model.now > link.expiresAt) return 403
  if (link.keyGeneration !== model.keyGeneration || link.corporationEpoch !== model.epochs.get(corporation)) return 403
  if (attachment.removed) return 404
  return link.linkEpoch === attachment.linkEpoch ? 200 : 403
}

/** Expires of a link that is asked for now, in milliseconds. */
export function endOfLink(model: Model, expiration: number): number {
  return (Math.ceil(model.now / 1000) + expiration) * 1000
}

/** Of what was asked, the pairs that are answered. */
export function answered(asked: readonly Asked[], corporation: string): Asked[] {
  return asked.filter(
    ({ idOf, keyOf }) => idOf === keyOf && idOf !== undefined && idOf.corporation === corporation && !idOf.removed,
  )
}

/** The id of one attachment with the key of the same or of another; `undefined` stands for what nobody has. */
export interface Asked {
  idOf: KnownAttachment | undefined
  keyOf: KnownAttachment | undefined
  expiration: number
}

export function isCodeTaken(model: Model, corporation: string, code: string): boolean {
  return model.documents.some((document) => document.corporation === corporation && document.code === code)
}
