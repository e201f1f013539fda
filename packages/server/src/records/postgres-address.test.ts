import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from '../errors.ts'
import { type PostgresAddress, postgresAddress } from './postgres-address.ts'

const GOOD: [string, PostgresAddress][] = [
  ['postgres://app@db.example.com/attache', addressOf('db.example.com')],
  ['postgresql://app@[::1]:6432/attache', { ...addressOf('::1'), port: 6432 }],
  ['postgres://app@%2Frun%2Fpostgresql/attache', addressOf('/run/postgresql')],
  ['postgres://a%40b@h/%E9%99%84', { ...addressOf('h'), user: 'a@b', database: '附' }],
]

for (const [url, address] of GOOD) {
  test(`reads ${url}`, () => assert.deepEqual(postgresAddress(url), address))
}

const BAD: [string, RegExp][] = [
  ['postgres://app:pass-word@h/attache', /ATTACHE_DATABASE_PASSWORD_FILE/],
  ['postgres://app@h/attache?sslmode=disable', /ATTACHE_DATABASE_TLS/],
  ['db.example.com', /postgres:\/\/user@host:5432\/name/],
  ['mysql://app@h/attache', /postgres:\/\/user@host:5432\/name/],
  ['postgres://h/attache', /lacks a user/],
  ['postgres://app@h', /name of a database/],
  ['postgres://app@h/%zz', /can't be read/],
]

for (const [url, sentence] of BAD) {
  test(`refuses ${url}, and repeats no password`, () => {
    assert.throws(
      () => postgresAddress(url),
      (error) => error instanceof ConfigError && sentence.test(error.message) && !error.message.includes('pass-word'),
    )
  })
}

function addressOf(host: string): PostgresAddress {
  return { host, port: 5432, user: 'app', database: 'attache' }
}
