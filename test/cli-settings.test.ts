import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { CLI, cli, place, rowsOfType, settingsOf, startCli } from './cli.ts'
import { exists } from './programs.ts'
import { startAttache, until } from './server.ts'

const attache = await startAttache()
const { url, appKey, appSecurity } = attache
after(() => attache.stop())

const demo = join(attache.data, 'demo.json')

test('login keeps the pair in a file of mode 0600, and every command finds it there', async () => {
  await using home = await place()
  const env = { XDG_CONFIG_HOME: home.path }
  const login = await cli(['login', '--url', url, '--app-security-file', demo], { env })
  assert.equal(login.code, 0, login.stderr)
  const path = join(home.path, 'attache/profiles.json')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal((await stat(join(home.path, 'attache'))).mode & 0o777, 0o700)
  assert.equal((await cli(['doctor', '--no-round-trip'], { env })).code, 0)
  const other = await cli(
    ['login', '--url', url, '--app-key', appKey, '--app-security-file', '-', '--profile', 'second'],
    {
      env,
      input: `${appSecurity}\n`,
    },
  )
  assert.equal(other.code, 0, other.stderr)
  const { profiles } = JSON.parse(await readFile(path, 'utf8'))
  assert.deepEqual(Object.keys(profiles), ['default', 'second'])
  await chmod(path, 0o644)
  assert.match((await cli(['config', 'show'], { env })).stderr, /chmod 600/)
  await writeFile(path, '{"profiles": {"default": {"appSecurity": "half-a-secret')
  const broken = await cli(['config', 'show'], { env })
  assert.equal(broken.code, 2)
  assert.doesNotMatch(broken.stderr, /half-a-secret/)
})

test('login keeps nothing that the server refuses', async () => {
  await using home = await place()
  const env = { XDG_CONFIG_HOME: home.path, ATTACHE_URL: url }
  const refused = await cli(['login', '--app-key', appKey, '--app-security-file', '-'], {
    env,
    input: 'not-the-secret',
  })
  assert.equal(refused.code, 3)
  assert.doesNotMatch(refused.stdout + refused.stderr, /not-the-secret/)
  await assert.rejects(stat(join(home.path, 'attache')), { code: 'ENOENT' })
  const unasked = await cli(['login', '--app-key', appKey], { env })
  assert.equal(unasked.code, 2)
  assert.match(unasked.stderr, /no terminal to ask at/)
})

test('an option goes before the environment, that before the profile, that before the default', async () => {
  await using home = await place()
  const env = { XDG_CONFIG_HOME: home.path }
  const origins = async (args: string[], more: Record<string, string> = {}) => {
    const outcome = await cli(['config', 'show', '--origin', '--json', ...args], { env: { ...env, ...more } })
    assert.equal(outcome.code, 0, outcome.stderr)
    assert.doesNotMatch(outcome.stdout + outcome.stderr, new RegExp(appSecurity))
    return new Map(rowsOfType(outcome, 'setting').map(({ name, value, origin }) => [name, [value, origin]]))
  }
  assert.deepEqual((await origins([])).get('url'), ['http://127.0.0.1:8700', 'default'])
  assert.deepEqual((await origins([])).get('appSecurity'), ['', 'not set'])
  await cli(['login', '--url', url, '--app-security-file', demo], { env })
  const stored = `${join(home.path, 'attache/profiles.json')} (default)`
  assert.deepEqual((await origins([])).get('url'), [url, stored])
  assert.deepEqual((await origins([])).get('appSecurity'), ['(set)', stored])
  const variables = { ATTACHE_URL: 'http://env', ATTACHE_APP_KEY: 'env', ATTACHE_APP_SECURITY: 'env' }
  assert.deepEqual((await origins([], variables)).get('url'), ['http://env', 'ATTACHE_URL'])
  assert.deepEqual((await origins([], variables)).get('appSecurity'), ['(set)', 'ATTACHE_APP_SECURITY'])
  const given = await origins(['--url', 'http://flag', '--app-security-file', demo], variables)
  assert.deepEqual(given.get('url'), ['http://flag', '--url'])
  assert.deepEqual(given.get('appKey'), [appKey, `--app-security-file ${demo}`])
  const nobody = await cli(['config', 'show'], { env: { ...env, ATTACHE_PROFILE: 'nobody' } })
  assert.equal(nobody.code, 2)
  assert.match(nobody.stderr, /ATTACHE_PROFILE: there is no profile "nobody"/)
})

