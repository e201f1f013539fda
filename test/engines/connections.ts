/** TCP connections that a process of this machine holds, as Linux tells it: also where the other side says nothing. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

// https://docs.kernel.org/networking/proc_net_tcp.html
const ESTABLISHED = '01'
const SYN_SENT = '02'

/** Open ones, and those that are being opened. */
export function connectionsTo(pid: number, port: number): number {
  const held = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => targetOf(`/proc/${pid}/fd/${fd}`)))
  const lines = readFileSync(`/proc/${pid}/net/tcp`, 'latin1').split('\n').slice(1)
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return lines.filter((line) => {
    const [, , to = '', state = '', , , , , , inode] = line.trim().split(/\s+/)
    return to.endsWith(remote) && (state === ESTABLISHED || state === SYN_SENT) && held.has(`socket:[${inode}]`)
  }).length
}

/** Nothing for a descriptor that was closed meanwhile. */
function targetOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
