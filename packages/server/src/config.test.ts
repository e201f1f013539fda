import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { readConfig } from './config.ts'
import { ConfigError } from './errors.ts'
import { configurationPage, SETTINGS } from './settings.ts'

it('needs no setting at all', () => {
  const config = readConfig({})
  assert.deepEqual(
    [config.host, config.port, config.bucket, config.maxUploadBytes],
    ['127.0.0.1', 8700, 'attache', 31_457_280],
  )
})

it('names the setting that can not be used and what to give', () => {
  const wrong: [string, string][] = [
    ['ATTACHE_PORT', '65536'],
    ['ATTACHE_PORT', 'x'],
    ['ATTACHE_PORT', '-1'],
    ['ATTACHE_PUBLIC_URL', 'localhost'],
    ['ATTACHE_PUBLIC_URL', 'https://u:p@x'],
    ['ATTACHE_BUCKET', 'A/B'],
    ['ATTACHE_STRICT_SIGNATURES', 'yes'],
    ['ATTACHE_RANGE', 'rfc9110'],
    ['ATTACHE_TRUSTED_PROXIES', 'proxy.example.com'],
    ['ATTACHE_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['ATTACHE_ACCELERATION', 'nginx'],
    ['ATTACHE_MAX_EXPIRATION_SECONDS', '0'],
    ['ATTACHE_PROT', '1'],
    ['ATTACHE_BLOBS', 's3'],
    ['ATTACHE_BLOBS', 'oss'],
    ['ATTACHE_BLOB_PREFIX', '../'],
    ['ATTACHE_LINKS', 'direct'],
    ['ATTACHE_DELIVERY', 'redirect'],
    ['ATTACHE_DATABASE_URL', 'postgres://attache@localhost/attache'],
    ['ATTACHE_S3_ACCESS_KEY_ID', 'half'],
  ]
  for (const [name, value] of wrong) {
    assert.throws(
      () => readConfig({ [name]: value }),
      (error) => error instanceof ConfigError && error.message.includes(name),
      `${name}=${value}`,
    )
  }
})

it('takes a permanent pair whole or not at all, its secret from a file', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'attache-config-')), 'secret')
  writeFileSync(file, 'the secret\n')
  const pair = { ATTACHE_LINK_ACCESS_KEY_ID: 'LTAI', ATTACHE_LINK_ACCESS_KEY_SECRET_FILE: file }
  assert.equal(readConfig(pair).linkAccessKeySecret, 'the secret')
  for (const half of [
    { ATTACHE_LINK_ACCESS_KEY_ID: 'LTAI' },
    { ATTACHE_LINK_ACCESS_KEY_SECRET_FILE: file },
    { ...pair, ATTACHE_LINK_ACCESS_KEY_ID: 'STS.x' },
    { ...pair, ATTACHE_LINK_ACCESS_KEY_SECRET_FILE: `${file}.missing` },
  ]) {
    assert.throws(() => readConfig(half), ConfigError)
  }
})

it('has the limits of the revised page under one name', () => {
  const { maxItems, maxExpirationSeconds } = readConfig({ ATTACHE_DOWNLOAD_LIMITS: 'revised' })
  assert.deepEqual([maxItems, maxExpirationSeconds], [100, 1800])
})

it('documents every setting on the page that `npm run docs` writes', () => {
  const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')
  assert.equal(page, configurationPage(), 'docs/configuration.md is stale: npm run docs')
  for (const { env } of Object.values(SETTINGS)) assert.ok(page.includes(`\`${env}\``))
})
