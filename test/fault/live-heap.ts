/** What a service still holds after a collection, asked over the inspector of Node. */
import { once } from 'node:events'
import type { Attache } from '../server.ts'

/** For the environment of the service that is to be looked at. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' }

const COLLECTIONS = 2
const MIB = 2 ** 20

export async function liveHeapMib({ stderr }: Pick<Attache, 'stderr'>): Promise<number> {
  const address = /^Debugger listening on (ws:\S+)$/m.exec(stderr())?.[1]
  if (address === undefined) throw new Error('the service was started without its inspector')
  const socket = new WebSocket(address)
  await once(socket, 'open')
  try {
    // The first may only finish what has begun.
    for (let done = 0; done < COLLECTIONS; done++) await told(socket, 'HeapProfiler.collectGarbage')
    const { usedSize } = await told(socket, 'Runtime.getHeapUsage')
    return Number(usedSize) / MIB
  } finally {
    socket.close()
  }
}

async function told(socket: WebSocket, method: string): Promise<Record<string, unknown>> {
  const answer = once(socket, 'message')
  socket.send(JSON.stringify({ id: 1, method }))
  const [{ data }] = await answer
  return JSON.parse(data).result
}
