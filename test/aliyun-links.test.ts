/** Links over Alibaba OSS live exactly as long as was asked, in every mode, by one clock for the service and the store. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { pino } from 'pino'
import { createApp } from '../packages/server/src/commands/app.ts'
import { readConfig } from '../packages/server/src/config.ts'
import { startAttache, type TestAttache } from '../packages/server/src/dev/testing.ts'
import { createService, type Service } from '../packages/server/src/service.ts'
import { openStores } from '../packages/server/src/stores.ts'
import { type StoreOptions, storeOn } from './aliyun-store.ts'
import { sidewaysJpeg } from './pictures.ts'
import { bytesOf, type Calls, callsOf, type Link, statusOf } from './server.ts'

const DAY = 86_400

interface Gateway extends AsyncDisposable {
  url: string
  calls: Calls
}

describe('links over Alibaba OSS', () => {
  let oss: TestAttache
  let directory: string
  before(async () => {
    oss = await startAttache()
    directory = await mkdtemp(join(tmpdir(), 'attache-aliyun-'))
    await writeFile(join(directory, 'secret'), oss.store.accessKeySecret)
  })
  after(async () => {
    await oss.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** A service on the store of the development mode, by its clock. */
  async function gateway(mode: Record<string, string>, driver: StoreOptions = {}): Promise<Gateway> {
    const env = {
      ATTACHE_DATA: await mkdtemp(join(directory, 'data-')),
      ATTACHE_PORT: '0',
      ATTACHE_BLOBS: 'oss',
      ATTACHE_OSS_BUCKET: oss.store.bucket,
      ATTACHE_OSS_ACCESS_KEY_ID: oss.store.accessKeyId,
      ATTACHE_OSS_ACCESS_KEY_SECRET_FILE: join(directory, 'secret'),
    }
    const blobs = await storeOn(oss)(driver)
    const open = async () => ({
      ...(await openStores(readConfig({ ATTACHE_DATA: env.ATTACHE_DATA }), { serving: true })),
      blobs,
    })
    const config = readConfig({ ...env, ...mode })
    const logger = pino({ level: 'silent' })
    const service: Service = await createService({ config, logger, demoAllowed: false, now: oss.clock.now, open })
    const app = await createApp(service.stores, { corporationId: 'c', corporationName: '公司', demo: false })
    const url = await service.listen()
    return {
      url,
      calls: callsOf({ url, ...app }),
      async [Symbol.asyncDispose]() {
        await service.close()
        await blobs[Symbol.asyncDispose]()
        oss.clock.reset()
      },
    }
  }

  const linkOf = async (
    { calls }: Gateway,
    name: string,
    bytes: Buffer<ArrayBuffer>,
    expiration: number,
  ): Promise<Link> => {
    const { fileId, key } = await calls.upload(name, bytes)
    const [link] = await calls.links([{ id: fileId, key, expiration }])
    assert.ok(link)
    return link
  }

  const bytes = Buffer.from('%PDF-1.4\n 发票')
  const MODES: [string, Record<string, string>, StoreOptions][] = [
    ['stream', {}, {}],
    ['redirect, V4', { ATTACHE_DELIVERY: 'redirect' }, { signature: 'v4' }],
    ['direct, V4', { ATTACHE_LINKS: 'direct' }, { signature: 'v4' }],
    ['direct, V1', { ATTACHE_LINKS: 'direct' }, { signature: 'v1' }],
    ['direct, STS', { ATTACHE_LINKS: 'direct' }, { role: true }],
  ]
  for (const [mode, env, driver] of MODES) {
    it(`work until their last second and not after: ${mode}`, async () => {
      await using service = await gateway(env, driver)
      for (const seconds of [7200, 30 * DAY, 3650 * DAY]) {
        const issued = oss.clock.now() / 1000
        const { url } = await linkOf(service, '发票.pdf', bytes, seconds)
        const natively = mode === 'direct, V1' || (mode === 'direct, V4' && seconds <= 7 * DAY)
        assert.equal(new URL(url).origin, natively ? oss.store.endpoint : service.url)
        assert.ok((await bytesOf(await fetch(url))).equals(bytes))
        oss.clock.set((issued + seconds - 1) * 1000)
        const answer = await fetch(url)
        assert.ok((await bytesOf(answer)).equals(bytes))
        assert.equal(answer.headers.get('content-type'), 'application/pdf')
        oss.clock.set((issued + seconds + 3) * 1000)
        assert.equal(await statusOf(url), 403)
        oss.clock.reset()
      }
    })
  }

  it('have thumbnails that OSS makes itself in direct mode, of pictures only', async () => {
    await using service = await gateway({ ATTACHE_LINKS: 'direct' })
    const photo = await linkOf(service, 'a.jpg', Buffer.from(await sidewaysJpeg()), 600)
    const thumbnail = new URL(photo.thumbUrl)
    assert.equal(thumbnail.origin, oss.store.endpoint)
    assert.equal(thumbnail.searchParams.get('x-oss-process'), 'image/resize,w_120,h_120')
    const page = await linkOf(service, 'b.pdf', bytes, 600)
    assert.equal(new URL(page.thumbUrl).origin, service.url)
  })
})