test('a secret on the command line is refused and not repeated', async () => {
  for (const args of [
    ['upload', '--app-security', 'hunter2-hunter2', 'a.pdf'],
    ['ls', '--app-security=hunter2-hunter2'],
    ['ls', '--token', 'hunter2-hunter2', '--json'],
    ['login', '--password=hunter2-hunter2', '--help'],
    ['ls', '--accessToken=hunter2-hunter2'],
  ]) {
    const { code, stdout, stderr } = await cli(args)
    assert.equal(code, 2, args.join(' '))
    assert.doesNotMatch(stdout + stderr, /hunter2/)
    assert.match(stderr, /refused.*ATTACHE_APP_SECURITY/)
  }
})

test('no secret stands in argv, in `ps`, in a log or in an error', async () => {
  await using home = await place()
  const env = settingsOf(attache, home.path)
  const running = startCli(['upload', CLI, '--verbose', '--json', '--rate', '2/s'], { env })
  const seen = await until(5000, async () => {
    const line = readFileSync(`/proc/${running.pid}/cmdline`, 'utf8')
    return line.includes('upload') ? line : undefined
  })
  const outcome = await running.ended
  assert.equal(outcome.code, 0, outcome.stderr)
  assert.match(outcome.stderr, /answer upload status=200/)
  const token = await attache.token()
  const failing = { ...env, ATTACHE_URL: `${url}/nowhere` }
  const { stdout, stderr } = await cli(['ls', 'B1', '--verbose', '--tries', '1'], { env: failing })
  for (const text of [seen, outcome.stdout, outcome.stderr, stdout, stderr, attache.stderr()]) {
    assert.ok(!text.includes(appSecurity) && !text.includes(token), text)
    assert.doesNotMatch(text, /accessToken=[^…]/)
  }
})

test('speaks the language of the locale, unless told otherwise', async () => {
  const first = async (env: Record<string, string>, ...args: string[]) =>
    (await cli([...args, 'nonsense'], { env })).stderr
  assert.match(await first({ LANG: 'zh_CN.UTF-8' }), /没有命令/)
  assert.match(await first({ LANG: 'en_US.UTF-8' }), /no such command/)
  assert.match(await first({ LANG: 'en_US.UTF-8', LC_ALL: 'zh_CN.UTF-8' }), /没有命令/)
  assert.match(await first({ LANG: 'zh_CN.UTF-8', ATTACHE_LANG: 'en' }), /no such command/)
  const help = await cli(['archive', '--help', '--lang', 'zh'])
  assert.match(help.stdout, /再次运行即续传/)
})

test('works as cron runs it: without a home, a terminal or a locale', async () => {
  const env = { ATTACHE_URL: url, ATTACHE_APP_KEY: appKey, ATTACHE_APP_SECURITY: appSecurity, LANG: '', HOME: '' }
  const { code, stdout, stderr } = await cli(['upload', CLI], { env })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^[\w-]+:openapi.*attache\.cjs\n$/)
})

test('asks at a terminal without showing the secret, and draws progress there', async (t) => {
  if (!(await exists('script'))) return t.skip('no `script` of util-linux on this machine')
  await using home = await place()
  const env = { XDG_CONFIG_HOME: home.path, PATH: process.env['PATH'] ?? '', LANG: 'C', TERM: 'xterm' }
  const asked = atTerminal(`${process.execPath} ${CLI} login`, env)
  for (const [question, answer] of [
    ['root of the API', url],
    ['appKey', appKey],
    ['appSecurity', appSecurity],
  ] as const) {
    await until(5000, async () => (asked.shown().includes(`${question}`) ? true : undefined))
    asked.type(`${answer}\r`)
  }
  assert.equal(await asked.code, 0, asked.shown())
  assert.ok(!asked.shown().includes(appSecurity), asked.shown())
  assert.ok(asked.shown().includes(appKey))
  const drawn = atTerminal(`${process.execPath} ${CLI} upload ${CLI} ${import.meta.filename} --rate 2/s`, env)
  assert.equal(await drawn.code, 0, drawn.shown())
  assert.match(drawn.shown(), /\[=* *\] [01]\/2 files · .*B\/s/)
  assert.ok(drawn.shown().includes('\x1b[') && drawn.shown().includes('attache.cjs'))
})

/** A command with a terminal of its own. */
function atTerminal(command: string, env: Record<string, string>) {
  const child = spawn('script', ['-qec', command, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
  })
  return {
    shown: () => shown,
    type: (text: string) => child.stdin.write(text),
    code: new Promise<number | null>((resolve) => child.once('close', resolve)),
  }
}
