import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Sample } from './rounds.ts'
import type { Stage } from './stage.ts'

export interface AskedRequest {
  method: 'GET' | 'POST'
  /** With its query. */
  path: string
  /** JSON on one line. */
  body?: string
  /** The value of `Range`. */
  range?: string
}

export interface LoadOptions {
  /** Where the server listens, without a path. */
  url: string
  requests: readonly AskedRequest[]
  connections: number
}

export interface Load extends Sample {
  /** Requests a second. */
  rate: number
  bytesPerSecond: number
  p50Ms: number
  p99Ms: number
}

const SCRIPT = fileURLToPath(new URL('./wrk.lua', import.meta.url))
let files = 0

/** wrk with one thread, closed loop: every connection asks again once it has its answer. An answer other than 2xx is an error. */
export async function loadOn(
  stage: Stage,
  { url, requests, connections }: LoadOptions,
): Promise<(seconds: number) => Promise<Load>> {
  const file = join(stage.directory, `requests-${++files}`)
  await writeFile(
    file,
    requests.map(({ method, path, body = '', range = '' }) => `${method}\t${path}\t${range}\t${body}\n`).join(''),
  )
  return async (seconds) => {
    const size = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s']
    const wrk = stage.start('wrk', [...size, '-s', SCRIPT, url, '--', file], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (wrk.stdout === null) throw new Error('wrk has no stdout')
    const [said] = await Promise.all([text(wrk.stdout), once(wrk, 'close')])
    return sampleOf(said)
  }
}

function sampleOf(said: string): Load {
  const [, json] = /^RESULT (.*)$/m.exec(said) ?? []
  if (json === undefined) throw new Error(`wrk gave no result: ${said}`)
  const { requests, bytes, microseconds, refused, broken, p50, p99 } = JSON.parse(json) as Result
  if (refused > 0 || broken > 0) throw new Error(`${refused} answers were not 2xx, ${broken} broke off`)
  const seconds = microseconds / 1_000_000
  return { rate: requests / seconds, bytesPerSecond: bytes / seconds, p50Ms: p50 / 1000, p99Ms: p99 / 1000 }
}

type Result = Record<'requests' | 'bytes' | 'microseconds' | 'refused' | 'broken' | 'p50' | 'p99', number>
