import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type RotatingLines, type RotatingLinesOptions, rotatingLines } from './rotating-lines.ts'

const NOON = Date.UTC(2026, 0, 31, 12)

interface Opened extends AsyncDisposable {
  directory: string
  clock: { now: number }
  troubles: unknown[]
  open(more?: Partial<RotatingLinesOptions>): RotatingLines
  names(): Promise<string[]>
  lines(): Promise<string[]>
}

async function temporary(): Promise<Opened> {
  const root = await mkdtemp(join(tmpdir(), 'attache-audit-'))
  const directory = join(root, 'audit')
  const clock = { now: NOON }
  const troubles: unknown[] = []
  const names = async () => (await readdir(directory)).sort()
  return {
    directory,
    clock,
    troubles,
    names,
    open: (more) =>
      rotatingLines({
        directory,
        series: 'acts',
        maxFileBytes: 100,
        maxFiles: 3,
        now: () => clock.now,
        onTrouble: (error) => troubles.push(error),
        ...more,
      }),
    async lines() {
      const texts = await Promise.all((await names()).map((name) => readFile(join(directory, name), 'utf8')))
      return texts.join('').split('\n').slice(0, -1)
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  }
}

describe('rotating lines', () => {
  it('keep what was added, in order, for the owner only', async () => {
    await using at = await temporary()
    const lines = at.open()
    for (const line of ['{"a":1}', '{"b":"发票"}']) lines.add(line)
    await lines.close()
    assert.deepEqual(await at.lines(), ['{"a":1}', '{"b":"发票"}'])
    assert.deepEqual(await at.names(), ['acts-2026-01-31-000001.jsonl'])
    const modes = await Promise.all(['', 'acts-2026-01-31-000001.jsonl'].map((name) => stat(join(at.directory, name))))
    assert.deepEqual(
      modes.map(({ mode }) => mode & 0o777),
      [0o700, 0o600],
    )
    assert.deepEqual(at.troubles, [])
  })

  it('write by themselves, soon after a line came', async () => {
    await using at = await temporary()
    const lines = at.open()
    lines.add('soon')
    const deadline = performance.now() + 5000
    while ((await at.lines().catch(() => [])).length === 0) {
      assert.ok(performance.now() < deadline)
      await new Promise(setImmediate)
    }
    await lines.close()
  })

  it('begin a new file at a size and on a new day, and keep the newest files only', async () => {
    await using at = await temporary()
    const lines = at.open()
    for (let i = 10; i < 40; i++) lines.add(`line ${i} of thirty`)
    at.clock.now = NOON + 86_400_000
    await lines.close()
    const other = at.open()
    other.add('x'.repeat(99))
    other.add('y')
    await other.close()
    const names = await at.names()
    assert.equal(names.length, 3)
    assert.ok(
      names.every((name) => name.startsWith('acts-2026-02-01-')),
      String(names),
    )
    for (const name of names) assert.ok((await stat(join(at.directory, name))).size <= 100)
    assert.equal((await at.lines()).at(-1), 'y')
  })

  it('go on in the newest file after a restart, on a line of their own where a write was cut', async () => {
    await using at = await temporary()
    const first = at.open()
    first.add('first')
    await first.close()
    await appendFile(join(at.directory, 'acts-2026-01-31-000001.jsonl'), '{"cut')
    const second = at.open()
    second.add('second')
    await second.close()
    assert.deepEqual(await at.lines(), ['first', '{"cut', 'second'])
  })

  it('never write through a link that somebody laid', async () => {
    await using at = await temporary()
    const first = at.open()
    first.add('first')
    await first.close()
    const victim = join(at.directory, '..', 'victim')
    await appendFile(victim, '')
    await symlink(victim, join(at.directory, 'acts-2026-01-31-000002.jsonl'))
    const second = at.open()
    second.add('second')
    await second.close()
    assert.equal(await readFile(victim, 'utf8'), '')
    assert.equal(second.lost(), 1)
  })

  it('count what is lost where they can not be kept, tell it once, and recover', async () => {
    await using at = await temporary()
    // A file where the directory should be.
    await appendFile(at.directory, '')
    const lines = at.open()
    for (const line of ['one', 'two']) lines.add(line)
    await lines.close()
    lines.add('three')
    await lines.close()
    assert.deepEqual([lines.lost(), at.troubles.length], [3, 1])
    await rm(at.directory)
    lines.add('four')
    await lines.close()
    assert.deepEqual(await at.lines(), ['four'])
    assert.deepEqual([lines.lost(), at.troubles.length], [3, 1])
  })

  it('hold a bounded number of lines while the disk is slower than they come', async () => {
    await using at = await temporary()
    const lines = at.open({ maxFileBytes: 1e9 })
    const line = 'x'.repeat(100_000)
    for (let i = 0; i < 300; i++) lines.add(line)
    assert.ok(lines.lost() > 0)
    assert.equal(at.troubles.length, 1)
    await lines.close()
    assert.equal((await at.lines()).length, 300 - lines.lost())
  })
})
