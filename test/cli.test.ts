import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { after, test } from 'node:test'
import { type CliOutcome, cli, place, rowsOfType, settingsOf } from './cli.ts'
import { documentOf } from './cli-stage.ts'
import { run } from './programs.ts'
import { startAttache, statusOf } from './server.ts'

const HELP_MS = 200
// Other test files run beside this one on machines of two cores.
const SLACK = 3

const attache = await startAttache()
const home = await place()
const env = settingsOf(attache, home.path)
after(async () => {
  await attache.stop()
  await home[Symbol.asyncDispose]()
})

const NAME = '发票 +1 100%.bin'
const bytes = randomBytes(200_000)
const file = home.in(NAME)
await writeFile(file, bytes)

async function done(...args: string[]): Promise<CliOutcome> {
  const outcome = await cli(args, { env })
  assert.equal(outcome.code, 0, outcome.stderr)
  return outcome
}

test(`--help is there within ${HELP_MS} ms`, async (t) => {
  await cli(['--help'])
  const times: number[] = []
  for (let round = 0; round < 5; round++) {
    const started = performance.now()
    const { code, stdout } = await cli(['--help'])
    times.push(Math.round(performance.now() - started))
    assert.equal(code, 0)
    assert.match(stdout, /archive .*\n(.*\n)*.*130 interrupted/)
  }
  const best = Math.min(...times)
  t.diagnostic(`--help: ${best} ms at best of ${times.join(', ')}`)
  assert.ok(best < HELP_MS * SLACK, `${best} ms`)
})

test('upload, links, download and ls pass an attachment on, byte for byte', async () => {
  const { stdout } = await done('upload', file)
  const ref = stdout.trim()
  assert.match(ref, /^[\w-]+:openapi[0-9a-f-]{36}-发票 \+1 100%\.bin$/)
  const url = (await done('links', ref, '--expiration', '1h')).stdout.trim()
  assert.deepEqual(Buffer.from(await (await fetch(url)).arrayBuffer()), bytes)
  assert.notEqual((await done('links', ref, '--thumb')).stdout.trim(), url)
  assert.equal((await done('download', ref, '-o', home.in('out'))).stdout.trim(), `${home.in('out')}/${NAME}`)
  assert.deepEqual(await readFile(`${home.in('out')}/${NAME}`), bytes)
  const refused = await cli(['download', ref, '-o', home.in('out')], { env })
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /--skip-existing/)
  await done('download', ref, '-o', home.in('out'), '--skip-existing')
  await writeFile(`${home.in('out')}/${NAME}`, 'other')
  await done('download', ref, '-o', home.in('out'), '--force')
  assert.deepEqual(await readFile(`${home.in('out')}/${NAME}`), bytes)
})

test('what one command prints another reads, as text and as JSON', async () => {
  const twins = [randomBytes(10), randomBytes(20)].map((some) => ({ name: '同名.bin', bytes: some }))
  const { code, refs } = await documentOf(attache, twins)
  for (const args of [
    ['ls', code],
    ['ls', code, '--json'],
  ]) {
    const { stdout: input } = await done(...args)
    const { stdout } = await cli(['links', '--from', '-'], { env, input })
    assert.equal(stdout.trim().split('\n').length, 2, input)
  }
  const saved = rowsOfType(await done('download', '--document', code, '-o', home.in('twins'), '--json'), 'file')
  assert.deepEqual(saved.map(({ id, key }) => `${id}:${key}`).sort(), refs.sort())
  assert.equal(new Set(saved.map(({ path }) => path)).size, 2)
})

