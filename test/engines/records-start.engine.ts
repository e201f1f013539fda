/** Setting a node up over PostgreSQL: what the operator got wrong is said in a sentence, and certificates count. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Outcome, verb } from '../verbs.ts'
import { freePort } from './nginx.ts'
import { type PostgresEngine, postgresMissing, startPostgres } from './postgres.ts'

const missing = postgresMissing()
const PASSWORD = 'Richtig-7f3a9b'
const WRONG = 'Falsch-1c2d3e'

describe('a node over PostgreSQL', { skip: missing && !process.env['CI'] ? missing : false }, () => {
  let postgres: PostgresEngine
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'attache-start-'))
    postgres = await startPostgres({ settings: ['ssl = on'], prepare: withTlsAndPasswords })
    const query = (text: string) => execFileSync('psql', ['-q', postgres.url, '-c', text])
    query(`create role attache login password '${PASSWORD}'`)
    for (const name of ['attache', 'empty']) query(`create database ${name} owner attache`)
    for (const [name, text] of Object.entries({
      right: PASSWORD,
      wrong: WRONG,
      secret: randomBytes(32).toString('hex'),
    }))
      await writeFile(join(directory, name), text, { mode: 0o600 })
  })
  after(async () => {
    await postgres?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  /** `app create`, which may come before a first start, with settings beside those of a node that works. */
  function appCreate(env: Record<string, string> = {}): Promise<Outcome> {
    return verb(['app', 'create', '--corporation', 'First'], { env: settings(env) })
  }

  function settings(env: Record<string, string> = {}): Record<string, string> {
    return {
      ATTACHE_DATABASE_URL: url({}),
      ATTACHE_DATABASE_PASSWORD_FILE: join(directory, 'right'),
      ATTACHE_DATABASE_CA_FILE: join(directory, 'ca.pem'),
      ATTACHE_ROOT_SECRET_FILE: join(directory, 'secret'),
      ATTACHE_DATA: join(directory, 'data'),
      ...env,
    }
  }

  function url({ port, name = 'attache', user = 'attache' }: { port?: number; name?: string; user?: string }): string {
    return `postgres://${user}@127.0.0.1:${port ?? new URL(postgres.url).port}/${name}`
  }

  function assertMistake({ code, stdout, stderr }: Outcome, ...words: string[]): void {
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.match(stderr, /^attache-server: .+\n$/)
    for (const word of words) assert.ok(stderr.includes(word), `${stderr} says nothing of ${word}`)
    for (const password of [PASSWORD, WRONG]) assert.ok(!stderr.includes(password), stderr)
  }

  async function withTlsAndPasswords(data: string): Promise<void> {
    const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
    const files = ['-keyout', join(data, 'server.key'), '-out', join(data, 'server.crt')]
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...name, ...files], { stdio: 'ignore' })
    execFileSync('chown', ['postgres:', join(data, 'server.key'), join(data, 'server.crt')])
    await writeFile(join(directory, 'ca.pem'), await readFile(join(data, 'server.crt')))
    const hba = join(data, 'pg_hba.conf')
    const rules = ['hostssl all attache 127.0.0.1/32 scram-sha-256', 'host all attache 127.0.0.1/32 scram-sha-256']
    await writeFile(hba, `${rules.join('\n')}\n${await readFile(hba, 'utf8')}`)
  }

  it('reaches it by TLS with a password, verified or not, or without TLS', async () => {
    assert.equal((await appCreate()).code, 0)
    assert.equal((await appCreate({ ATTACHE_DATABASE_TLS: 'require', ATTACHE_DATABASE_CA_FILE: '' })).code, 0)
    assert.equal((await appCreate({ ATTACHE_DATABASE_TLS: 'off' })).code, 0)
  })

  it('makes no tables for a verb that works on what is there', async () => {
    const env = settings({ ATTACHE_DATABASE_URL: url({ name: 'empty' }) })
    assertMistake(await verb(['verify'], { env }), 'kysely_migration is missing', 'ATTACHE_DATABASE_URL')
    const empty = new URL(postgres.url)
    empty.pathname = '/empty'
    const tables = "select count(*) from information_schema.tables where table_schema = 'public'"
    assert.equal(execFileSync('psql', ['-qtA', empty.href, '-c', tables]).toString().trim(), '0')
  })

  it('does not trust a certificate of unknown origin', async () => {
    assertMistake(await appCreate({ ATTACHE_DATABASE_CA_FILE: '' }), 'ATTACHE_DATABASE_CA_FILE')
  })

  it('takes no password in the address', async () => {
    const written = url({}).replace('attache@', `attache:${PASSWORD}@`)
    assertMistake(await appCreate({ ATTACHE_DATABASE_URL: written }), 'ATTACHE_DATABASE_PASSWORD_FILE')
  })

  it('says that the password is wrong, or missing', async () => {
    const wrong = await appCreate({ ATTACHE_DATABASE_PASSWORD_FILE: join(directory, 'wrong') })
    assertMistake(wrong, 'password authentication failed for user "attache"', 'ATTACHE_DATABASE_PASSWORD_FILE')
    assertMistake(await appCreate({ ATTACHE_DATABASE_PASSWORD_FILE: '' }), 'ATTACHE_DATABASE_PASSWORD_FILE')
  })

  it('says that there is no such database, or nobody listening', async () => {
    assertMistake(await appCreate({ ATTACHE_DATABASE_URL: url({ name: 'none' }) }), 'database "none" does not exist')
    assertMistake(await appCreate({ ATTACHE_DATABASE_URL: url({ port: await freePort() }) }), 'ECONNREFUSED')
  })

  it('says that the user may not make tables', async () => {
    assertMistake(await appCreate({ ATTACHE_DATABASE_URL: url({ name: 'postgres' }) }), 'permission denied')
  })

  it('says that the server hangs', async () => {
    await postgres.freeze()
    try {
      assertMistake(await appCreate(), 'look whether it runs')
    } finally {
      await postgres.thaw()
    }
  })
})
