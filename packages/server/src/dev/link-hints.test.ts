import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { type Calls, callsOf, hintsOf } from './dev.fixture.ts'
import { type SeededAttachment, startAttache, type TestAttache } from './testing.ts'

const NAME = '发票 1+1%.txt'

describe('hints on links', () => {
  let attache: TestAttache
  let calls: Calls
  let file: SeededAttachment
  let url: string
  let thumbUrl: string
  const printed: string[] = []
  before(async () => {
    attache = await startAttache({ print: (line) => printed.push(line) })
    calls = callsOf(attache)
    file = await attache.seedAttachment({ name: NAME, content: 'twelve bytes' })
    const link = await calls.link(file)
    url = link.url
    thumbUrl = link.thumbUrl
  })
  after(() => attache.close())

  const pathIn = (address: string) => address.slice(0, address.indexOf('?'))
  const queryIn = (address: string) => address.slice(address.indexOf('?') + 1)

  // What callers do to links, and what they should be told.
  const ALTERED: [string, () => string, RegExp][] = [
    ['a second question mark', () => `${url}?t=1`, /the end: a second "\?"/],
    ['HTML in place of &', () => url.replaceAll('&', '&amp;'), /"&amp;"/],
    ['encoding the whole twice', () => url.replaceAll('%', '%25'), /the whole of it: encoded twice/],
    ['encoding the key twice', () => `${pathIn(url).replaceAll('%', '%25')}?${queryIn(url)}`, /the key: encoded twice/],
    ['a quote at its end', () => `${url}%22`, /the end: a quote/],
    ['a line break at its end', () => `${url}%0A`, /the end: a quote, a bracket or a line break/],
    ['a plus that became a space', () => url.replace('%2B', '%20'), /the key: a "\+" in it became a space, or/],
    [
      'decoding the key once too often',
      () => url.replace('%25.txt', '%.txt'),
      /the key: a "%" in it was left unencoded/,
    ],
    [
      'UTF-8 read as Latin-1',
      () => url.replace('%E5%8F%91', encodeURIComponent('å\x8f\x91')).replace('%E7%A5%A8', encodeURIComponent('ç¥¨')),
      /the key: UTF-8 that was read as Latin-1/,
    ],
    ['a parameter added', () => `${url}&response-content-type=text%2Fhtml`, /response-content-type: it was added/],
    ['another thumbnail', () => thumbUrl.replace('w_120', 'w_300'), /x-oss-process: its value was changed/],
    ['processing of an original', () => `${url}&x-oss-process=image%2Finfo`, /x-oss-process: it was added/],
    ['a later Expires', () => url.replace(/Expires=\d+/, 'Expires=4000000000'), /Expires or Signature/],
    [
      'half a Signature',
      () => url.replace(/(Signature=.{10})[^&]*/, '$1'),
      /Signature, which has \d+ characters instead of 28/,
    ],
    ['a key of ours that is none', () => url.replace('openapi', 'openapj'), /the key: there is no such attachment/],
    ['half a token', () => url.slice(0, -20), /security-token, unless/],
    ['another AccessKeyId', () => url.replace('OSSAccessKeyId=STS.', 'OSSAccessKeyId=STS.x'), /OSSAccessKeyId/],
    ['no token', () => url.replace(/&security-token=.*/, ''), /security-token is missing/],
    [
      'a shell that cut it at &',
      () => url.replace(/&.*/, ''),
      /OSSAccessKeyId, Signature, security-token is missing: in a shell/,
    ],
  ]
  for (const [what, address, expected] of ALTERED) {
    it(`say that the link was changed: ${what}`, async () => {
      const [first = '', ...others] = await hintsOf(fetch(address()))
      assert.match(first, /^link-altered: the link was changed, most likely .* \| 链接被改动/)
      assert.match(first, expected)
      assert.deepEqual(others, [])
    })
  }

  it('say that the name was normalised', async () => {
    const composed = await attache.seedAttachment({ name: 'é.txt', content: 'x' })
    const link = (await calls.link(composed)).url
    const [first = ''] = await hintsOf(fetch(link.replace('%C3%A9', 'e%CC%81')))
    assert.match(first, /the key: its Unicode normalisation was changed/)
  })

  it('say what a POST and a header that is signed do', async () => {
    assert.match(
      (await hintsOf(fetch(url, { method: 'POST' })))[0] ?? '',
      /the method: links are good for GET and HEAD/,
    )
    const [first = ''] = await hintsOf(fetch(url, { headers: { 'x-oss-meta-a': 'b' } }))
    assert.match(first, /the headers: /)
  })

  it('say when the link expired', async () => {
    const expires = Number(/Expires=(\d+)/.exec(url)?.[1]) * 1000
    attache.clock.set(expires + 1000)
    const [first = ''] = await hintsOf(fetch(url))
    const head = await hintsOf(fetch(url, { method: 'HEAD' }))
    attache.clock.reset()
    assert.ok(first.startsWith(`link-expired: the link expired at ${new Date(expires).toISOString()}`), first)
    assert.deepEqual(head.length, 1)
  })

  it('say what else is wrong', async () => {
    const code = async (address: string, headers: Record<string, string> = {}) => {
      const [first = ''] = await hintsOf(fetch(address, { headers }))
      return first.split(':')[0]
    }
    assert.equal(await code(url, { authorization: 'Bearer x' }), 'link-with-authorization')
    assert.equal(await code(url, { range: 'bytes=12-' }), 'range-beyond-end')
    assert.equal(await code(thumbUrl), 'no-thumbnail')
    assert.equal(await code(pathIn(url)), 'link-without-query')
    const gone = await attache.seedAttachment({ name: 'gone.txt', content: 'x' })
    const link = await calls.link(gone)
    await attache.removeAttachment(gone.fileId)
    assert.equal(await code(link.url), 'link-object-gone')
  })

  it('are on the console for a URL that holds bytes as they are', async () => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    socket.end('GET /attache/发票.txt HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.match(await text(socket), /^HTTP\/1\.1 400 /)
    assert.match(printed.at(-1) ?? '', /^hint 400 \? \? request-unreadable: .*must be percent-encoded/)
  })
})