test('ls and upload hand keys on byte for byte, whatever their names hold', async () => {
  const names = [
    ' 两端有空格 .txt ',
    'a\u202efdp.exe\u200f',
    '\u2066x\u2069\u200e.txt',
    'a\u2028b\u2029',
    '\ufeff 。\u3000',
    '{}',
  ]
  const { code, refs } = await documentOf(
    attache,
    names.map((name) => ({ name, bytes: randomBytes(10) })),
  )
  const { stdout: listed } = await done('ls', code)
  assert.equal(listed, refs.map((ref, index) => `${ref}\t${names[index]}\n`).join(''))
  for (const input of [listed, listed.replaceAll('\n', '\r\n'), `\n \n${refs.join('\n')}`]) {
    const outcome = await cli(['links', '--from', '-', '--json'], { env, input })
    assert.equal(outcome.code, 0, outcome.stderr)
    assert.deepEqual(
      rowsOfType(outcome, 'link').map(({ id, key }) => `${id}:${key}`),
      refs,
    )
  }
  const [first = ''] = names
  const stored = (await cli(['upload', '-', '--name', first], { env, input: 'x' })).stdout
  assert.ok(stored.endsWith(`-${first}\n`), stored)
  assert.equal((await cli(['links', '--from', '-'], { env, input: stored })).code, 0)
})

test('an attachment with line separators in its name goes through archive, verify and --from', async () => {
  const { code, refs } = await documentOf(attache, [{ name: 'a\u2028b\u2029c.bin', bytes: randomBytes(10) }])
  const directory = home.in('separators')
  await done('archive', code, '-o', directory)
  const verified = await done('verify', directory, '--json')
  assert.deepEqual(
    rowsOfType(verified, 'checked').map(({ result, id, key }) => [result, `${id}:${key}`]),
    [['right', refs[0]]],
  )
  const listed = (await done('ls', code, '--json')).stdout
  assert.doesNotMatch(listed, /[\u2028\u2029]/)
  for (const input of [listed, await readFile(`${directory}/manifest.jsonl`), refs.join('\n')]) {
    const outcome = await cli(['links', '--from', '-', '--json'], { env, input })
    // The manifest has several lines on it.
    const found = new Set(rowsOfType(outcome, 'link').map(({ id, key }) => `${id}:${key}`))
    assert.deepEqual([...found], refs, outcome.stderr)
  }
})

test('--json gives lines of the schema on stdout, and words on stderr only', async () => {
  const outcome = await cli(['upload', '-', '--name', 'stdin.txt', '--json'], { env, input: 'from a pipe' })
  assert.equal(outcome.stderr, '')
  assert.deepEqual(
    outcome.rows.map(({ type }) => type),
    ['uploaded', 'summary'],
  )
  const [stored] = outcome.rows
  const [id, key] = [stored?.['id'], stored?.['key']]
  assert.equal(stored?.['size'], 11)
  const [link] = rowsOfType(await done('links', `${id}:${key}`, '--json', '--expiration', '90s'), 'link')
  const life = (Date.parse(String(link?.['expiresAt'])) - Date.now()) / 1000
  assert.ok(life > 80 && life <= 90, String(life))
  const missing = await cli(['links', `${id}x:${key}`, '--json'], { env })
  assert.deepEqual([missing.code, missing.rows.map(({ type }) => type)], [4, ['missing', 'summary']])
  const mistake = await cli(['links', 'nonsense', '--json'], { env })
  assert.deepEqual([mistake.code, mistake.rows.map(({ type }) => type)], [2, ['error', 'summary']])
})

test('inspect reads a link without a connection, and asks the server when told to', async () => {
  const [image] = rowsOfType(await done('upload', file, '--json'), 'uploaded')
  const [link] = rowsOfType(await done('links', `${image?.['id']}:${image?.['key']}`, '--json'), 'link')
  const url = String(link?.['url'])
  // A host that isn't there: to read is not to ask.
  const [read] = rowsOfType(
    await done('inspect', url.replace(/\/\/[^/]+/, '//nowhere.invalid'), '--json'),
    'inspection',
  )
  assert.deepEqual([read?.['bucket'], read?.['key'], read?.['expired']], ['attache', image?.['key'], false])
  const [thumb] = rowsOfType(await done('inspect', String(link?.['thumbUrl']), '--json'), 'inspection')
  assert.equal(thumb?.['thumbnail'], true)
  assert.match((await done('inspect', url, '--check')).stdout, /server: 206/)
  const broken = url.replace(/Signature=[^&]*/, `Signature=${'A'.repeat(27)}%3D`)
  const refused = await cli(['inspect', '-', '--check', '--json'], { env, input: broken })
  assert.deepEqual(
    [refused.code, rowsOfType(refused, 'inspection')[0]?.['check']],
    [6, { status: 403, code: 'SignatureDoesNotMatch' }],
  )
  assert.equal((await cli(['inspect', `${url},`])).code, 6)
  assert.equal((await cli(['inspect', url.replace(/Expires=\d+/, 'Expires=1')])).code, 5)
  assert.equal((await cli(['inspect', 'openapi-x.pdf'])).code, 2)
  assert.equal(await statusOf(url), 200)
})

