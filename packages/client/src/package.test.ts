import assert from 'node:assert/strict'
import { access, readdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BYTES, stage } from './client.fixture.ts'
import { type BuiltPackage, builtPackage, closureOf, compile, run, TSC } from './package.fixture.ts'

const MOST_GZIPPED = 15_000

describe('the published package', () => {
  let built: BuiltPackage
  before(async () => {
    built = await builtPackage()
  })
  after(() => built[Symbol.asyncDispose]())

  it('has a main entry of at most 15 kB gzipped that imports nothing but itself', async () => {
    // Comments are for those who step through; a bundler leaves them out.
    const bare = join(built.directory, 'bare')
    await compile(bare, '--removeComments', '--declaration', 'false')
    const [whole, text] = await Promise.all(
      [built.dist, bare].map(async (directory) =>
        [...(await closureOf(join(directory, 'index.js'))).values()].join('\n'),
      ),
    )
    assert.ok(whole && text)
    assert.doesNotMatch(text, /\b(?:from|import)\s*\(?\s*['"](?!\.)/)
    assert.doesNotMatch(text, /\b(?:process|Buffer|require|__dirname)\b[.(]/)
    const [bytes, withComments] = [text, whole].map((code) => gzipSync(code, { level: 9 }).length)
    console.log(`main entry: ${text.length} bytes, ${bytes} gzipped (${withComments} with comments)`)
    assert.ok(bytes !== undefined && bytes <= MOST_GZIPPED, `${bytes} bytes`)
  })

  it('depends on nothing', async () => {
    const { dependencies, peerDependencies, exports } = JSON.parse(
      await readFile(join(built.dist, '../package.json'), 'utf8'),
    )
    assert.deepEqual([dependencies, peerDependencies], [undefined, undefined])
    assert.deepEqual(Object.keys(exports), ['.', './node'])
    for (const name of await readdir(built.dist)) {
      const text = await readFile(join(built.dist, name), 'utf8')
      assert.doesNotMatch(text, /@attache\/protocol['"]/, name)
    }
  })

  it('has types that need no others', async () => {
    await writeFile(join(built.directory, 'package.json'), '{"type":"module"}')
    await writeFile(
      join(built.directory, 'caller.ts'),
      `import { type Client, createClient, isExpiredLink } from '@attache/client'
       export const client: Client = createClient({ baseUrl: 'https://example.com', appKey: 'a', appSecurity: 'b', fetch })
       export const urls: Promise<string[]> = client.downloadUrls([{ id: 'a', key: 'b' }]).then(({ links }) => links.map(({ url }) => url))
       export const expired: boolean = isExpiredLink(new Error('x'))`,
    )
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--lib',
      'es2022,dom',
      '--types',
      '',
      '--exactOptionalPropertyTypes',
    ]
    await run(process.execPath, [TSC, ...options, 'caller.ts'], { cwd: built.directory }).catch(({ stdout }) =>
      assert.fail(stdout),
    )
  })

  it('works in this Node', () => worksIn(process.execPath))

  it('works in Node 20', async (test) => {
    const node = await nodeOfMajor(20)
    if (node === undefined) return test.skip('no Node 20 on this machine: install one on the PATH to run this')
    await worksIn(node)
  })

  async function worksIn(node: string): Promise<void> {
    await using on = await stage()
    await writeFile(join(built.directory, 'caller.mjs'), CALLER)
    const { appKey, appSecurity } = on.service.app
    on.proxy.next(BYTES, { cutAfter: 100_000 })
    const args = [
      join(built.directory, 'caller.mjs'),
      JSON.stringify({ baseUrl: on.proxy.url, appKey, appSecurity }),
      on.directory,
    ]
    const { stdout, stderr } = await run(node, args, { timeout: 30_000 })
    assert.equal(stderr, '')
    const { version, ...done } = JSON.parse(stdout)
    assert.deepEqual(done, {
      fileName: '发票.bin',
      missing: 1,
      same: true,
      saved: 500_000,
      progress: 1,
      kind: 'not-found',
    })
    assert.ok(on.proxy.passed.some(({ headers }) => headers.range !== undefined))
    console.log(`the round of calls in Node ${version}`)
  }
})

const CALLER = `
import { createClient, isNotFound } from '@attache/client/node'
import * as main from '@attache/client'
const client = createClient(JSON.parse(process.argv[2]))
const bytes = crypto.getRandomValues(new Uint8Array(50_000))
const whole = new Uint8Array(500_000)
for (let at = 0; at < whole.length; at += bytes.length) whole.set(bytes, at)
let progress = 0
const uploaded = await client.upload(whole, { name: '发票.bin', onProgress: ({ bytes, total }) => { progress = bytes / total } })
const { missing } = await client.downloadUrls([uploaded, { id: 'a', key: 'b' }])
const back = await (await client.download(uploaded)).bytes()
const { size } = await client.downloadFile(uploaded, process.argv[3] + '/a.bin')
const again = await client.uploadFile(process.argv[3] + '/a.bin')
const error = await client.document('B00000000').catch((error) => error)
console.log(JSON.stringify({
  version: process.version, fileName: uploaded.fileName, missing: missing.length, saved: size, progress,
  same: Buffer.compare(back, whole) === 0 && again.fileName === 'a.bin', kind: isNotFound(error) && main.isNotFound(error) && error.kind,
}))
`

async function nodeOfMajor(major: number): Promise<string | undefined> {
  const directories = ['/usr/bin', ...(process.env['PATH'] ?? '').split(delimiter)]
  for (const directory of new Set(directories)) {
    const path = join(directory, 'node')
    if (
      !(await access(path).then(
        () => true,
        () => false,
      ))
    )
      continue
    if ((await run(path, ['--version'])).stdout.startsWith(`v${major}.`)) return path
  }
  return undefined
}
