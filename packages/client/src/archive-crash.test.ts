import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { ArchivedFile } from './archive.ts'
import { BYTES, type Stage, stage } from './client.fixture.ts'
import { bill } from './documents.fixture.ts'
import { readManifest } from './node.ts'
import { run } from './package.fixture.ts'

// Above it an attachment goes through a part and a note beside it, below it through memory.
const LARGE = 100_000
const SMALL = 20_000

describe('an archive whose process dies between the name of a file and its line in the manifest', () => {
  it('asks for none of that file again, and leaves no note of it', async () => {
    await using on = await stage()
    const { code, contents } = await bill(on, LARGE)
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

  for (const when of ['unnamed', 'before', 'after'] as const)
    it(`asks for no small file again that was written (${when})`, async () => {
      await using on = await stage()
      const { code, contents } = await bill(on, SMALL)
      await dies(on, code, when)
      const there = await onDisk(on, code)
      assert.notEqual(there.length, 0)
      assert.equal(there.every(isPart), when === 'unnamed')
      const planned = await archived(on, code, { dryRun: true })
      assert.equal(planned.filter(({ status }) => status === 'kept').length, there.length)
      assert.deepEqual(await onDisk(on, code), there)
      const asked = on.proxy.count(BYTES)
      const files = await archived(on, code)
      assert.equal(on.proxy.count(BYTES) - asked, 6 - there.length)
      assert.equal((await onDisk(on, code)).length, 6)
      await allRight(on, files, contents)
    })

  for (const size of [SMALL, LARGE])
    it(`fetches that file of ${size} bytes again when it is no longer what came`, async () => {
      await using on = await stage()
      const { code, contents } = await bill(on, size)
      await dies(on, code, 'before')
      const name = (await onDisk(on, code)).find((one) => !isPart(one)) ?? ''
      const bytes = await readFile(join(on.directory, code, name))
      bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0)
      await writeFile(join(on.directory, code, name), bytes)
      const files = await archived(on, code)
      assert.equal(files.find(({ path }) => path === `${code}/${name}`)?.status, 'saved')
      await allRight(on, files, contents)
      assert.equal((await onDisk(on, code)).length, 6)
    })

  for (const size of [SMALL, LARGE])
    it(`fetches that file of ${size} bytes again when the server told no digest of it`, async () => {
      await using on = await stage()
      const { code, contents } = await bill(on, size)
      on.proxy.next(BYTES, { withoutHeaders: ['x-oss-hash-crc64ecma', 'content-md5', 'x-oss-object-type'] })
      await dies(on, code, 'before')
      const name = (await onDisk(on, code)).find((one) => !isPart(one))
      const files = await archived(on, code)
      assert.equal(files.find(({ path }) => path === `${code}/${name}`)?.status, 'saved')
      await allRight(on, files, contents)
    })
})

const NODE_ENTRY = new URL('node.ts', import.meta.url).href

/**
 * An archive in a process that kills itself before it gives the first small file its name, or when it writes that a file was
 * saved: before that is in the manifest, or after.
 */
async function dies(on: Stage, code: string, when: 'unnamed' | 'before' | 'after'): Promise<void> {
  const { appKey, appSecurity } = on.service.app
  const program = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    import { createClient } from ${JSON.stringify(NODE_ENTRY)}
    const die = () => process.kill(process.pid, 'SIGKILL')
    const { writeSync, renameSync } = fs
    fs.renameSync = (...paths) => ${when === 'unnamed'} ? die() : renameSync(...paths)
    fs.writeSync = (file, bytes, ...place) => {
      const isSaved = Buffer.from(bytes).includes('"status":"saved"')
      if (isSaved && ${when === 'before'}) die()
      const written = writeSync(file, bytes, ...place)
      if (isSaved) die()
      return written
    }
    syncBuiltinESMExports()
    const client = createClient(${JSON.stringify({ baseUrl: on.proxy.url, appKey, appSecurity })})
    for await (const _ of client.archive(${JSON.stringify(code)}, ${JSON.stringify(on.directory)}, { concurrency: 1 }));
  `
  const died = run(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 })
  await assert.rejects(died, { signal: 'SIGKILL', killed: false })
}

/** Names of files, and of parts that are whole. */
async function onDisk(on: Stage, code: string): Promise<string[]> {
  const names = await readdir(join(on.directory, code))
  return names.filter((name) => !name.endsWith('.json')).sort()
}

function isPart(name: string): boolean {
  return name.endsWith('.part')
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
