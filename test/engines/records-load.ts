/** What callers do all day, and how each request ended: for tests that take something away meanwhile. */
import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { askLinks, bytesOf, formOf, GET_ACCESS_TOKEN, type Link, postForm, type Uploaded } from '../server.ts'
import type { Corporation } from '../verbs.ts'

export type Kind = 'token' | 'upload' | 'links' | 'get'

export interface Ended {
  kind: Kind
  /** 0 where there was no answer. */
  status: number
  retryAfter: string | null
  /** What was uploaded may be stored, the server said. */
  storedPerhaps: boolean
  startedAt: number
  milliseconds: number
}

export interface Load {
  ended: Ended[]
  /** Uploads that were answered 200, and what they held. */
  acknowledged: Map<string, { uploaded: Uploaded; sha256: string }>
  /** Links whose bytes were not those that were uploaded. */
  wrong: number
  stop(): Promise<void>
}

// Far above what a request may take: one that reaches it hung.
const HUNG_MS = 15_000
const BETWEEN_MS = 25

export function startLoad(url: string, corporation: Corporation, token: string): Load {
  const load = { ended: [] as Ended[], acknowledged: new Map(), wrong: 0 } as Load
  let going = true

  async function timed(kind: Kind, ask: () => Promise<Response>): Promise<Buffer | undefined> {
    const startedAt = performance.now()
    const end = (status: number, retryAfter: string | null, text = '') => {
      const milliseconds = performance.now() - startedAt
      const storedPerhaps = text.includes('附件可能已保存')
      load.ended.push({ kind, status, retryAfter, storedPerhaps, startedAt, milliseconds })
    }
    try {
      const response = await inTime(ask())
      const bytes = await inTime(bytesOf(response))
      end(response.status, response.headers.get('retry-after'), response.status === 200 ? '' : bytes.toString())
      return response.status === 200 ? bytes : undefined
    } catch {
      end(0, null)
      return undefined
    }
  }

  async function upload(): Promise<void> {
    const bytes = randomBytes(1 + Math.floor(Math.random() * 20_000))
    const answer = await timed('upload', () => postForm(url, token, formOf('混合.bin', bytes)))
    if (!answer) return
    const uploaded = (JSON.parse(answer.toString()) as { value: Uploaded }).value
    load.acknowledged.set(uploaded.fileId, { uploaded, sha256: sha256(bytes) })
  }

  async function read(): Promise<void> {
    const all = [...load.acknowledged.values()]
    const one = all[Math.floor(Math.random() * all.length)]
    if (one === undefined) return
    const { fileId: id, key } = one.uploaded
    const links = await timed('links', () => askLinks(url, token, [{ id, key, expiration: 600 }]))
    const [link] = links ? (JSON.parse(links.toString()) as Link[]) : []
    const bytes = link && (await timed('get', () => fetch(link.url)))
    if (bytes && sha256(bytes) !== one.sha256) load.wrong++
  }

  async function takeToken(): Promise<void> {
    const { appKey, appSecurity } = corporation
    const body = JSON.stringify({ appKey, appSecurity })
    const headers = { 'content-type': 'application/json' }
    await timed('token', () => fetch(url + GET_ACCESS_TOKEN, { method: 'POST', headers, body }))
  }

  async function again(work: () => Promise<void>): Promise<void> {
    while (going) {
      await work()
      await pause(BETWEEN_MS)
    }
  }

  const workers = [upload, upload, upload, read, read, read, takeToken].map(again)
  load.stop = async () => {
    going = false
    await Promise.all(workers)
  }
  return load
}

/** 503 that says when to try again; it does not where an upload may be stored. */
export function isRefusedInWords({ kind, status, retryAfter, storedPerhaps }: Ended): boolean {
  if (storedPerhaps) return kind === 'upload' && status === 503 && retryAfter === null
  return status === 503 && Number(retryAfter) > 0
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = pause(HUNG_MS, undefined, { ref: false }).then(() => {
    throw new Error('hung')
  })
  return Promise.race([answer, late])
}
