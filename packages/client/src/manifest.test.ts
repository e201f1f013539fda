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

  it('holds a name with every kind of line end as one line, and reads what others wrote of it', async () => {
    await using place = await emptyDirectory()
    const name = 'a\u2028b\u2029c\rd\ne.txt'
    const written = { ...entry('1'), fileName: name, key: `key-${name}`, path: 'B1/a\u2028b\u2029c.txt' }
    const first = await openManifest(place.path)
    await first.append([written])
    await first.close()
    const text = await readFile(join(place.path, MANIFEST), 'utf8')
    assert.equal(text.split(/[\n\r\u2028\u2029]/).length, 2)
    const raw = { ...written, fileId: '2' }
    await appendFile(join(place.path, MANIFEST), `${JSON.stringify(raw)}\r\n${JSON.stringify({ ...raw, fileId: '3' })}`)
    assert.deepEqual([...(await readManifest(place.path)).values()], [written, raw, { ...raw, fileId: '3' }])
  })

  it('is read whole however its lines lie in the chunks of the file', async () => {
    await using place = await emptyDirectory()
    const long = { ...entry('long'), fileName: '附'.repeat(100_000) }
    const all = [entry('1'), long, ...Array.from({ length: 2000 }, (_, index) => entry(`${index + 2}`))]
    const first = await openManifest(place.path)
    await first.append(all)
    await first.close()
    assert.deepEqual([...(await readManifest(place.path)).values()], all)
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
