/** A link lives exactly as long as was asked, whatever mode serves it and however far the store's own signatures reach. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { type DevServer, startDev } from '../dev-server.ts'
import { bytesOf, statusOf } from '../server.ts'
import { enginesMissing, s3Settings } from './cluster.ts'

const missing = enginesMissing()
const DAY = 86_400
const LONG = { '30 days': 30 * DAY, '10 years': 3650 * DAY }
const MODES: Record<string, Record<string, string>> = {
  stream: {},
  redirect: { ATTACHE_DELIVERY: 'redirect' },
  direct: { ATTACHE_LINKS: 'direct' },
  'direct and redirect': { ATTACHE_LINKS: 'direct', ATTACHE_DELIVERY: 'redirect' },
}

for (const [mode, env] of Object.entries(MODES)) {
  describe(`links over S3: ${mode}`, { skip: missing && !process.env['CI'] ? missing : false }, () => {
    const bytes = Buffer.concat([Buffer.from('%PDF-1.4\n'), randomBytes(200_000)])
    let server: DevServer
    let ref: { id: string; key: string }
    before(async () => {
      assert.equal(missing, undefined)
      server = await startDev([], { ...(await s3Settings()), ...env })
      const { fileId, key } = await server.upload('发票 1.pdf', bytes)
      ref = { id: fileId, key }
    })
    after(() => server?.stop())

    const linkFor = async (expiration: number) => {
      const [link] = await server.links([{ ...ref, expiration }])
      assert.ok(link)
      return link
    }
    const now = () => Math.floor(Date.now() / 1000)

    for (const [name, seconds] of Object.entries(LONG)) {
      it(`of ${name} work until the last second and not after`, async () => {
        const { url } = await linkFor(seconds)
        const expires = Number(new URL(url).searchParams.get('Expires'))
        assert.ok(Math.abs(expires - now() - seconds) <= 2, 'it leads to the gateway, which alone lives so long')
        assert.ok((await bytesOf(await fetch(url))).equals(bytes))
        await server.setTime(expires - 1)
        assert.ok((await bytesOf(await fetch(url))).equals(bytes))
        await server.setTime(expires + 1)
        const late = await fetch(url)
        assert.equal(late.status, 403)
        assert.match(await late.text(), /Request has expired\./)
        await server.setTime(Date.now() / 1000)
      })
    }

    it('of an hour give bytes, type and name', async () => {
      const { url, thumbUrl } = await linkFor(3600)
      assert.equal(new URL(url).origin === server.url, !mode.startsWith('direct'))
      assert.equal(new URL(thumbUrl).origin, server.url)
      const first = await fetch(url, { redirect: 'manual' })
      assert.equal(first.status, mode === 'redirect' ? 302 : 200)
      await first.arrayBuffer()
      if (mode === 'redirect') {
        const location = new URL(first.headers.get('location') ?? '')
        assert.equal(location.origin, process.env['ATTACHE_TEST_S3_ENDPOINT'])
        assert.ok(Number(location.searchParams.get('X-Amz-Expires')) <= 300)
        assert.equal(first.headers.get('cache-control'), 'private, no-store')
      }
      const answer = await fetch(url)
      assert.ok((await bytesOf(answer)).equals(bytes))
      assert.equal(answer.headers.get('content-type'), 'application/pdf')
      assert.match(answer.headers.get('content-disposition') ?? '', /filename\*=UTF-8''%E5%8F%91%E7%A5%A8%201\.pdf/)
      const part = await fetch(url, { headers: { range: 'bytes=100-199' } })
      assert.equal(part.status, 206)
      assert.ok((await bytesOf(part)).equals(bytes.subarray(100, 200)))
      if (!mode.startsWith('direct')) assert.equal(await statusOf(url, { method: 'HEAD' }), 200)
      const changed = /[?&]X-Amz-Signature=/.test(url)
        ? url.replace('X-Amz-Signature=', 'X-Amz-Signature=0')
        : url.replace('Signature=', 'Signature=A')
      assert.equal(await statusOf(changed), 403)
    })

    it('of two seconds are dead after three', async () => {
      const { url } = await linkFor(2)
      assert.equal(await statusOf(url), 200)
      // Two clocks tell here, the server's and the store's.
      const deadline = Date.now() + 6000
      while ((await statusOf(url)) !== 403) assert.ok(Date.now() < deadline, 'it lives on')
    })
  })
}
