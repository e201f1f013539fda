import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { ArchivedFile } from './archive.ts'
import { BYTES, type Stage, stage } from './client.fixture.ts'
import { bill } from './documents.fixture.ts'
import { readManifest } from './node.ts'
import { run } from './package.fixture.ts'

describe('an archive whose process dies between the name of a file and its line in the manifest', () => {
  it('asks for none of that file again, and leaves no note of it', async () => {
    await using on = await stage()
    const { code, contents } = await bill(on)
    await dies(on, code, 'before')
    const [name = '', note, ...others] = (await readdir(join(on.directory, code))).sort()
    assert.deepEqual([note, others], [`${name}.part.json`, []])
    assert.deepEqual(await statuses(on), Array(6).fill('started'))
    const [planned] = await archived(on, code, { dryRun: true })
    assert.deepEqual([planned?.status, await statuses(on)], ['kept', Array(6).fill('started')])
    await dies(on, code, 'after')
    assert.deepEqual((await readdir(join(on.directory, code))).sort(), [name, note])
    assert.equal(on.proxy.count(BYTES), 1)
    const files = await archived(on, code)
    assert.deepEqual(files.map(({ status }) => status).sort(), ['kept', ...Array(5).fill('saved')])
    assert.equal(on.proxy.count(BYTES), 6)
    assert.equal((await readdir(join(on.directory, code))).length, 6)
    await allRight(on, files, contents)
  })

  it('fetches that file again when it is no longer what came', async () => {
    await using on = await stage()
    const { code, contents } = await bill(on)
    await dies(on, code, 'before')
    const [name = ''] = (await readdir(join(on.directory, code))).sort()
    const bytes = await readFile(join(on.directory, code, name))
    bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
    await writeFile(join(on.directory, code, name), bytes)
    await allRight(on, await archived(on, code), contents)
    assert.equal(on.proxy.count(BYTES), 7)
  })

  it('fetches that file again when the server told no digest of it', async () => {
    await using on = await stage()
    const { code, contents } = await bill(on)
    on.proxy.next(BYTES, { withoutHeaders: ['x-oss-hash-crc64ecma', 'content-md5', 'x-oss-object-type'] })
    await dies(on, code, 'before')
    await allRight(on, await archived(on, code), contents)
    assert.equal(on.proxy.count(BYTES), 7)
  })
})

const NODE_ENTRY = new URL('node.ts', import.meta.url).href

/** An archive in a process that kills itself when it writes that a file was saved: before that is in the manifest, or after. */
async function dies(on: Stage, code: string, when: 'before' | 'after'): Promise<void> {
  const { appKey, appSecurity } = on.service.app
  const program = `
    import { open } from 'node:fs/promises'
    import { createClient } from ${JSON.stringify(NODE_ENTRY)}
    const file = await open(process.execPath)
    const handles = Object.getPrototypeOf(file)
    await file.close()
    const { appendFile } = handles
    handles.appendFile = async function (text) {
      const isSaved = String(text).includes('"status":"saved"')
      if (isSaved && ${when === 'before'}) process.kill(process.pid, 'SIGKILL')
      await appendFile.call(this, text)
      if (isSaved) process.kill(process.pid, 'SIGKILL')
    }
    const client = createClient(${JSON.stringify({ baseUrl: on.proxy.url, appKey, appSecurity })})
    for await (const _ of client.archive(${JSON.stringify(code)}, ${JSON.stringify(on.directory)}, { concurrency: 1 }));
  `
  const died = run(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 })
  await assert.rejects(died, { signal: 'SIGKILL', killed: false })
}

async function statuses(on: Stage): Promise<string[]> {
  return [...(await readManifest(on.directory)).values()].map(({ status }) => status)
}

async function archived(on: Stage, code: string, options: { dryRun?: boolean } = {}): Promise<ArchivedFile[]> {
  const files: ArchivedFile[] = []
  for await (const file of on.client.archive(code, on.directory, options)) files.push(file)
  return files
}

async function allRight(on: Stage, files: ArchivedFile[], contents: ReadonlyMap<string, Uint8Array>): Promise<void> {
  assert.deepEqual(await statuses(on), Array(6).fill('saved'))
  for (const { path, key } of files)
    assert.deepEqual(new Uint8Array(await readFile(join(on.directory, path))), contents.get(key))
}
