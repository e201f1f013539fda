import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { faultOfName } from '../attachments/object-key.ts'
import { ConfigError, type FailureDetail, isAnySystemError } from '../errors.ts'
import { wrongFields } from './schema-errors.ts'

const CorporationId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' })
const Secret = Type.String({ minLength: 1, maxLength: 256 })
const strict = { additionalProperties: false }

const SeedApp = Type.Object({ appKey: Secret, appSecurity: Secret }, strict)

const SeedCorporation = Type.Object(
  { id: CorporationId, name: Type.Optional(Type.String()), apps: Type.Array(SeedApp, { minItems: 1 }) },
  strict,
)

const SeedAttachment = Type.Object(
  {
    name: Type.String(),
    /** The demo corporation unless said. */
    corporation: Type.Optional(CorporationId),
    /** Relative to the seed file. */
    file: Type.Optional(Type.String({ minLength: 1 })),
    base64: Type.Optional(Type.String()),
    text: Type.Optional(Type.String()),
  },
  strict,
)

const AnyObject = Type.Unsafe<Record<string, unknown>>(Type.Object({}))

const SeedDocument = Type.Object(
  {
    corporation: Type.Optional(CorporationId),
    /** A text in a list called `attachments`, or in `receipts`, is the name of an attachment of the same corporation. */
    form: AnyObject,
    params: Type.Optional(AnyObject),
    logs: Type.Optional(Type.Array(Type.Unknown())),
    receipts: Type.Optional(Type.Array(Type.Unknown())),
    /** Handed in for approval, or a draft. */
    commit: Type.Optional(Type.Boolean()),
  },
  strict,
)
export type SeedDocument = Type.Static<typeof SeedDocument>

const Seed = Type.Object(
  {
    corporations: Type.Optional(Type.Array(SeedCorporation)),
    attachments: Type.Optional(Type.Array(SeedAttachment)),
    documents: Type.Optional(Type.Array(SeedDocument)),
  },
  strict,
)

/** A seed whose files have been read. */
export interface Seed {
  corporations: Type.Static<typeof SeedCorporation>[]
  attachments: { name: string; corporation: string; bytes: Uint8Array }[]
  documents: (SeedDocument & { corporation: string })[]
  /** Of all that is in it, the bytes included. */
  hash: string
}

/** `path` is where in the seed, as in `attachments[2].base64`. */
export function seedError(path: string, what: string): ConfigError {
  return new ConfigError(`--seed: ${path === '' ? '' : `${path}: `}${what}`)
}

/** Reads a seed and the files that it names, and looks at all that can be seen without a service. */
export async function readSeed(file: string, defaultCorporation: string): Promise<Seed> {
  const text = (await readOr(file, '')).toString('utf8')
  const value = parsed(text, file)
  const isSeed = Compile(Seed)
  if (!isSeed.Check(value)) throw firstError(wrongFields(isSeed.Errors(value)))
  const { corporations = [], attachments = [], documents = [] } = value
  const known = new Set([defaultCorporation, ...corporations.map(({ id }) => id)])
  const ofKnown = (corporation: string | undefined, path: string): string => {
    if (corporation === undefined) return defaultCorporation
    if (!known.has(corporation)) throw seedError(`${path}.corporation`, `no corporation has the id ${corporation}`)
    return corporation
  }
  const names = new Set<string>()
  const read = attachments.map(async (attachment, index) => {
    const path = `attachments[${index}]`
    const fault = faultOfName(attachment.name)
    if (fault !== undefined) throw seedError(`${path}.name`, `no file name: ${fault}`)
    const corporation = ofKnown(attachment.corporation, path)
    const full = `${corporation}\0${attachment.name}`
    if (names.has(full))
      throw seedError(`${path}.name`, `a second attachment of ${corporation} is called ${attachment.name}`)
    names.add(full)
    return { name: attachment.name, corporation, bytes: await bytesOf(attachment, { path, directory: dirname(file) }) }
  })
  const contents = await Promise.all(read)
  const hash = createHash('sha256').update(text)
  for (const { bytes } of contents) hash.update(bytes)
  const placed = documents.map((document, index) => {
    return { ...document, corporation: ofKnown(document.corporation, `documents[${index}]`) }
  })
  return { corporations, attachments: contents, documents: placed, hash: hash.digest('hex') }
}

async function bytesOf(
  { file, base64, text }: Type.Static<typeof SeedAttachment>,
  { path, directory }: { path: string; directory: string },
): Promise<Uint8Array> {
  if ([file, base64, text].filter((source) => source !== undefined).length !== 1) {
    throw seedError(path, 'give exactly one of file, base64 and text')
  }
  if (file !== undefined) return readOr(resolve(directory, file), `${path}.file`)
  if (text !== undefined) return Buffer.from(text)
  const bytes = Buffer.from(base64 ?? '', 'base64')
  const plain = (base64 ?? '').replace(/[\s=]/g, '')
  if (bytes.toString('base64').replace(/=/g, '') !== plain) throw seedError(`${path}.base64`, 'is no base64')
  return bytes
}

async function readOr(file: string, path: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    if (isAnySystemError(error)) throw seedError(path, error.message)
    throw error
  }
}

function parsed(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    // Of the sentence the place alone: it may repeat an appSecurity.
    const place = /position \d+( \(line \d+ column \d+\))?/.exec(error.message)?.[0]
    throw seedError('', `${file} is no JSON${place === undefined ? '' : `, at ${place}`}`)
  }
}

function firstError([first]: FailureDetail[]): ConfigError {
  return seedError(first?.path ?? '', first?.message ?? 'is no seed')
}
