import { isObject } from './answers.ts'
import { type AttacheError, isAttacheError } from './errors.ts'
import { inParallel } from './pool.ts'
import { type AttachmentRef, type DownloadLink, idOf } from './wire.ts'

export interface LinkOptions {
  /** How long the links work, in seconds. Default 1800, which the vendor's later revision takes as well. */
  expiration?: number
  signal?: AbortSignal
}

export interface DownloadLinks<R extends AttachmentRef> {
  /** In the order of the refs; duplicates give duplicates. */
  links: DownloadLink[]
  /** The refs that the server left out: unknown, removed, of another corporation, or with an id and a key that don't belong together. */
  missing: R[]
}

export interface LinkAskerOptions {
  /** Most items of one request, until the server names a lower cap. */
  itemsPerRequest: number
  concurrency: number
  ask(items: { id: string; key: string; expiration: number }[], signal: AbortSignal | undefined): Promise<unknown>
}

export type LinkAsker = <R extends AttachmentRef>(
  refs: readonly R[],
  options?: LinkOptions,
) => Promise<DownloadLinks<R>>

export const DEFAULT_EXPIRATION_SECONDS = 1800

/** Asks for links in requests of a size that the server takes, and finds out that size from its refusals. */
export function linkAsker({ itemsPerRequest, concurrency, ask }: LinkAskerOptions): LinkAsker {
  // Kept for the client's life: the server is asked too much once.
  let cap = itemsPerRequest

  async function linksOf(refs: readonly AttachmentRef[], expiration: number, signal: AbortSignal): Promise<unknown[]> {
    const size = cap
    if (refs.length > size) return inSlices(refs, size, (slice) => linksOf(slice, expiration, signal))
    try {
      return listOf(
        await ask(
          refs.map((ref) => ({ id: idOf(ref), key: ref.key, expiration })),
          signal,
        ),
      )
    } catch (error) {
      const lower = isAttacheError(error) ? capIn(error, refs.length) : undefined
      if (lower === undefined) throw error
      cap = Math.min(cap, lower)
      return linksOf(refs, expiration, signal)
    }
  }

  return async (refs, { expiration = DEFAULT_EXPIRATION_SECONDS, signal } = {}) => {
    const found = new Map<string, DownloadLink>()
    const work = (slice: readonly AttachmentRef[], stop: AbortSignal) => linksOf(slice, expiration, stop)
    for await (const links of inParallel(slices(refs, cap), { concurrency, signal }, work)) {
      for (const link of links.filter(isLink)) found.set(`${link.id}\0${link.key}`, link)
    }
    const linkOf = (ref: AttachmentRef) => found.get(`${idOf(ref)}\0${ref.key}`)
    return {
      links: refs.flatMap((ref) => linkOf(ref) ?? []),
      missing: refs.filter((ref) => linkOf(ref) === undefined),
    }
  }
}

function* slices<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size)
}

async function inSlices<T>(
  items: readonly T[],
  size: number,
  work: (slice: readonly T[]) => Promise<unknown[]>,
): Promise<unknown[]> {
  const all: unknown[] = []
  for (const slice of slices(items, size)) all.push(...(await work(slice)))
  return all
}

/** The most items that a refusal of `asked` items allows: the number it names, or half when it says only "too large". */
export function capIn({ kind, message, details }: AttacheError, asked: number): number | undefined {
  if (asked <= 1) return undefined
  if (kind === 'too-large') return Math.ceil(asked / 2)
  // A detail names a wrong element, not the cap.
  if (kind !== 'invalid' || (details?.length ?? 0) > 0) return undefined
  const [sentence = ''] = message.split(' (HTTP ')
  const named = /(?:超过|最多|上限|最大|at most|maximum|max|limit|exceed|more than)[^\d]{0,20}(\d{1,6})/i.exec(
    sentence,
  )?.[1]
  const cap = Number(named)
  return cap >= 1 && cap < asked ? cap : undefined
}

function listOf(answer: unknown): unknown[] {
  if (Array.isArray(answer)) return answer
  const wrapped = isObject(answer) ? (answer['value'] ?? answer['items']) : undefined
  return Array.isArray(wrapped) ? wrapped : []
}

function isLink(value: unknown): value is DownloadLink {
  return isObject(value) && ['id', 'key', 'url'].every((field) => typeof value[field] === 'string')
}
