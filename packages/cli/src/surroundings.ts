import { mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Finding } from './examinations.ts'
import { codeOf } from './failures.ts'
import { sizeOf } from './sizes.ts'
import type { Say } from './words.ts'

const PROBE_BYTES = 64 * 1024

/** Where downloads go: room, the right to write, and a file that reaches the disk. What it throws names its own fix. */
export async function disk(directory: string, say: Say): Promise<Finding> {
  const there = await existing(resolve(directory))
  const { bavail, bsize } = await statfs(there)
  const milliseconds = await written(there)
  const free = sizeOf(bavail * bsize)
  return {
    result: 'ok',
    detail: say({
      en: `${there}: ${free} free, written through in ${milliseconds} ms`,
      zh: `${there}：可用 ${free}，落盘写入耗时 ${milliseconds} 毫秒`,
    }),
  }
}

/** The directory, or the nearest one above that is there: `archive` makes what is missing. */
async function existing(directory: string): Promise<string> {
  try {
    await statfs(directory)
    return directory
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(directory) === directory) throw error
    return existing(dirname(directory))
  }
}

async function written(directory: string): Promise<number> {
  const started = performance.now()
  const place = await mkdtemp(join(directory, 'attache-doctor-'))
  try {
    const file = await open(join(place, 'probe'), 'wx')
    try {
      await file.writeFile(new Uint8Array(PROBE_BYTES))
      await file.sync()
    } finally {
      await file.close()
    }
  } finally {
    await rm(place, { recursive: true, force: true })
  }
  return Math.round(performance.now() - started)
}

/** What the server says of its database and its storage. The vendor's own host says nothing of them. */
export async function backend(url: string, { say, signal }: { say: Say; signal: AbortSignal }): Promise<Finding> {
  const response = await fetch(`${url.replace(/\/+$/, '')}/readyz`, { redirect: 'manual', signal })
  const { status, errorMessage } = await answerOf(response)
  if (response.status === 200 && status === 'ready')
    return { result: 'ok', detail: say({ en: 'its database and storage answer', zh: '数据库与存储均正常' }) }
  if (response.status !== 503)
    return { result: 'note', detail: say({ en: 'the server does not tell', zh: '服务器未提供此信息' }) }
  return {
    result: 'failed',
    detail: `503 ${typeof errorMessage === 'string' ? errorMessage : ''}`.trim(),
    fix: say({
      en: 'try again in a minute; else tell the operator, whose log says what is away',
      zh: '请稍后重试；仍如此请告知管理员，服务器日志会说明缺了什么',
    }),
  }
}

async function answerOf(response: Response): Promise<Record<string, unknown>> {
  const text = await response.text()
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}
