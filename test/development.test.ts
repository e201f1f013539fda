/** The verb `dev` as the process that it is; and that nothing of it is there without it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PRESETS } from '../packages/server/src/dev/fault-presets.ts'
import { Fault } from '../packages/server/src/dev/faults.ts'
import { DEV_PATHS } from '../packages/server/src/dev/path-hints.ts'
import { askLinks, DOWNLOAD_URLS, environment, type Facts, PROGRAM, startAttache, tokenFor } from './server.ts'
import { createCorporation, verb } from './verbs.ts'

interface DevFacts extends Facts {
  seeded?: {
    attachments: { key: string; fileId: string; fileName: string }[]
    documents: { flowId: string; code: string }[]
  }
}

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 'attache-development-'))
// A test that fails leaves its server running, which would hold up the end of this file.
const running = new Set<ChildProcess>()
after(async () => {
  for (const child of running) child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

/** A server whose first line is JSON; its working directory and its temporary one are empty ones of its own. */
async function start(args: string[], env: Record<string, string> = {}) {
  const place = await mkdtemp(join(directory, 'run-'))
  const temporary = join(place, 'tmp')
  await mkdir(temporary)
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: place,
    env: environment({ TMPDIR: temporary, ...env }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const stderr = text(child.stderr)
  const printed: string[] = []
  const lines = createInterface({ input: child.stdout }).on('line', (line) => printed.push(line))
  const gone = once(child, 'exit').finally(() => running.delete(child))
  const [line] = await Promise.race([once(lines, 'line'), gone])
  assert.equal(child.exitCode, null, `the server did not start: ${child.exitCode === null ? '' : await stderr}`)
  return {
    line: String(line),
    place,
    banner: () => printed.join('\n'),
    async stop() {
      child.kill('SIGTERM')
      const [code] = await gone
      assert.equal(code, 0)
      return stderr
    },
  }
}

async function dev(args: string[], env: Record<string, string> = {}) {
  const server = await start(['dev', '--json', ...args], env)
  return { ...server, facts: JSON.parse(server.line) as DevFacts }
}

test('dev --memory serves as start does, says the same, prints hints, and leaves nothing on disk', async () => {
  const { facts, place, stop } = await dev(['--memory', '--port', '0'])
  assert.deepEqual(Object.keys(facts), ['url', 'bucket', 'corporationId', 'appKey', 'appSecurity', 'link', 'store'])
  const token = await tokenFor(facts.url, facts)
  assert.equal((await askLinks(facts.url, token, [])).status, 200)
  const refused = await askLinks(facts.url, 'x'.repeat(43), [])
  assert.match(refused.headers.get('x-attache-hint') ?? '', /^token-unknown: /)
  await refused.text()
  assert.deepEqual(await readdir(place), ['tmp'])
  const stderr = await stop()
  assert.match(
    stderr,
    /^hint 403 POST \/api\/openapi\/v2\/attachment\/downloadurls token-unknown: .*[\u4e00-\u9fff].* \| /m,
  )
  assert.ok(!stderr.includes(facts.appSecurity))
  assert.deepEqual(await readdir(join(place, 'tmp')), [])
})

test('dev on disk keeps its data, its credentials and its one seed from start to start', async () => {
  const seed = join(directory, 'seed.json')
  const documents = [{ form: { code: 'B26000001', attachments: ['a.txt'] } }]
  await writeFile(seed, JSON.stringify({ attachments: [{ name: 'a.txt', text: 'x' }], documents }))
  const env = { ATTACHE_DATA: join(directory, 'kept') }
  const runs: DevFacts[] = []
  for (let run = 0; run < 2; run++) {
    const { facts, stop } = await dev(['--seed', seed], env)
    runs.push(facts)
    const [{ fileId: id = '', key = '' } = {}] = facts.seeded?.attachments ?? []
    const links = await askLinks(facts.url, await tokenFor(facts.url, facts), [{ id, key, expiration: 60 }])
    const [link] = (await links.json()) as { url: string }[]
    assert.equal(await (await fetch(link?.url ?? '')).text(), 'x')
    const reset = await fetch(`${facts.url}/dev/reset`, { method: 'POST' })
    assert.deepEqual(await reset.json(), { dataReset: false })
    await stop()
  }
  assert.deepEqual(runs[0]?.seeded, runs[1]?.seeded)
  assert.equal(runs[0]?.appSecurity, runs[1]?.appSecurity)
  await writeFile(seed, '{}')
  const other = await verb(['dev', '--seed', seed], { env })
  assert.equal(other.code, 2)
  assert.match(other.stderr, /^attache-server: --seed: .* has another seed already/)
})

test('dev --fault lets a preset happen, so many times', async () => {
  const { facts, stop } = await dev(['--memory', '--fault', 'expired-token=2', '--fault', 'batch-too-big'])
  const token = await tokenFor(facts.url, facts)
  const statuses: [number, string | null][] = []
  for (let call = 0; call < 4; call++) {
    const { status, headers } = await askLinks(facts.url, token, [])
    statuses.push([status, headers.get('content-type')])
  }
  const json = 'application/json; charset=utf-8'
  assert.deepEqual(statuses, [
    [403, json],
    [403, json],
    [400, 'text/plain; charset=utf-8'],
    [200, json],
  ])
  await stop()
})

test('the banner of dev shows steps that work when they are pasted, without a file', async () => {
  const server = await start(['dev', '--memory'])
  await writeFile(join(server.place, 'README.md'), 'x')
  const steps = server.banner().match(/^(TOKEN=|ITEM=|curl ).*$/gm) ?? []
  const shell = spawn('bash', ['-c', steps.join('\n')], { cwd: server.place, stdio: ['ignore', 'pipe', 'inherit'] })
  const [link] = JSON.parse(await text(shell.stdout)) as { url: string }[]
  assert.equal(await (await fetch(link?.url ?? '')).text(), 'x')
  await server.stop()
  assert.match(server.banner(), /\/dev\/, see docs\/development\.md/)
})

const seedOf = async (name: string, seed: unknown) => {
  const file = join(directory, name)
  await writeFile(file, JSON.stringify(seed))
  return file
}

const MISTAKES: [string[], Record<string, string>, RegExp][] = [
  [['--port', 'http'], {}, /--port "http"/],
  [['--fault', 'none'], {}, /--fault none: .*expired-token/],
  [['--fault', 'stall=0'], {}, /--fault stall=0/],
  [['--seed', '/none'], {}, /--seed: ENOENT/],
  [
    ['--seed', await seedOf('wrong.json', { attachments: [{ name: 'a.txt' }] })],
    {},
    /--seed: attachments\[0\]: give exactly one/,
  ],
  [
    ['--seed', await seedOf('later.json', { documents: [{ form: { attachments: ['x'] } }] })],
    {},
    /--seed: documents\[0\]\.form\.attachments\[0\]: /,
  ],
  [['--loud'], {}, /--loud/],
  [[], { ATTACHE_HOST: '0.0.0.0' }, /ATTACHE_HOST/],
  [[], { ATTACHE_HOST: '192.0.2.1' }, /ATTACHE_HOST/],
]
for (const [args, env, expected] of MISTAKES) {
  test(`dev ends with 2 and one line: ${[...args, ...Object.values(env)].join(' ').replace(directory, 'DIRECTORY')}`, async () => {
    const { code, stdout, stderr } = await verb(['dev', '--memory', ...args], { env })
    assert.deepEqual([code, stdout], [2, ''], stderr)
    assert.match(stderr, expected)
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr)
  })
}

