import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { PATHS } from '@attache/protocol'
import type { InjectOptions, Response } from 'light-my-request'
import { pino } from 'pino'
import { type AppCredentials, createApp } from './commands/app.ts'
import { readConfig } from './config.ts'
import { createService, type Service } from './service.ts'

/** A real service on a directory of its own, with a clock that the test moves. */
export interface TestService extends AsyncDisposable {
  service: Service
  /** Its data directory. */
  data: string
  /** Unix time in milliseconds, the test's to change. */
  clock: { now: number }
  /** Every line logged so far. */
  log: string[]
  app: AppCredentials
  token: string
  ask(options: InjectOptions): Promise<Response>
  /** A request of the control plane with the token in its query. */
  call(path: string, body?: unknown): Promise<Response>
  upload(name: string, bytes: Uint8Array): Promise<{ key: string; fileId: string; fileName: string; empty: boolean }>
  /** The path and query of the link that the item was given. */
  link(item: { key: string; fileId: string }, expiration?: number): Promise<{ url: string; thumbUrl: string }>
}

export async function testService(env: Record<string, string> = {}): Promise<TestService> {
  const data = await mkdtemp(join(tmpdir(), 'attache-service-'))
  const clock = { now: Date.UTC(2026, 0, 2, 3, 4, 5) }
  const log: string[] = []
  const sink = new Writable({
    write(line, _encoding, done) {
      log.push(String(line))
      done()
    },
  })
  const config = readConfig({ ATTACHE_DATA: data, ATTACHE_PUBLIC_URL: 'http://attache.test', ...env })
  const service = await createService({
    config,
    logger: pino({ level: 'debug' }, sink),
    demoAllowed: false,
    now: () => clock.now,
  })
  const app = await createApp(service.stores, { corporationId: 'corporation', corporationName: '某公司', demo: false })
  const ask = (options: InjectOptions) => service.app.inject(options)
  const token = await tokenFor(ask, app)
  const call = (path: string, body?: unknown) => {
    const payload =
      body === undefined ? {} : { payload: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    return ask({ method: 'POST', url: `${path}?accessToken=${token}`, ...payload })
  }
  return {
    service,
    data,
    clock,
    log,
    app,
    token,
    ask,
    call,
    async upload(name, bytes) {
      const answer = await ask({
        method: 'POST',
        url: `${PATHS.upload}?accessToken=${token}`,
        ...form([
          { field: 'name', value: name },
          { field: 'file', value: bytes },
        ]),
      })
      return answer.json().value
    },
    async link({ fileId: id, key }, expiration = 1000) {
      const [{ url, thumbUrl }] = (await call(PATHS.downloadUrls, [{ id, key, expiration }])).json()
      return { url: url.replace('http://attache.test', ''), thumbUrl: thumbUrl.replace('http://attache.test', '') }
    },
    async [Symbol.asyncDispose]() {
      await service.close()
      await rm(data, { recursive: true })
    },
  }
}

export async function tokenFor(ask: TestService['ask'], { appKey, appSecurity }: AppCredentials): Promise<string> {
  const answer = await ask({ method: 'POST', url: PATHS.getAccessToken, payload: { appKey, appSecurity } })
  return answer.json().value.accessToken
}

export interface FormPart {
  field: string
  value: string | Uint8Array
  fileName?: string
  /** The Content-Type of a part that is no file. */
  type?: string | undefined
}

/** A multipart body as curl writes it: a part of bytes has a file name. */
export function form(parts: FormPart[]): { payload: Buffer; headers: Record<string, string> } {
  const boundary = '----------attache-test'
  const chunks = parts.flatMap(({ field, value, fileName, type }) => {
    const text = type === undefined ? '' : `\r\nContent-Type: ${type}`
    const file = `; filename="${fileName ?? 'file.bin'}"\r\nContent-Type: application/octet-stream`
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${field}"${typeof value === 'string' ? text : file}`
    return [Buffer.from(`${head}\r\n\r\n`), Buffer.from(value), Buffer.from('\r\n')]
  })
  return {
    payload: Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]),
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
  }
}
