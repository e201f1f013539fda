import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { it } from 'node:test'
import { type AcsRequest, acs3Authorization, parseAcs3 } from './acs-signature.ts'

// The fixed example of the page cited in acs-signature.ts.
const EXAMPLE: AcsRequest = {
  method: 'POST',
  path: '/',
  query: new Map([
    ['RegionId', 'cn-shanghai'],
    ['ImageId', 'win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd'],
  ]),
  headers: {
    'x-acs-action': 'RunInstances',
    'x-acs-version': '2014-05-26',
    'x-acs-date': '2023-10-26T10:22:32Z',
    'x-acs-signature-nonce': '3156853299f313e23d1673dc12e1703d',
    'x-acs-content-sha256': hash('sha256', ''),
    host: 'ecs.cn-shanghai.aliyuncs.com',
  },
}

it('gives the signature that Alibaba publishes', () => {
  const authorization = acs3Authorization('YourAccessKeyId', 'YourAccessKeySecret', EXAMPLE)
  assert.equal(
    authorization,
    'ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0',
  )
})

it('reads what it wrote, and nothing else', () => {
  const authorization = acs3Authorization('AK', 'secret', EXAMPLE)
  const claim = parseAcs3(authorization)
  assert.equal(claim?.accessKeyId, 'AK')
  assert.deepEqual(claim?.signedHeaders, Object.keys(EXAMPLE.headers).sort())
  for (const other of ['', 'OSS AK:x', authorization.slice(0, -1), authorization.replace('Credential', 'credential')]) {
    assert.equal(parseAcs3(other), undefined)
  }
})
