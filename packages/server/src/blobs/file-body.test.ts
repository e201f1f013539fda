import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, it } from 'node:test'
import { FileBody } from './file-body.ts'

const bytes = randomBytes(14_000_000)

describe('the body of a file', () => {
  let directory: string
  let file: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'attache-body-'))
    file = join(directory, 'blob')
    await writeFile(file, bytes)
  })
  after(() => rm(directory, { recursive: true, force: true }))

  const bodyOf = async (first: number, last: number) => new FileBody(await open(file), { first, last })

  /** Copies each piece at once, and takes its time before it says so. */
  function reader(taken: Buffer[], delay: (index: number) => Promise<unknown>): Writable {
    return new Writable({
      highWaterMark: 1,
      write(piece: Buffer, _encoding, done) {
        const index = taken.push(Buffer.from(piece))
        delay(index).then(() => done(), done)
      },
    })
  }

  for (const [first, last] of [
    [0, bytes.length - 1],
    [0, 0],
    [65_535, 65_536],
    [13_000_000, 13_999_999],
    [5, 12_700_000],
  ] as const) {
    it(`from byte ${first} to ${last} is the same read, piped and in pieces`, async () => {
      const expected = bytes.subarray(first, last + 1)
      assert.ok((await buffer(await bodyOf(first, last))).equals(expected))
      const piped: Buffer[] = []
      const target = (await bodyOf(first, last)).pipe(reader(piped, async () => {}))
      await new Promise((resolve) => target.on('finish', resolve))
      assert.ok(Buffer.concat(piped).equals(expected))
      const pieces: Buffer[] = []
      for await (const piece of (await bodyOf(first, last)).pieces()) pieces.push(Buffer.from(piece))
      assert.ok(Buffer.concat(pieces).equals(expected))
    })
  }

  it('does not mix with others that pass through the same memory', async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const piped: Buffer[] = []
        const delay = (piece: number) =>
          new Promise((resolve) => (piece % 3 === index % 3 ? setImmediate(resolve) : resolve(0)))
        const target = (await bodyOf(index * 1000, bytes.length - 1)).pipe(reader(piped, delay))
        await new Promise((resolve) => target.on('finish', resolve))
        return Buffer.concat(piped).equals(bytes.subarray(index * 1000))
      }),
    )
    assert.ok(all.every(Boolean))
  })

  it('that is given up while its reader stands still closes the file', async () => {
    const handle = await open(file)
    const body = new FileBody(handle, { first: 0, last: bytes.length - 1 })
    body.on('error', () => {})
    const closed = new Promise((resolve) => body.on('close', resolve))
    let stuck = () => {}
    const standing = new Promise<void>((resolve) => {
      stuck = resolve
    })
    body.pipe(
      reader([], () => {
        stuck()
        return new Promise(() => {})
      }),
    )
    await standing
    body.destroy()
    await closed
    assert.equal(handle.fd, -1)
  })

  it('that ends before its record says is an error, not a shorter body', async () => {
    const body = new FileBody(await open(file), { first: bytes.length - 10, last: bytes.length + 10 })
    await assert.rejects(buffer(body), /ends at byte/)
  })
})
