import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, it } from 'node:test'
import { ConfigError, Failure } from '../errors.ts'
import { s3Blobs } from './s3.ts'

/** Answers everything alike. */
async function answering(status: number, body: string) {
  let requests = 0
  const answer = { status, body }
  const server = createServer((request, response) => {
    requests++
    const headers = { 'content-type': 'application/xml' }
    request.resume().once('end', () => response.writeHead(answer.status, headers).end(answer.body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    open: () => s3Blobs(options(endpoint)),
    answer,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function options(endpoint: string) {
  const keys = { accessKeyId: 'AKID', secretAccessKey: 'a-secret' }
  const place = { region: 'us-east-1', bucket: 'files', style: 'path' as const }
  return { ...keys, ...place, prefix: 'blobs/', endpoint, publicEndpoint: undefined }
}

const errorXml = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`

describe('a store in S3', () => {
  const LASTING: [string, number, RegExp][] = [
    ['NoSuchBucket', 404, /ATTACHE_S3_BUCKET/],
    ['AccessDenied', 403, /s3:ListBucket/],
    ['InvalidAccessKeyId', 403, /ATTACHE_S3_ACCESS_KEY_ID/],
    ['SignatureDoesNotMatch', 403, /ATTACHE_S3_SECRET_ACCESS_KEY_FILE/],
    ['AuthorizationHeaderMalformed', 400, /ATTACHE_S3_REGION/],
    ['PermanentRedirect', 301, /ATTACHE_S3_REGION/],
    ['RequestTimeTooSkewed', 403, /NTP/],
  ]
  for (const [code, status, words] of LASTING) {
    it(`does not open on ${code}, and says what to mend`, async () => {
      await using store = await answering(status, errorXml(code))
      await assert.rejects(store.open(), (error) => {
        assert.ok(error instanceof ConfigError, String(error))
        assert.match(error.message, words)
        assert.ok(!JSON.stringify(error).includes('a-secret'))
        return true
      })
      assert.equal(store.requests(), 1)
    })
  }

  it('opens when nothing answers, and is not well', async () => {
    const store = await s3Blobs(options('http://127.0.0.1:9'))
    await assert.rejects(store.check(), isUnavailable)
    await assert.rejects(store.read('0'.repeat(32), { first: 0, last: 0 }), isUnavailable)
    await store.close()
  })

  for (const [what, status, body] of [
    ['an error of its own', 503, errorXml('SlowDown')],
    ['the page of a proxy in between', 502, '<html>Bad Gateway</html>'],
    ['an answer without a body', 500, ''],
  ] as const) {
    it(`opens on ${what}, and is asked three times`, async () => {
      await using store = await answering(status, body)
      const opened = await store.open()
      assert.equal(store.requests(), 1)
      await assert.rejects(opened.read('0'.repeat(32), { first: 0, last: 0 }), isUnavailable)
      assert.equal(store.requests(), 4)
      await opened.close()
    })
  }

  it('whose bucket is gone is no store without the blob', async () => {
    await using store = await answering(503, errorXml('SlowDown'))
    const opened = await store.open()
    Object.assign(store.answer, { status: 404, body: errorXml('NoSuchBucket') })
    await assert.rejects(opened.read('0'.repeat(32), { first: 0, last: 0 }), /ATTACHE_S3_BUCKET/)
    Object.assign(store.answer, { body: errorXml('NoSuchKey') })
    assert.equal(await opened.read('0'.repeat(32), { first: 0, last: 0 }), undefined)
    await opened.close()
  })

  it('lists what could be a blob of its own, and tells of other names', async () => {
    const id = '0a'.repeat(16)
    const names = ['', 'abc', `${id}.new`, id]
    const contents = names.map((name) => `<Contents><Key>blobs/${name}</Key><Size>4</Size></Contents>`)
    const listing = `<?xml version="1.0"?><ListBucketResult>${contents.join('')}</ListBucketResult>`
    await using server = await answering(200, listing)
    const store = await server.open()
    const foreign: string[] = []
    const listed = await Array.fromAsync(store.list('', (name) => foreign.push(name)))
    assert.deepEqual(
      listed.map((blob) => blob.id),
      [id],
    )
    assert.deepEqual(foreign, ['', 'abc', `${id}.new`])
    await store.close()
  })

  it('refuses an id that could be a path or a pattern', async () => {
    const store = await s3Blobs(options('http://127.0.0.1:9'))
    await assert.rejects(store.read('../../secret', { first: 0, last: 0 }), /lower-case hex/)
    await store.close()
  })
})

function isUnavailable(error: unknown): boolean {
  return error instanceof Failure && error.code === 'StorageUnavailable'
}
