/** Asks for the links of one attachment again and again; the process that asker.ts starts. */
import { Agent, request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { DOWNLOAD_URLS } from '../server.ts'

const BETWEEN_MS = 1

/** The second argument: what to ask, and of whom. */
export interface Asked {
  url: string
  token: string
  ref: { id: string; key: string; expiration: number }
}

const { url, token, ref }: Asked = JSON.parse(process.argv[2] ?? '{}')
const agent = new Agent({ keepAlive: true, maxSockets: 1 })
const body = JSON.stringify([ref])
const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
let times: number[] = []
let on = true

/** `take` is answered with the milliseconds of each question since the last one. */
process.on('message', (message: 'take' | 'end') => {
  if (message === 'end') on = false
  else process.send?.(times)
  times = []
})

while (on) {
  const started = performance.now()
  await ask()
  times.push(performance.now() - started)
  await pause(BETWEEN_MS)
}
process.disconnect?.()

function ask(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const asking = request(
    `${url}${DOWNLOAD_URLS}?accessToken=${token}`,
    { method: 'POST', agent, headers },
    (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`downloadurls answered ${answer.statusCode}`))
      answer.resume().on('end', resolve)
    },
  )
  asking.on('error', reject).end(body)
  return promise
}
