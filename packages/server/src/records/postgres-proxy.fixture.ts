import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Stands between a store and its server, and knows where one message of the protocol ends. */
export interface PostgresProxy {
  /** `host:port` */
  address: string
  /** How often a client has waited for an answer since the last call. */
  roundTrips(): number
  /** The next statement like this is carried out, and its answer does not arrive: the connection ends, or stays silent. */
  loseAnswer(statement: RegExp, how: 'cut' | 'silence'): void
  /** How many answers were lost. */
  lost(): number
  /** From now on nothing passes, until `false`. */
  hang(on: boolean): void
  close(): Promise<void>
}

// Kinds of messages that a client sends: https://www.postgresql.org/docs/15/protocol-message-formats.html
const PARSE = 'P'
const QUERY = 'Q'
const SYNC = 'S'

export async function postgresProxy(target: string): Promise<PostgresProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  let trips = 0
  let losses = 0
  let hung = false
  let losing: { statement: RegExp; how: 'cut' | 'silence' } | undefined

  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    let fate: 'cut' | 'silence' | undefined
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.setNoDelay(true).on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        for (const other of [client, upstream]) other.destroy()
      })
    }
    const read = messages((kind, body) => {
      if (kind === SYNC || kind === QUERY) trips++
      if ((kind !== PARSE && kind !== QUERY) || !losing?.statement.test(body.toString())) return
      fate = losing.how
      losing = undefined
    })
    client.on('data', (chunk: Buffer) => {
      read(chunk)
      if (!hung) upstream.write(chunk)
    })
    upstream.on('data', (chunk: Buffer) => {
      if (fate) losses++
      if (fate === 'cut') client.destroy()
      if (fate === undefined && !hung) client.write(chunk)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    roundTrips() {
      const counted = trips
      trips = 0
      return counted
    },
    loseAnswer(statement, how) {
      losing = { statement, how }
    },
    lost: () => losses,
    hang(on) {
      hung = on
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Cuts what a client sends into messages; the first one, which opens a session, has no kind. */
function messages(seen: (kind: string, body: Buffer) => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0)
  let opened = false
  return (chunk) => {
    pending = Buffer.concat([pending, chunk])
    for (;;) {
      const head = opened ? 1 : 0
      if (pending.length < head + 4) return
      const end = head + pending.readUInt32BE(head)
      if (pending.length < end) return
      if (opened) seen(String.fromCharCode(pending[0] ?? 0), pending.subarray(5, end))
      opened = true
      pending = pending.subarray(end)
    }
  }
}
