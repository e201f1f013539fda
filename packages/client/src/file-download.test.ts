import assert from 'node:assert/strict'
import { access, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { BYTES, LINKS, type Stage, someBytes, stage } from './client.fixture.ts'
import { isIntegrityError } from './errors.ts'
import type { AttachmentRef } from './wire.ts'

describe('a download into a file', () => {
  it('leaves the whole file and nothing else', async () => {
    await using on = await stage()
    const { path, uploaded, bytes } = await attachment(on, 1_000_000)
    const seen: number[] = []
    const saved = await on.client.downloadFile(uploaded, path, { onProgress: (received) => seen.push(received.bytes) })
    assert.equal(saved.size, bytes.length)
    assert.equal(saved.resumedFrom, 0)
    assert.equal(seen.at(-1), bytes.length)
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes)
    assert.deepEqual(await readdir(join(path, '..')), ['a.bin'])
  })

  it('goes on in a later run with what the last one left', async () => {
    await using on = await stage({ retry: { tries: 1 } })
    const { path, uploaded, bytes } = await attachment(on, 2_000_000)
    const cutAfter = 1 + Math.floor(Math.random() * 1_500_000)
    const cutWhen = async () => (await stat(`${path}.part`).catch(() => undefined))?.size !== 0
    on.proxy.next(BYTES, { cutAfter, cutWhen })
    await assert.rejects(on.client.downloadFile(uploaded, path), { kind: 'network' })
    await assert.rejects(access(path), { code: 'ENOENT' })
    const saved = await on.another().downloadFile(uploaded, path)
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes)
    const [, last] = on.proxy.passed.filter(({ target }) => BYTES.test(target))
    assert.equal(last?.headers.range, saved.resumedFrom > 0 ? `bytes=${saved.resumedFrom}-` : undefined)
    assert.ok(
      saved.resumedFrom > 0 && saved.resumedFrom <= cutAfter,
      `resumed from ${saved.resumedFrom} after a cut at ${cutAfter}`,
    )
    assert.deepEqual(await readdir(join(path, '..')), ['a.bin'])
  })

  it('needs no request when only the rename was missing', async () => {
    await using on = await stage({ retry: { tries: 1 } })
    const { path, uploaded, bytes } = await attachment(on, 100_000)
    on.proxy.next(BYTES, { cutAfter: 50_000 })
    await assert.rejects(on.client.downloadFile(uploaded, path))
    await writeFile(`${path}.part`, bytes)
    const saved = await on.client.downloadFile(uploaded, path)
    assert.equal(saved.resumedFrom, bytes.length)
    assert.equal(on.proxy.count(BYTES), 1)
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes)
  })

  it('begins again when what was left is wrong, too long, torn or of another attachment', async () => {
    await using on = await stage({ retry: { tries: 1 } })
    const { path, uploaded, bytes } = await attachment(on, 200_000)
    const other = await on.client.upload(someBytes(200_000), { name: 'other.bin' })
    const cut = (ref: AttachmentRef) => {
      on.proxy.next(BYTES, { cutAfter: 100_000 })
      return assert.rejects(on.client.downloadFile(ref, path), { kind: 'network' })
    }
    const spoil = [
      () => writeFile(`${path}.part`, someBytes(1000)),
      () => writeFile(`${path}.part`, someBytes(200_000)),
      () => writeFile(`${path}.part`, someBytes(300_000)),
      () => truncate(`${path}.part.json`, 20),
      () => cut(other),
    ]
    for (const [index, make] of spoil.entries()) {
      await cut(uploaded)
      await make()
      const saved = await on.client.downloadFile(uploaded, path)
      assert.equal(saved.resumedFrom, 0, `case ${index}`)
      assert.deepEqual(new Uint8Array(await readFile(path)), bytes)
    }
  })

  it('begins again where Range is not honoured', async () => {
    await using on = await stage()
    const { path, uploaded, bytes } = await attachment(on, 500_000)
    const cut = { cutAfter: 300_000 }
    const ignored = { withoutRequestHeaders: ['range'] }
    on.proxy.next(BYTES, cut, ignored, cut, ignored)
    await on.client.downloadFile(uploaded, path)
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes)
    await assert.rejects(on.another({ retry: { tries: 1 } }).downloadFile(uploaded, path), { kind: 'network' })
    const { resumedFrom } = await on.client.downloadFile(uploaded, path)
    assert.equal(resumedFrom, 0)
    assert.equal(on.proxy.count(BYTES), 4)
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes)
  })

  it('refuses wrong bytes, and leaves no file', async () => {
    await using on = await stage()
    const { path, uploaded } = await attachment(on, 100_000)
    on.proxy.next(BYTES, { corruptAt: 77_777 })
    await assert.rejects(on.client.downloadFile(uploaded, path), isIntegrityError)
    assert.deepEqual(await readdir(join(path, '..')), [])
  })

  it('finds wrong bytes by MD5 alone and by length alone', async () => {
    await using on = await stage()
    const { path, uploaded } = await attachment(on, 100_000)
    on.proxy.next(BYTES, { corruptAt: 5, withoutHeaders: ['x-oss-hash-crc64ecma', 'content-md5'] })
    await assert.rejects(on.client.downloadFile(uploaded, path), /MD5/)
    on.proxy.next(BYTES, { corruptAt: 5, withoutHeaders: ['x-oss-hash-crc64ecma', 'etag'] })
    await assert.rejects(on.client.downloadFile(uploaded, path), /MD5/)
    on.proxy.next(BYTES, { corruptAt: 5, withoutHeaders: ['etag', 'content-md5'] })
    await assert.rejects(on.client.downloadFile(uploaded, path), /CRC-64/)
    assert.deepEqual(await readdir(join(path, '..')), [])
  })

  it('keeps the old file when the new one can not be had', async () => {
    await using on = await stage({ retry: { tries: 1 } })
    const { path, uploaded } = await attachment(on, 100_000)
    await mkdir(join(path, '..'))
    await writeFile(path, 'old')
    on.proxy.next(BYTES, { cutAfter: 10 }, { corruptAt: 100 }, { corruptAt: 100 })
    await assert.rejects(on.client.downloadFile(uploaded, path), { kind: 'network' })
    await assert.rejects(on.client.downloadFile(uploaded, path), isIntegrityError)
    assert.equal(await readFile(path, 'utf8'), 'old')
    assert.deepEqual(await readdir(join(path, '..')), ['a.bin'])
  })

  it('refuses a second download into the same file at the same time', async () => {
    await using on = await stage()
    const { path, uploaded } = await attachment(on, 100_000)
    const first = on.client.downloadFile(uploaded, path)
    await assert.rejects(on.client.downloadFile(uploaded, path), { kind: 'usage' })
    await first
  })

  it('goes on in memory with a small one that was cut, and leaves nothing of one that can not be had', async () => {
    await using on = await stage()
    const { path, uploaded, bytes } = await attachment(on, 20_000)
    on.proxy.next(BYTES, { cutAfter: 12_000 })
    const saved = await on.client.downloadFile(uploaded, path)
    assert.deepEqual([saved.size, saved.resumedFrom], [bytes.length, 0])
    assert.equal(on.proxy.count(BYTES), 2)
    assert.deepEqual(new Uint8Array(await readFile(path)), bytes)
    await writeFile(path, 'old')
    on.proxy.next(BYTES, { corruptAt: 100 })
    await assert.rejects(on.client.downloadFile(uploaded, path), isIntegrityError)
    on.proxy.next(BYTES, { cutAfter: 10 })
    await assert.rejects(on.another({ retry: { tries: 1 } }).downloadFile(uploaded, path), { kind: 'network' })
    assert.equal(await readFile(path, 'utf8'), 'old')
    assert.deepEqual(await readdir(join(path, '..')), ['a.bin'])
  })

  it('uses the link that it is given before it asks for one', async () => {
    await using on = await stage()
    const { path, uploaded } = await attachment(on, 1000)
    const [link] = (await on.client.downloadUrls([uploaded])).links
    assert.ok(link)
    await on.client.downloadFile(link, path)
    assert.equal(on.proxy.count(LINKS), 1)
  })

  it('takes the bytes of a file, under its name or another', async () => {
    await using on = await stage()
    const path = join(on.directory, '收据.txt')
    await writeFile(path, '一百元')
    const [uploaded, renamed] = [await on.client.uploadFile(path), await on.client.uploadFile(path, { name: 'b.txt' })]
    assert.deepEqual([uploaded.fileName, renamed.fileName], ['收据.txt', 'b.txt'])
    assert.equal(new TextDecoder().decode(await (await on.client.download(renamed)).bytes()), '一百元')
  })

  it('holds little of a large attachment in memory', { timeout: 120_000 }, async () => {
    await using on = await stage({ env: { ATTACHE_MAX_UPLOAD_BYTES: '400000000' } })
    const path = join(on.directory, 'large.bin')
    const chunk = someBytes(1_000_000)
    for (let index = 0; index < 200; index++) await writeFile(path, chunk, { flag: 'a' })
    const uploaded = await on.client.uploadFile(path)
    globalThis.gc?.()
    const before = process.memoryUsage().rss
    let most = 0
    await on.client.downloadFile(uploaded, join(on.directory, 'back.bin'), {
      onProgress: () => {
        most = Math.max(most, process.memoryUsage().rss)
      },
    })
    // Service, proxy and client share this process: the bytes pass three times.
    const grown = Math.round((most - before) / 1e6)
    console.log(`200 MB saved with ${grown} MB more memory at most`)
    assert.ok(grown < 100, `${grown} MB`)
  })
})

async function attachment(on: Stage, size: number) {
  const bytes = someBytes(size)
  return {
    bytes,
    uploaded: await on.client.upload(bytes, { name: 'a.bin' }),
    path: join(on.directory, 'deep', 'a.bin'),
  }
}
