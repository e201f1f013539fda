import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { entryKey, MANIFEST, type ManifestEntry, openManifest, readManifest } from './manifest.ts'

const entry = (fileId: string, status: ManifestEntry['status'] = 'saved'): ManifestEntry => ({
  flowId: 'flow',
  code: 'B1',
  key: 'key',
  fileId,
  fileName: 'a.txt',
  path: `B1/${fileId}.txt`,
  size: 1,
  sha256: 'ab',
  status,
})

describe('a manifest', () => {
  it('keeps the last word on each attachment, and every line whole', async () => {
    await using place = await emptyDirectory()
    const first = await openManifest(place.path)
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => first.append([entry(`${index}`, 'started'), entry(`${index}`)])),
    )
    await first.close()
    const lines = (await readFile(join(place.path, MANIFEST), 'utf8')).trim().split('\n')
    assert.equal(lines.map((line) => JSON.parse(line)).length, 100)
    const entries = await readManifest(place.path)
    assert.deepEqual([entries.size, entries.get(entryKey(entry('7')))], [50, entry('7')])
  })

  it('loses nothing to half a line that a crash left', async () => {
    await using place = await emptyDirectory()
    const first = await openManifest(place.path)
    await first.append([entry('1')])
    await first.close()
    await appendFile(join(place.path, MANIFEST), '{"flowId":"flow","co')
    const second = await openManifest(place.path)
    await second.append([entry('2')])
    await second.close()
    assert.deepEqual([...(await readManifest(place.path)).values()], [entry('1'), entry('2')])
  })

  it('is empty where there is none', async () => {
    await using place = await emptyDirectory()
    assert.equal((await readManifest(place.path)).size, 0)
  })
})

async function emptyDirectory() {
  const path = await mkdtemp(join(tmpdir(), 'attache-manifest-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}