test('docs/development.md has every hint, preset, fault field, option and endpoint, and none besides', async () => {
  const page = await readFile(join(ROOT, 'docs/development.md'), 'utf8')
  const sectionOf = (title: string) => page.split(/^## /m).find((section) => section.startsWith(`${title}\n`)) ?? ''
  const rowsOf = (text: string) => [...text.matchAll(/^\| `([^`]+)`/gm)].map(([, name = '']) => name).sort()
  assert.deepEqual(rowsOf(sectionOf('Hints')), await hintCodes())
  assert.deepEqual(rowsOf(sectionOf('Faults')), [...PRESETS, ...Object.keys(Fault.properties)].sort())
  const { stdout } = await verb(['--help'])
  const [, options = ''] = /^ {2}dev (.*)$/m.exec(stdout) ?? []
  const [intro = ''] = page.split(/^## /m, 1)
  assert.deepEqual(
    rowsOf(intro).map((row) => row.split(/[ [=]/, 1)[0]),
    [...options.matchAll(/--[a-z]+/g)].map(([option]) => option).sort(),
  )
  const endpoints = rowsOf(sectionOf('Endpoints')).map((row) => row.replace(/^[A-Z]+ |\?.*$|\/FILE_ID$/g, ''))
  assert.deepEqual([...new Set(endpoints)].sort(), Object.values(DEV_PATHS).sort())
})

/** The first argument of every `hint(…)` in the sources, and both when one of two is taken. */
async function hintCodes(): Promise<string[]> {
  const room = join(ROOT, 'packages/server/src/dev')
  const files = (await readdir(room)).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  const sources = await Promise.all(files.map((name) => readFile(join(room, name), 'utf8')))
  const codes = sources.flatMap((source) => [
    ...source.matchAll(/\bhint\(\s*(?:[\w\s.=]+\? )?'([a-z-]+)'(?: : '([a-z-]+)')?,/g),
  ])
  return [...new Set(codes.flatMap(([, one, other]) => [one, other]).filter((code) => code !== undefined))].sort()
}

const DEV_REQUESTS: [string, string, string?][] = [
  ['GET', '/dev/faults'],
  ['POST', '/dev/faults', '{"path":"*","status":500,"times":"always"}'],
  ['DELETE', '/dev/faults'],
  ['GET', '/dev/clock'],
  ['POST', '/dev/clock', '{"advanceSeconds":100000}'],
  ['POST', '/dev/reset'],
  ['GET', '/dev/requests'],
  ['DELETE', '/dev/attachments/x'],
  ['PUT', '/attache-store/x', 'x'],
  ['GET', '/attache-store?list-type=2'],
  ['POST', '/attache-sts'],
]

for (const mode of ['start', 'serve']) {
  test(`${mode} has nothing of the development mode: no endpoint, no fault, no hint, no clock`, async (t) => {
    const attache = mode === 'start' ? await startAttache() : await served()
    t.after(() => attache.stop())
    for (const [method, path, body] of DEV_REQUESTS) {
      const ask = async (where: string) => {
        const init = { method, ...(body !== undefined && { body, headers: { 'content-type': 'application/json' } }) }
        const answer = await fetch(attache.url + where, init)
        const { status, headers } = answer
        assert.equal(headers.get('x-attache-hint'), null)
        const names = [...headers.keys()].sort().join()
        return { status, names, text: plain(await answer.text(), where) }
      }
      // As any other path that is none of ours.
      assert.deepEqual(await ask(path), await ask(path.replace(/^\/[\w-]+/, '/foo')), `${method} ${path}`)
    }
    const token = await tokenFor(attache.url, attache)
    const refused = [
      await askLinks(attache.url, 'none', []),
      await askLinks(attache.url, token, [{ id: 'x', key: 'y', expiration: 60 }]),
      await fetch(`${attache.url}${DOWNLOAD_URLS}s`),
      await fetch(`${attache.url}/attache/x?Expires=1&OSSAccessKeyId=x&Signature=x`),
    ]
    assert.deepEqual(
      refused.map(({ status }) => status),
      [403, 200, 404, 403],
    )
    for (const { headers } of refused) assert.equal(headers.get('x-attache-hint'), null)
    assert.ok(Math.abs(Date.parse(refused[0]?.headers.get('date') ?? '') - Date.now()) < 5000)
  })
}

async function served() {
  const data = join(directory, 'served')
  const server = await start(['serve'], { ATTACHE_DATA: data })
  const url = /http:\S+/.exec(server.line)?.[0] ?? ''
  return { url, ...(await createCorporation({ data }, 'Served')), stop: server.stop }
}

/** Without what differs from answer to answer. */
function plain(body: string, where: string): string {
  return body
    .replaceAll(where, 'PATH')
    .replaceAll(where.slice(1), 'PATH')
    .replace(/<(RequestId|HostId)>[^<]*/g, '<$1>')
}
