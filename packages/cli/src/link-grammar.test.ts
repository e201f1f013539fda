import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DAMAGES, readLink } from './link-grammar.ts'

const KEY = 'openapi0306c2d1-7a5b-4e96-8172-60c5ee0f971e-kotlin简介.docx'
const PATH = encodeURIComponent(KEY)
const SIGNATURE = 'XeC4g%2B92Hl8Gziac%2FFWW6J4NNVM%3D'
const TOKEN = 'AQAAAAEAAAABZGVtb%2F2mceeUJJoZ2wxcbtFYLMQ%3D'
const QUERY = `Expires=1599099810&OSSAccessKeyId=STS.abc&Signature=${SIGNATURE}&security-token=${TOKEN}`
const LINK = `https://bucket.oss-cn-beijing.aliyuncs.com/${PATH}?${QUERY}`
const V4 = `http://127.0.0.1:8700/attache/${PATH}?x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=AK%2F20200903%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-date=20200903T000000Z&x-oss-expires=600&x-oss-signature=${'0a'.repeat(32)}`

const damageOf = (text: string) => readLink(text)?.damage.map(({ what, where }) => (where ? `${what} ${where}` : what))

describe('a link', () => {
  it('says what it is of, until when, and with what', () => {
    assert.deepEqual(readLink(LINK), {
      signature: 'V1',
      host: 'bucket.oss-cn-beijing.aliyuncs.com',
      bucket: 'bucket',
      key: KEY,
      process: undefined,
      securityToken: true,
      expiresAt: 1_599_099_810_000,
      damage: [],
    })
    assert.equal(readLink(`${LINK}&x-oss-process=image%2Fresize%2Cw_120%2Ch_120`)?.process, 'image/resize,w_120,h_120')
  })

  it('names its bucket by host, by path, or not at all on a domain of its own', () => {
    const objectOf = (url: string) => [readLink(url)?.bucket, readLink(url)?.key]
    assert.deepEqual(objectOf(`http://127.0.0.1:8700/attache/${PATH}?${QUERY}`), ['attache', KEY])
    assert.deepEqual(objectOf(`https://files.example.com/${PATH}?${QUERY}`), ['', KEY])
  })

  it('of the fourth version tells its end by date and life', () => {
    const reading = readLink(V4)
    assert.deepEqual([reading?.signature, reading?.expiresAt, reading?.damage], ['V4', Date.UTC(2020, 8, 3, 0, 10), []])
    assert.deepEqual(damageOf(V4.replace('x-oss-expires=600', 'x-oss-expires=x')), ['not-a-time x-oss-expires'])
    assert.deepEqual(damageOf(V4.replace(/&x-oss-signature=.*/, '')), ['missing x-oss-signature'])
  })

  const DAMAGED: [string, string[]][] = [
    [`"${LINK}"`, ['wrapped']],
    [`${LINK}。`, ['wrapped']],
    [LINK.replaceAll('&', '&amp;'), ['html-escaped']],
    [LINK.replace('&Signature', '\n  &Signature'), ['space']],
    [LINK.replace('%2B', '+'), ['plus-decoded Signature']],
    [LINK.replace('%2B', ' '), ['plus-decoded Signature']],
    [LINK.replace(SIGNATURE, encodeURIComponent(SIGNATURE)), ['encoded-twice Signature']],
    [LINK.replace(PATH, encodeURIComponent(PATH)), ['encoded-twice path']],
    [`${LINK}?accessToken2=x`, ['second-question-mark']],
    [LINK.replace(PATH, '%ff'), ['percent-encoding path']],
    [LINK.replace(/&Signature=[^&]*/, ''), ['missing Signature']],
    [LINK.replace(/&security-token=.*/, ''), ['missing security-token']],
    [LINK.slice(0, -8), ['cut-off security-token']],
    [LINK.replace('NNVM%3D', ''), ['cut-off Signature']],
    [`${LINK}&Expires=1599099811`, ['repeated Expires']],
    [LINK.replace('Expires', 'expires'), ['misspelt expires', 'missing Expires']],
    [LINK.replace('1599099810', 'soon'), ['not-a-time Expires']],
    [LINK.replace('1599099810', '1599099810000'), ['milliseconds Expires']],
    ['https://app.ekuaibao.com/api/openapi/v2/attachment/downloadurls?accessToken=UvsbtOEHTsk000', ['api-call']],
    ['https://example.com/a/b', ['missing Expires', 'missing OSSAccessKeyId', 'missing Signature']],
  ]

  for (const [text, expected] of DAMAGED) {
    it(`shows ${expected.join(' and ')}`, () => {
      assert.deepEqual(damageOf(text), expected)
      for (const { what } of readLink(text)?.damage ?? []) assert.ok(DAMAGES[what].zh)
    })
  }

  it('is not what is no http URL', () => {
    for (const text of ['', 'openapi-x.pdf', 'ftp://a/b', 'javascript:alert(1)'])
      assert.equal(readLink(text), undefined)
  })
})
