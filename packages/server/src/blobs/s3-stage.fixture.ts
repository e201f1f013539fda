import { randomBytes } from 'node:crypto'
import { Failure } from '../errors.ts'
import { realTiming } from './attempts.ts'
import { type BlobBody, type BlobStore, bytesOf } from './blob-store.ts'
import { s3Options } from './s3.fixture.ts'
import { s3Blobs } from './s3.ts'
import { type StoreFault, type StoreProxy, storeProxy } from './store-proxy.fixture.ts'

/** A store of its own behind a proxy, and the same store without it. */
export interface S3Stage extends AsyncDisposable {
  /** Waits 1 s for a try and 0.3 s for a body that stalls. */
  store: BlobStore
  direct: BlobStore
  proxy: StoreProxy
  /** Requests of this method meet the faults in turn, and the last one again and again. */
  meet(method: string, ...faults: (StoreFault | undefined)[]): void
  /** Methods of the requests since then. */
  seen(): string
  /** Moves the clock of the breaker. */
  ahead(milliseconds: number): void
  /** What lies under an id, or is said to. */
  stored(id: string, size: number): Promise<Uint8Array | undefined>
}

export async function s3Stage(): Promise<S3Stage> {
  const options = s3Options()
  const proxy = await storeProxy(options.endpoint ?? '')
  let ahead = 0
  const timing = {
    ...realTiming,
    now: () => performance.now() + ahead,
    after: (ms: number, run: () => void) => realTiming.after(ms >= 30_000 ? 300 : Math.min(ms, 1000), run),
  }
  const direct = await s3Blobs(options)
  const store = await s3Blobs({ ...options, endpoint: proxy.url, timing })
  return {
    store,
    direct,
    proxy,
    meet(method, ...faults) {
      proxy.requests.length = 0
      let met = 0
      proxy.fault = (request) => (request.method === method ? faults[Math.min(met++, faults.length - 1)] : undefined)
    },
    seen: () => proxy.requests.map(({ method }) => method).join(' '),
    ahead(milliseconds) {
      ahead += milliseconds
    },
    async stored(id, size) {
      const body = await direct.read(id, { first: 0, last: size - 1 })
      return body && (await bytesOf(body))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([store.close(), direct.close()])
      await proxy[Symbol.asyncDispose]()
    },
  }
}

export interface S3BlobStage extends S3Stage {
  id: string
  bytes: Buffer
  read(): Promise<BlobBody | undefined>
  /** All of it, through the proxy. */
  whole(): Promise<Uint8Array | undefined>
}

/** The same with one blob, whose GETs meet the faults. */
export async function s3BlobStage(size: number, ...faults: (StoreFault | undefined)[]): Promise<S3BlobStage> {
  const stage = await s3Stage()
  const id = newId()
  const bytes = randomBytes(size)
  await stage.direct.put(id, inChunks(bytes))
  stage.meet('GET', ...faults)
  const read = () => stage.store.read(id, { first: 0, last: size - 1 })
  const whole = async () => {
    const body = await read()
    return body && (await bytesOf(body))
  }
  return { ...stage, id, bytes, read, whole }
}

export const BUSY: StoreFault = { refuse: { status: 503, code: 'SlowDown' } }
export const BROKEN: StoreFault = { refuse: { status: 500, code: 'InternalError' } }

export function newId(): string {
  return randomBytes(16).toString('hex')
}

export async function* inChunks(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024)
}

export function unavailable(error: unknown): boolean {
  return error instanceof Failure && error.code === 'StorageUnavailable'
}
