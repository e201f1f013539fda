import { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, type ClientConfig } from 'pg'
import type { Listener } from './dialects.ts'

export interface PostgresListenerOptions {
  config: ClientConfig
  channel: string
  onNotice(): void
}

const AGAIN_MS = 1000

/** A connection of its own that hears what others commit. After an outage it comes back by itself. */
export function postgresListener({ config, channel, onNotice }: PostgresListenerOptions): Listener {
  const closing = new AbortController()
  const { signal } = closing

  async function listen(): Promise<void> {
    const socket = new Socket()
    // Not by its own `end`, which waits for a server that may be hung.
    const cut = () => socket.destroy()
    const client = new Client({ ...config, password: config.password, stream: () => socket })
    const ended = new Promise((resolve) => client.once('end', resolve))
    // Told by its end as well.
    client.on('error', () => {})
    client.on('notification', onNotice)
    signal.addEventListener('abort', cut)
    try {
      await client.connect()
      await client.query(`listen ${channel}`)
      // Something may have been said before.
      onNotice()
      await ended
    } finally {
      signal.removeEventListener('abort', cut)
      cut()
    }
  }

  async function listenOn(): Promise<void> {
    while (!signal.aborted) {
      // Whoever asks the database hears why; here only the next try matters.
      await listen().catch(() => {})
      await pause(AGAIN_MS, undefined, { signal }).catch(() => {})
    }
  }

  const done = listenOn()
  return {
    async close() {
      closing.abort()
      await done
    },
  }
}
