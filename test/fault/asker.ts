/** How long a caller waits that asks for links again and again: a process of its own, whose loop does nothing else. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Attache } from '../server.ts'
import type { Asked } from './d-asker.ts'

export interface Asker {
  /** The milliseconds that each question since the last look took. */
  take(): Promise<number[]>
  end(): void
}

export async function startAsker(attache: Attache): Promise<Asker> {
  const { fileId: id, key } = await attache.upload('usual.txt', Buffer.from('x'))
  const asked: Asked = { url: attache.url, token: await attache.token(), ref: { id, key, expiration: 100 } }
  const child = fork(new URL('d-asker.ts', import.meta.url), [JSON.stringify(asked)])
  return {
    async take() {
      child.send('take')
      const [times] = await once(child, 'message')
      return times
    },
    end: () => child.kill(),
  }
}

export function p99(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN
}