test('doctor goes the whole round, and gives a fix with every ✗', async () => {
  const well = await done('doctor')
  assert.doesNotMatch(well.stdout, /✗/)
  assert.match(well.stdout, /✓ thumbnail: 200 image\/png/)
  assert.match(well.stdout, /no way to remove it/)
  assert.match(well.stdout, /✓ disk: .* free, written through in \d+ ms/)
  assert.match(well.stdout, /✓ backend: its database and storage answer/)
  const nowhere = await cli(['doctor', '--json', '-o', `${file}/archive`], { env })
  const [unwritable] = rowsOfType(nowhere, 'check').filter(({ result }) => result === 'failed')
  assert.deepEqual([nowhere.code, unwritable?.['name']], [7, 'disk'])
  assert.match(String(unwritable?.['fix']), /-o/)
  const wrong: [number, Record<string, string>][] = [
    [3, { ...env, ATTACHE_APP_KEY: '' }],
    [3, { ...env, ATTACHE_APP_SECURITY: 'wrong' }],
    [5, { ...env, ATTACHE_URL: 'http://127.0.0.1:9' }],
    [2, { ...env, ATTACHE_PROFILE: 'nobody' }],
  ]
  for (const [code, settings] of wrong) {
    const ill = await cli(['doctor', '--json'], { env: settings })
    assert.equal(ill.code, code, ill.stdout)
    const failed = rowsOfType(ill, 'check').filter(({ result }) => result === 'failed')
    assert.ok(failed.length > 0 && failed.every(({ fix }) => fix), ill.stdout)
  }
})

test('completion knows every command and option', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await done('completion', shell)
    for (const word of ['archive', 'dry-run', 'app-security-file'])
      assert.ok(stdout.includes(word), `${shell}: ${word}`)
  }
  const script = `${(await done('completion', 'bash')).stdout}
    COMP_WORDS=(attache archive --dr); COMP_CWORD=2; _attache; echo "\${COMPREPLY[@]}"
    COMP_WORDS=(attache ver); COMP_CWORD=1; _attache; echo "\${COMPREPLY[@]}"`
  assert.equal((await run('bash', ['-c', script])).stdout, '--dry-run\nverify\n')
})

test('a mistake is told in one line with the next step, before anything is sent', async () => {
  const mistakes: [string[], RegExp][] = [
    [['nonsense'], /there are login upload/],
    [['upload'], /upload FILE/],
    [['upload', home.in('nobody.pdf')], /can't read .*nothing was sent/],
    [['upload', home.path], /is not a file/],
    [['archive', 'B1', '--rate', 'fast'], /such as 5\/s/],
    [['links', 'a:b', '--expiration', '0'], /such as 90s/],
    [['archive', 'B1', '--concurrency', '0'], /1 to 9999/],
    [['archive', 'B1', '--bogus'], /--bogus/],
    [['verify', home.path], /manifest\.jsonl/],
    [['completion', 'tcsh'], /bash\|zsh\|fish/],
    [['links', '--from', home.in('nobody')], /can't read/],
  ]
  for (const [args, words] of mistakes) {
    const { code, stderr } = await cli(args, { env: { ...env, ATTACHE_URL: 'http://127.0.0.1:9' } })
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, words)
    assert.doesNotMatch(stderr, /\n\s+at /)
  }
})
