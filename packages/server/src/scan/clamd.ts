import { connect } from 'node:net'
import { nameOfFinding, type Scan, type Scanner } from './scanner.ts'

/** A path of a Unix socket, or a host and a port. */
export type ClamdAddress = { path: string } | { host: string; port: number }

const LONGEST_REPLY = 4096

/**
 * clamd's INSTREAM: the command, then chunks that begin with their length, then a length of 0; one reply that ends with a
 * zero byte. Nothing but bytes is sent: clamd needs no access to our files, and learns no name.
 */
export function clamd(address: ClamdAddress): Scanner {
  return { open: () => openStream(address) }
}

/** `/run/clamav/clamd.ctl`, `host:3310` or `[::1]:3310`; `undefined` for anything else. */
export function clamdAddress(text: string): ClamdAddress | undefined {
  if (text.startsWith('/')) return { path: text }
  const [, bracketed, plain, port] = /^(?:\[([\da-f:]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(text) ?? []
  const host = bracketed ?? plain
  return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) }
}

function openStream(address: ClamdAddress): Scan {
  const socket = connect(address)
  const { promise: reply, resolve, reject } = Promise.withResolvers<string>()
  // It may fail before anybody waits for it.
  reply.catch(() => {})
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (piece: string) => {
    text += piece
    const end = text.indexOf('\0')
    if (end !== -1) resolve(text.slice(0, end))
    else if (text.length > LONGEST_REPLY) socket.destroy(new Error('clamd answers without end'))
  })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('clamd closed the connection without a verdict')))
  socket.write('zINSTREAM\0')

  function send(bytes: Uint8Array): Promise<void> {
    return new Promise((done, failed) => {
      socket.write(bytes, (error) => (error ? failed(error) : done()))
    })
  }

  return {
    async write(chunk) {
      if (chunk.length === 0) return
      const length = Buffer.alloc(4)
      length.writeUInt32BE(chunk.length)
      socket.cork()
      const sent = Promise.all([send(length), send(chunk)])
      socket.uncork()
      // clamd may say no, and why, before it has all.
      await Promise.race([sent, reply.then(verdictOf)])
    },
    async verdict() {
      await Promise.race([send(Buffer.alloc(4)), reply])
      const found = verdictOf(await reply)
      socket.destroy()
      return found
    },
    close: () => socket.destroy(),
  }
}

function verdictOf(reply: string): string | undefined {
  if (reply === 'stream: OK') return undefined
  const [, name] = /^stream: (.+) FOUND$/.exec(reply) ?? []
  if (name === undefined) throw new Error(`clamd says: ${nameOfFinding(reply)}`)
  return nameOfFinding(name)
}
