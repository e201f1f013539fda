import assert from 'node:assert/strict'
import { appendFile, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BYTES, LINKS, stage } from './client.fixture.ts'
import { bill } from './documents.fixture.ts'
import { isNotFound } from './errors.ts'
import { readManifest, verifyArchive } from './node.ts'

describe('an archive', () => {
  it('holds every attachment of a document under safe and unique names, and a manifest', async () => {
    await using on = await stage()
    const { code, contents } = await bill(on)
    const files = await all(on.client.archive(code, on.directory))
    assert.deepEqual(
      files.map(({ status }) => status),
      Array(6).fill('saved'),
    )
    const names = ['a.pdf', 'A (2).pdf', '收据.png', 'a (3).pdf', '_CON.txt', '审批.txt'].sort()
    assert.deepEqual((await readdir(join(on.directory, code))).sort(), names)
    for (const { path, key, size, sha256 } of files) {
      const bytes = await readFile(join(on.directory, path))
      assert.deepEqual(new Uint8Array(bytes), contents.get(key))
      assert.equal(size, bytes.length)
      assert.match(sha256, /^[0-9a-f]{64}$/)
    }
    const manifest = await readManifest(on.directory)
    assert.equal(manifest.size, 6)
    const document = await on.client.document(code)
    for (const entry of manifest.values())
      assert.deepEqual([entry.status, entry.code, entry.flowId], ['saved', code, document.id])
    assert.deepEqual(
      (await all(verifyArchive(on.directory))).map(({ result }) => result),
      Array(6).fill('right'),
    )
  })

  it('fetches nothing a second time, and only what no longer verifies', async () => {
    await using on = await stage()
    const { code } = await bill(on)
    await all(on.client.archive(code, on.directory))
    const asked = on.proxy.count(BYTES)
    const again = await all(on.client.archive(code, on.directory))
    assert.deepEqual(new Set(again.map(({ status }) => status)), new Set(['kept']))
    assert.equal(on.proxy.count(BYTES), asked)
    const [first, second] = again.map(({ path }) => join(on.directory, path))
    await writeFile(first ?? '', 'spoilt')
    await rm(second ?? '')
    assert.deepEqual((await all(verifyArchive(on.directory))).map(({ result }) => result).sort(), [
      'absent',
      'changed',
      'right',
      'right',
      'right',
      'right',
    ])
    const third = await all(on.another().archive(code, on.directory))
    assert.deepEqual(third.map(({ status }) => status).sort(), ['kept', 'kept', 'kept', 'kept', 'saved', 'saved'])
    assert.equal((await readdir(join(on.directory, code))).length, 6)
    assert.equal(on.proxy.count(BYTES), asked + 2)
  })

  it('goes on after a cut with the part that is there, and with the others when one fails', async () => {
    await using on = await stage({ retry: { tries: 1 } })
    const { code } = await bill(on, 300_000)
    const cutWhen = async () => (await partsIn(join(on.directory, code))).some((size) => size > 0)
    on.proxy.next(BYTES, { cutAfter: 120_000, cutWhen }, { answer: { status: 500, body: 'oops' } })
    const first = await all(on.client.archive(code, on.directory))
    const failed = first.filter(({ status }) => status === 'failed')
    assert.deepEqual(failed.map(({ reason }) => reason).sort(), ['network', 'server'])
    assert.equal(failed[0]?.error?.operation, 'download')
    // As a crash in the middle of a line leaves it.
    await appendFile(join(on.directory, 'manifest.jsonl'), '{"flowId":"x","pa')
    const second = await all(on.client.archive(code, on.directory))
    assert.deepEqual(second.map(({ status }) => status).sort(), ['kept', 'kept', 'kept', 'kept', 'saved', 'saved'])
    assert.equal(second.filter(({ resumedFrom = 0 }) => resumedFrom > 0).length, 1)
    assert.ok(second.every(({ reason }) => reason === undefined))
    assert.ok(on.proxy.passed.some(({ headers }) => headers.range?.startsWith('bytes=')))
    assert.equal((await readdir(join(on.directory, code))).length, 6)
    assert.equal((await readManifest(on.directory)).size, 6)
  })

  it('names what the server does not have, and is no reason to stop', async () => {
    await using on = await stage()
    const { code, keys } = await bill(on)
    const gone = keys[2] ?? ''
    on.proxy.next(LINKS, { without: gone })
    const files = await all(on.client.archive(code, on.directory))
    assert.deepEqual(
      files.filter(({ status }) => status === 'missing').map(({ key }) => key),
      [gone],
    )
    assert.equal(files.filter(({ status }) => status === 'saved').length, 5)
    assert.equal([...(await readManifest(on.directory)).values()].find(({ key }) => key === gone)?.status, 'missing')
  })

  it('tells in a dry run what it would do, and writes nothing', async () => {
    await using on = await stage()
    const { code } = await bill(on)
    const directory = join(on.directory, 'new')
    const planned = await all(on.client.archive(code, directory, { dryRun: true }))
    assert.deepEqual(new Set(planned.map(({ status }) => status)), new Set(['planned']))
    await assert.rejects(readdir(directory), { code: 'ENOENT' })
    assert.equal(on.proxy.count(BYTES), 0)
    const saved = await all(on.client.archive(code, directory))
    assert.deepEqual(saved.map(({ path }) => path).sort(), planned.map(({ path }) => path).sort())
  })

  it('overwrites no file that it did not save, and believes no path outside its directory', async () => {
    await using on = await stage()
    const { code } = await bill(on)
    await mkdir(join(on.directory, code))
    await writeFile(join(on.directory, code, 'a.pdf'), 'mine')
    const [first] = await all(on.client.archive(code, on.directory, { dryRun: true }))
    const evil = ['../evil', `${code}/../../evil`, '/etc/evil', `${code}/..`, 'C:\\evil', `${code}\\..\\evil`]
    const lines = evil.map((path) => JSON.stringify({ ...first, status: 'started', path }))
    await writeFile(join(on.directory, 'manifest.jsonl'), `${lines.join('\n')}\n`)
    const files = await all(on.client.archive(code, on.directory))
    assert.ok(
      files.every(({ path, status }) => status === 'saved' && path.startsWith(`${code}/`) && path !== `${code}/a.pdf`),
    )
    assert.equal(await readFile(join(on.directory, code, 'a.pdf'), 'utf8'), 'mine')
  })

  it('stops when its reader does, and when its caller says so', async () => {
    await using on = await stage()
    const { code } = await bill(on, 300_000)
    for await (const file of on.client.archive(code, on.directory, { concurrency: 1 })) {
      assert.equal(file.status, 'saved')
      break
    }
    assert.equal(on.proxy.count(BYTES), 1)
    const controller = new AbortController()
    const reason = new Error('enough')
    on.proxy.next(BYTES, { stallAfter: 1000 })
    const onProgress = () => controller.abort(reason)
    await assert.rejects(all(on.client.archive(code, on.directory, { signal: controller.signal, onProgress })), reason)
    const rest = await all(on.client.archive(code, on.directory))
    assert.ok(rest.every(({ status }) => status === 'saved' || status === 'kept'))
    assert.equal((await readdir(join(on.directory, code))).length, 6)
  })

  it('is refused for a code that nobody has', async () => {
    await using on = await stage()
    await assert.rejects(all(on.client.archive('B99999999', on.directory)), isNotFound)
  })

  it('has four files under way at once', async () => {
    await using on = await stage()
    const { code } = await bill(on, 100_000)
    const active = new Set<string>()
    let most = 0
    const onProgress = ({ path }: { path: string }) => {
      most = Math.max(most, active.add(path).size)
    }
    for await (const { path } of on.client.archive(code, on.directory, { onProgress })) active.delete(path)
    assert.ok(most > 1 && most <= 4, `${most} at once`)
  })

  it('begins anew after a manifest that was cut to nothing', async () => {
    await using on = await stage()
    const { code } = await bill(on)
    await all(on.client.archive(code, on.directory))
    await truncate(join(on.directory, 'manifest.jsonl'))
    const files = await all(on.client.archive(code, on.directory))
    assert.ok(files.every(({ status }) => status === 'saved'))
    assert.equal((await readdir(join(on.directory, code))).length, 12)
  })
})

async function all<T>(files: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const file of files) list.push(file)
  return list
}

/** Sizes of the files that are not whole yet. */
async function partsIn(directory: string): Promise<number[]> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.part'))
  return Promise.all(names.map(async (name) => (await stat(join(directory, name))).size))
}
