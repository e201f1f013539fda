import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type AliyunBlobsOptions, aliyunBlobs } from '../packages/server/src/blobs/aliyun.ts'
import { realTiming } from '../packages/server/src/blobs/attempts.ts'
import type { BlobStore } from '../packages/server/src/blobs/blob-store.ts'
import type { TestAttache } from '../packages/server/src/dev/testing.ts'
import { Failure } from '../packages/server/src/errors.ts'

export type OpenedStore = BlobStore & AsyncDisposable

type Role = AliyunBlobsOptions['role']

/** `role: true` for the one of the development mode, with the shortest life that STS gives. */
export type StoreOptions = Partial<Omit<AliyunBlobsOptions, 'role'>> & { role?: boolean | Role }

/** Opens the driver on the store of the development mode, by its clock and with a prefix of its own. */
export function storeOn({ store, clock }: Pick<TestAttache, 'store' | 'clock'>) {
  return async ({ role, ...other }: StoreOptions = {}): Promise<OpenedStore> => {
    const { endpoint, bucket, region, accessKeyId, accessKeySecret, roleArn, stsEndpoint } = store
    const assumed = role === true ? { arn: roleArn, endpoint: stsEndpoint, seconds: 900 } : role || undefined
    const opened = await aliyunBlobs({
      prefix: `${randomBytes(6).toString('hex')}/blobs/`,
      endpoint,
      publicEndpoint: endpoint,
      region,
      bucket,
      style: 'path',
      signature: 'v4',
      accessKeyId,
      accessKeySecret,
      now: clock.now,
      ...other,
      role: assumed,
    })
    return { ...opened, [Symbol.asyncDispose]: () => opened.close() }
  }
}

/** Tries and bodies wait no longer than this, and the breaker's clock can be moved. */
export function quickTiming(longestWaitMs = 30_000) {
  let ahead = 0
  return {
    ...realTiming,
    now: () => performance.now() + ahead,
    after: (ms: number, run: () => void) => realTiming.after(Math.min(ms, longestWaitMs), run),
    skip(milliseconds: number) {
      ahead += milliseconds
    },
  }
}

export function unavailable(error: unknown): boolean {
  return error instanceof Failure && error.code === 'StorageUnavailable'
}

export function newId(): string {
  return randomBytes(16).toString('hex')
}

export async function* chunked(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024)
}

export interface DamagingProxy extends AsyncDisposable {
  url: string
  /** How many bodies of that kind still get one bit turned over. */
  damage: { sent: number; given: number }
  /** Content-MD5 of each PUT. */
  digests: (string | undefined)[]
}

/** Passes requests on, and turns a bit over in bodies that are sent or given. */
export async function damagingProxy(to: string): Promise<DamagingProxy> {
  const damage = { sent: 0, given: 0 }
  const digests: (string | undefined)[] = []
  const server = createServer(async (incoming, outgoing) => {
    const { method, url: path, headers } = incoming
    const body = await buffer(incoming)
    if (method === 'PUT') digests.push(headers['content-md5']?.toString())
    if (body.length > 0 && damage.sent-- > 0) turnOver(body)
    const { hostname, port } = new URL(to)
    const onward = request({ hostname, port, method, path, headers, agent: false }, async (answer) => {
      const given = await buffer(answer)
      if (method === 'GET' && given.length > 0 && damage.given-- > 0) turnOver(given)
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(given)
    })
    onward.end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    damage,
    digests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function turnOver(bytes: Buffer): void {
  const at = Math.floor(bytes.length / 2)
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
}
