import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'

export interface FakeClamd extends AsyncDisposable {
  address: { host: string; port: number }
  /** What each stream held, of those that came to their end. */
  streams: Buffer[]
  /** Streams open now. */
  open(): number
  /** How it behaves from now on. */
  mood: 'well' | 'silent' | 'deaf' | 'gone' | 'small' | 'confused'
}

const SMALL = 1000

/** Speaks clamd's protocol: NUL-ended commands, INSTREAM in chunks that begin with their length; finds `needle`. */
export async function fakeClamd(needle: string): Promise<FakeClamd> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number }
  const fake: FakeClamd = {
    address: { host: '127.0.0.1', port: address.port },
    streams: [],
    open: () => sockets.size,
    mood: 'well',
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return fake

  function serve(socket: Socket): void {
    if (fake.mood === 'gone') return void socket.destroy()
    if (fake.mood === 'deaf') return
    let bytes: Buffer = Buffer.alloc(0)
    let stream: Buffer[] | undefined
    let taken = 0
    socket.on('data', (piece) => {
      bytes = Buffer.concat([bytes, piece as Buffer])
      if (stream === undefined) {
        const end = bytes.indexOf(0)
        if (end === -1) return
        const command = bytes.subarray(0, end).toString()
        bytes = bytes.subarray(end + 1)
        if (command !== 'zINSTREAM') return void socket.end('UNKNOWN COMMAND\0')
        stream = []
      }
      while (bytes.length >= 4) {
        const length = bytes.readUInt32BE(0)
        if (length === 0) return void answer(socket, Buffer.concat(stream))
        if (bytes.length < 4 + length) return
        stream.push(bytes.subarray(4, 4 + length))
        bytes = bytes.subarray(4 + length)
        taken += length
        if (fake.mood === 'small' && taken > SMALL) return void socket.end('INSTREAM size limit exceeded. ERROR\0')
      }
    })
  }

  function answer(socket: Socket, whole: Buffer): void {
    fake.streams.push(whole)
    if (fake.mood === 'silent') return
    if (fake.mood === 'confused') return void socket.end('what?\0')
    socket.end(whole.includes(needle) ? 'stream: Eicar-Test-Signature FOUND\0' : 'stream: OK\0')
  }
}

/** The test file of the antivirus makers, in two halves so that no scanner takes this source for it. */
export const EICAR = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR', '-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('')
