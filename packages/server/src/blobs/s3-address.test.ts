import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { s3Address } from './s3-address.ts'

const NOW = 1_700_000_000
const KEY = `attache/blobs/${'0a'.repeat(16)}`
const asked = { method: 'GET', expiresAt: NOW + 1000, headers: {} } as const

function addresses(config: S3ClientConfig = {}, milliseconds = 0) {
  const credentials = { accessKeyId: 'AKID', secretAccessKey: 'secret' }
  const client = new S3Client({ region: 'eu-west-1', credentials, ...config })
  return s3Address({ client, bucket: 'files', now: () => NOW * 1000 + milliseconds })
}

const queryOf = async (address: Promise<string | undefined>) => new URL((await address) ?? 'none:').searchParams

describe('an address in S3', () => {
  it('names the host as the endpoint and the style say', async () => {
    const where: [S3ClientConfig, string][] = [
      [{}, 'https://files.s3.eu-west-1.amazonaws.com/'],
      [{ forcePathStyle: true }, 'https://s3.eu-west-1.amazonaws.com/files/'],
      [{ region: 'cn-north-1' }, 'https://files.s3.cn-north-1.amazonaws.com.cn/'],
      [{ endpoint: 'http://store.example:9000', forcePathStyle: true }, 'http://store.example:9000/files/'],
      [{ endpoint: 'https://store.example/s3', forcePathStyle: true }, 'https://store.example/s3/files/'],
      [{ endpoint: 'https://store.example' }, 'https://files.store.example/'],
    ]
    for (const [config, start] of where) {
      const address = await addresses(config)(KEY, asked)
      assert.ok(address?.startsWith(`${start}${KEY}?`), address ?? start)
    }
  })

  it('lives to the very second, however far the clock is between two', async () => {
    for (const [milliseconds, expiresAt] of [
      [0, NOW + 1],
      [999, NOW + 1],
      [1, NOW + 300],
      [500, NOW + 604_800],
    ] as const) {
      const query = await queryOf(addresses({}, milliseconds)(KEY, { ...asked, expiresAt }))
      const signed = query.get('X-Amz-Date')?.replace(/(....)(..)(..T..)(..)(..Z)/, '$1-$2-$3:$4:$5')
      assert.equal(Date.parse(signed ?? '') / 1000 + Number(query.get('X-Amz-Expires')), expiresAt)
    }
  })

  it('is not given for longer than seven days, nor for a time that is past', async () => {
    for (const expiresAt of [NOW + 604_801, NOW + 315_360_000, NOW, NOW - 1, NOW + 0.5]) {
      assert.equal(await addresses()(KEY, { ...asked, expiresAt }), undefined)
    }
  })

  it('is not given for what S3 does not do: pictures, other headers, other letters', async () => {
    assert.equal(await addresses()(KEY, { ...asked, process: 'image/resize,w_120' }), undefined)
    assert.equal(await addresses()(KEY, { ...asked, headers: { 'x-frame-options': 'deny' } }), undefined)
    assert.equal(
      await addresses()(KEY, { ...asked, headers: { 'content-disposition': 'inline; filename=发票' } }),
      undefined,
    )
  })

  it('is not given where the session of the credentials ends before it', async () => {
    const session = (seconds: number) => ({
      credentials: async () => ({
        accessKeyId: 'ASIA',
        secretAccessKey: 'secret',
        sessionToken: 'token',
        expiration: new Date((NOW + seconds) * 1000),
      }),
    })
    assert.equal(await addresses(session(999))(KEY, asked), undefined)
    const query = await queryOf(addresses(session(1000))(KEY, asked))
    assert.equal(query.get('X-Amz-Security-Token'), 'token')
  })

  it('has the headers of the answer in its query, and is another one for HEAD', async () => {
    const headers = { 'content-type': 'image/png', 'content-disposition': `inline; filename*=UTF-8''a%2Bb` }
    const [get, head] = await Promise.all(
      (['GET', 'HEAD'] as const).map((method) => queryOf(addresses()(KEY, { ...asked, method, headers }))),
    )
    assert.equal(get?.get('response-content-type'), 'image/png')
    assert.equal(get?.get('response-content-disposition'), headers['content-disposition'])
    assert.notEqual(get?.get('X-Amz-Signature'), head?.get('X-Amz-Signature'))
  })
})
