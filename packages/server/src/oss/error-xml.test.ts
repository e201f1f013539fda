import assert from 'node:assert/strict'
import { it } from 'node:test'
import { errorXml } from './error-xml.ts'
import { OssFailure } from './failure.ts'

const context = { requestId: 'A'.repeat(24), host: 'localhost', now: Date.UTC(2026, 0, 2, 3, 4, 5) }

it('tells an expired link with both times and the published code', () => {
  const xml = errorXml(new OssFailure('Expired', { elements: { Expires: '2020-09-03T02:23:30.000Z' } }), context)
  assert.equal(
    xml,
    `<?xml version="1.0" encoding="UTF-8"?>
<Error>
  <Code>AccessDenied</Code>
  <Message>Request has expired.</Message>
  <RequestId>${context.requestId}</RequestId>
  <HostId>localhost</HostId>
  <Expires>2020-09-03T02:23:30.000Z</Expires>
  <ServerTime>2026-01-02T03:04:05.000Z</ServerTime>
  <EC>0002-00000069</EC>
  <RecommendDoc>https://api.aliyun.com/troubleshoot?q=0002-00000069</RecommendDoc>
</Error>
`,
  )
})

it('escapes what a caller sent', () => {
  const xml = errorXml(new OssFailure('NoSuchKey', { elements: { Key: '<a>&"\'\n\u0000\ud800' } }), {
    ...context,
    host: '"><script>',
  })
  assert.match(xml, /<Key>&lt;a&gt;&amp;&quot;&apos;&#10;\ufffd\ufffd<\/Key>/)
  assert.doesNotMatch(xml, /<script>/)
})
