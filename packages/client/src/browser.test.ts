import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { BYTES, type Stage, stage } from './client.fixture.ts'
import { type BuiltPackage, builtPackage } from './package.fixture.ts'

const CHROMIUM = '/usr/bin/chromium'
const missing = existsSync(CHROMIUM) ? undefined : `no ${CHROMIUM}: apt-get install --no-install-recommends chromium`
// On CI nothing is passed over.
const skip = missing !== undefined && !process.env['CI'] ? missing : false

describe('in Chromium, the main entry', { skip }, () => {
  let on: Stage
  let built: BuiltPackage
  let browser: Browser
  let page: Page
  before(async () => {
    assert.equal(missing, undefined)
    const { chromium } = await import('playwright-core')
    ;[on, built, browser] = await Promise.all([
      stage(),
      builtPackage(),
      chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] }),
    ])
    page = await browser.newPage()
    await page.route('**/page/*', async (route) => {
      const name = basename(new URL(route.request().url()).pathname)
      if (name === 'index.html')
        return route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>caller</title>' })
      await route.fulfill({ contentType: 'text/javascript', body: await readFile(join(built.dist, name), 'utf8') })
    })
    await page.goto(`${on.proxy.url}/page/index.html`)
    const { appKey, appSecurity } = on.service.app
    await page.evaluate(
      `import('/page/index.js').then((sdk) => {
         const fetched = []
         Object.assign(globalThis, sdk, {
           client: sdk.createClient({ baseUrl: location.origin, appKey: '${appKey}', appSecurity: '${appSecurity}', retry: { baseMilliseconds: 1 } }),
           sha256: async (bytes) => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))].join(),
           random: (length) => { const bytes = new Uint8Array(length); for (let at = 0; at < length; at += 50000) crypto.getRandomValues(bytes.subarray(at, at + 50000)); return bytes },
         })
       })`,
    )
  })
  after(async () => {
    await browser?.close()
    await built?.[Symbol.asyncDispose]()
    await on?.[Symbol.asyncDispose]()
  })

  it('uploads a File, tells how far it is, asks for links and downloads', async () => {
    const done = await page.evaluate(`(async () => {
      const bytes = random(3_000_000)
      const seen = []
      const uploaded = await client.upload(new File([bytes], '发票.png', { type: 'image/png' }), { onProgress: (sent) => seen.push(sent.bytes / sent.total) })
      const { links, missing } = await client.downloadUrls([uploaded, { id: 'a', key: 'b' }])
      const download = await client.download(uploaded)
      return {
        name: uploaded.fileName, links: links.length, missing: missing.length, last: seen.at(-1),
        size: download.size, same: (await sha256(await download.bytes())) === (await sha256(bytes)),
      }
    })()`)
    assert.deepEqual(done, { name: '发票.png', links: 1, missing: 1, last: 1, size: 3_000_000, same: true })
  })

  it('goes on where a download was cut, and refuses wrong bytes by CRC-64', async () => {
    const uploaded = await page.evaluate(
      `(async () => { globalThis.bytes = random(1_000_000); globalThis.uploaded = await client.upload(bytes, { name: 'a.bin' }) })()`,
    )
    assert.equal(uploaded, undefined)
    on.proxy.next(BYTES, { cutAfter: 300_000 })
    const same = await page.evaluate(
      `(async () => (await sha256(await (await client.download(uploaded)).bytes())) === (await sha256(bytes)))()`,
    )
    assert.equal(same, true)
    assert.ok(on.proxy.passed.some(({ headers }) => headers.range?.startsWith('bytes=') && headers['if-match']))
    on.proxy.next(BYTES, { corruptAt: 500_000, withoutHeaders: ['content-md5'] })
    const error = await page.evaluate(
      `client.download(uploaded).then((download) => download.blob()).catch((error) => [isIntegrityError(error), error.message])`,
    )
    assert.deepEqual((error as unknown[])[0], true, String(error))
  })

  it('gives the reason of an abort, and typed errors', async () => {
    const result = await page.evaluate(`(async () => {
      const reason = new Error('enough')
      const aborted = await client.upload(random(1000), { name: 'a', signal: AbortSignal.abort(reason), onProgress() {} }).catch((error) => error === reason)
      const notFound = await client.document('B00000000').catch(isNotFound)
      const wrong = await createClient({ baseUrl: location.origin, appKey: 'a', appSecurity: 'b' }).token().catch(isUnauthorized)
      return { aborted, notFound, wrong }
    })()`)
    assert.deepEqual(result, { aborted: true, notFound: true, wrong: true })
  })
})
