import assert from 'node:assert/strict'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CLI, cli, place, rowsOfType, settingsOf } from './cli.ts'
import { documentOf } from './cli-stage.ts'
import { run } from './programs.ts'
import { startAttache } from './server.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const LEAST_MAJOR = 20

test('the published package works where there are no sources, on the oldest Node that it names', async (t) => {
  const node = await nodeOfMajor(LEAST_MAJOR)
  if (node === undefined) return t.skip(`no Node ${LEAST_MAJOR} on this machine: install one on the PATH to run this`)
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '--build', join(ROOT, 'packages/cli')])
  await using home = await place()
  for (const name of ['client', 'cli']) {
    const from = join(ROOT, 'packages', name)
    const to = home.in(`node_modules/@attache/${name}`)
    await mkdir(to, { recursive: true })
    const { files } = JSON.parse(await readFile(join(from, 'package.json'), 'utf8')) as { files: string[] }
    const published = ['package.json', ...new Set(files.map((path) => path.split('/')[0] ?? ''))]
    for (const path of published) await cp(join(from, path), join(to, path), { recursive: true })
  }
  const attache = await startAttache()
  after(() => attache.stop())
  const program = home.in('node_modules/@attache/cli/bin/attache.cjs')
  const options = { env: settingsOf(attache, home.path), node, program }
  const { code } = await documentOf(attache, [{ name: '发票.bin', bytes: new Uint8Array(100_000) }])
  const saved = await cli(['archive', code, '-o', home.in('archive'), '--json'], options)
  assert.equal(saved.code, 0, saved.stderr)
  assert.equal(rowsOfType(saved, 'file')[0]?.['status'], 'saved')
  for (const args of [['verify', home.in('archive')], ['doctor'], ['--version'], ['upload', program]]) {
    const { code: exit, stdout, stderr } = await cli(args, options)
    assert.equal(exit, 0, stdout + stderr)
    assert.equal(stderr.includes('Warning'), false, stderr)
  }
})

test('a Node that is too old is told in one line with the fix', async () => {
  await using home = await place()
  const pretend = home.in('old.cjs')
  await writeFile(pretend, "Object.defineProperty(process.versions, 'node', { value: '18.20.0' })")
  const { code, stderr } = await cli(['--help'], { env: { NODE_OPTIONS: `--require ${pretend}` } })
  assert.equal(code, 2)
  assert.match(stderr, /^attache needs Node\.js 2[04] or newer and this is 18\.20\.0: .+\.\n$/)
})

test('docs/cli.md has every command, option, exit code and kind of line', async () => {
  const page = await readFile(join(ROOT, 'docs/cli.md'), 'utf8')
  const { stdout: overview } = await cli(['--help'])
  const commands = [...overview.matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, name]) => name ?? '')
  assert.equal(commands.length, 11)
  const wanted = new Set(commands.map((name) => `\`${name}`))
  for (const name of commands) {
    const { stdout } = await cli([name, '--help'])
    for (const [, option] of stdout.matchAll(/--([a-z-]+)/g)) wanted.add(`--${option}`)
  }
  for (const [, code, words] of overview.matchAll(/^ {2}(\d+) (.+)$/gm)) wanted.add(`| ${code} | ${words}`)
  const schema = JSON.parse(await readFile(join(CLI, '../../schema.json'), 'utf8')) as { $defs: object }
  for (const type of Object.keys(schema.$defs)) wanted.add(`| \`${type}\``)
  assert.deepEqual(
    [...wanted].filter((text) => !page.includes(text)),
    [],
  )
})

async function nodeOfMajor(major: number): Promise<string | undefined> {
  for (const directory of new Set(['/usr/bin', ...(process.env['PATH'] ?? '').split(delimiter)])) {
    const path = join(directory, 'node')
    const version = await run(path, ['--version']).catch(() => undefined)
    if (version?.stdout.startsWith(`v${major}.`)) return path
  }
  return undefined
}
