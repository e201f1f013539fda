import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { Failure } from '../errors.ts'
import { EICAR, fakeClamd } from './clamd.fixture.ts'
import { clamd, clamdAddress } from './clamd.ts'
import { scanCommand } from './command.ts'
import { openScanner } from './open-scanner.ts'
import type { Scanner } from './scanner.ts'
import { type UploadScansOptions, uploadScans } from './upload-scans.ts'

async function outcomeOf(scanner: Scanner, chunks: Uint8Array[], more: Partial<UploadScansOptions> = {}) {
  const problems: string[] = []
  const unscanned = (error: unknown) => problems.push(error instanceof Error ? error.message : String(error))
  const open = uploadScans({ scanner, milliseconds: 5000, atOnce: 4, onFailure: 'refuse', unscanned, ...more })
  const scan = open()
  try {
    for (const chunk of chunks) await scan.update(chunk)
    await scan.finish()
    return { outcome: 'clean', problems }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { outcome: `${error.code} ${error.details?.[0]?.message ?? ''}`.trim(), problems }
  } finally {
    scan.close()
  }
}

const BIG = Array.from({ length: 20 }, () => randomBytes(65_536))
const split = (text: string) => [...text].map((letter) => Buffer.from(letter))

describe('scanning with clamd', () => {
  it('passes clean files byte for byte, small, large and empty', async () => {
    await using fake = await fakeClamd(EICAR)
    const scanner = clamd(fake.address)
    for (const chunks of [[], [Buffer.from('a')], [Buffer.alloc(0), Buffer.from('b')], BIG]) {
      assert.deepEqual(await outcomeOf(scanner, chunks), { outcome: 'clean', problems: [] })
      assert.ok(fake.streams.pop()?.equals(Buffer.concat(chunks)))
    }
    while (fake.open() > 0) await new Promise(setImmediate)
  })

  it('refuses EICAR, however it is cut, and names it', async () => {
    await using fake = await fakeClamd(EICAR)
    const scanner = clamd(fake.address)
    for (const chunks of [[Buffer.from(EICAR)], split(EICAR), [...BIG, ...split(EICAR), ...BIG]]) {
      assert.equal((await outcomeOf(scanner, chunks)).outcome, 'Infected Eicar-Test-Signature')
    }
  })

  it('refuses, or accepts where that is set, what could not be scanned, and says why', async () => {
    await using fake = await fakeClamd(EICAR)
    const scanner = clamd(fake.address)
    const cases = [
      ['silent', [Buffer.from('a')], /no verdict within 100 ms/],
      ['deaf', Array.from({ length: 200 }, () => BIG[0] as Uint8Array), /no bytes within 100 ms|no verdict within/],
      ['gone', [Buffer.from('a')], /without a verdict|ECONNRESET|EPIPE/],
      ['gone', BIG, /without a verdict|ECONNRESET|EPIPE/],
      ['small', BIG, /size limit exceeded|ECONNRESET|EPIPE/],
      ['confused', [Buffer.from('a')], /clamd says: what\?/],
    ] as const
    for (const [mood, chunks, reason] of cases) {
      fake.mood = mood
      const refused = await outcomeOf(scanner, [...chunks], { milliseconds: 100 })
      assert.equal(refused.outcome, 'ScannerUnavailable', mood)
      assert.match(refused.problems.join(), reason, mood)
      const accepted = await outcomeOf(scanner, [...chunks], { milliseconds: 100, onFailure: 'accept' })
      assert.deepEqual([accepted.outcome, accepted.problems.length], ['clean', 1], mood)
    }
  })

  it('says so when nobody listens', async () => {
    const fake = await fakeClamd(EICAR)
    await fake[Symbol.asyncDispose]()
    const { outcome, problems } = await outcomeOf(clamd(fake.address), [Buffer.from('a')])
    assert.equal(outcome, 'ScannerUnavailable')
    assert.match(problems.join(), /ECONNREFUSED/)
  })

  it('scans a limited number at a time, and leaves nothing open after uploads that were cut', async () => {
    await using fake = await fakeClamd(EICAR)
    const count = { open: 0, most: 0 }
    const scanner: Scanner = {
      open() {
        count.most = Math.max(count.most, ++count.open)
        const scan = clamd(fake.address).open()
        let closed = false
        const close = () => {
          if (!closed) count.open--
          closed = true
          scan.close()
        }
        return { ...scan, close }
      },
    }
    const open = uploadScans({ scanner, milliseconds: 5000, atOnce: 2, onFailure: 'refuse', unscanned: () => {} })
    const all = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const scan = open()
        for (const chunk of BIG) await scan.update(chunk)
        if (index % 3 > 0) await scan.finish()
        scan.close()
        return index
      }),
    )
    assert.equal(all.length, 12)
    assert.deepEqual(count, { open: 0, most: 2 })
    const late = uploadScans({ scanner, milliseconds: 50, atOnce: 1, onFailure: 'refuse', unscanned: () => {} })
    const [first, second] = [late(), late()]
    for (const chunk of BIG) await first.update(chunk)
    await second.update(Buffer.from('a'))
    await assert.rejects(second.finish(), { code: 'ScannerUnavailable' })
    first.close()
    second.close()
    assert.equal(count.open, 0)
  })
})

describe('scanning with a command', () => {
  const program = (script: string) => scanCommand(process.execPath, ['-e', script])
  const LOOKS = `const c=[];process.stdin.on('data',d=>c.push(d)).on('end',()=>{
    if(!Buffer.concat(c).includes('EICAR'))return;console.log('stream: Eicar FOUND\\nmore');process.exitCode=1})`

  it('goes by its exit code', async () => {
    assert.equal((await outcomeOf(program(LOOKS), BIG)).outcome, 'clean')
    assert.equal(
      (await outcomeOf(program(LOOKS), [...BIG, Buffer.from(EICAR)])).outcome,
      'Infected stream: Eicar FOUND',
    )
    const broken = await outcomeOf(program('process.exit(2)'), BIG)
    assert.deepEqual(broken, { outcome: 'ScannerUnavailable', problems: ['the scan command ended with 2'] })
    assert.equal((await outcomeOf(program('process.exit(1)'), BIG)).outcome, 'Infected unnamed')
  })

  it('kills it when it takes too long', async () => {
    const { outcome, problems } = await outcomeOf(program('setInterval(()=>{},1e6)'), [Buffer.from('a')], {
      milliseconds: 300,
    })
    assert.equal(outcome, 'ScannerUnavailable')
    assert.match(problems.join(), /no verdict within 300 ms/)
  })

  it('says so when there is no such program', async () => {
    const { outcome, problems } = await outcomeOf(scanCommand('/no/such/program', []), [Buffer.from('a')])
    assert.equal(outcome, 'ScannerUnavailable')
    assert.match(problems.join(), /ENOENT/)
  })

  it('hands it none of our environment', async () => {
    const script = `process.stdin.resume().on('end',()=>{console.log(Object.keys(process.env).sort().join());process.exitCode=1})`
    assert.equal((await outcomeOf(program(script), [Buffer.from('a')])).outcome, 'Infected LANG,PATH')
  })
})

describe('the setting of a scanner', () => {
  it('is a clamd or a command', () => {
    assert.equal(openScanner({ clamd: undefined, command: undefined }), undefined)
    assert.ok(openScanner({ clamd: '/run/clamav/clamd.ctl', command: undefined }))
    assert.ok(openScanner({ clamd: undefined, command: '/usr/bin/clamdscan --no-summary -' }))
    const wrong = [
      { clamd: '/a', command: '/b' },
      { clamd: 'clamd', command: undefined },
      { clamd: 'host:99999', command: undefined },
      { clamd: undefined, command: 'clamscan -' },
    ]
    for (const settings of wrong) assert.throws(() => openScanner(settings), { name: 'ConfigError' })
  })

  it('reads the address of a clamd', () => {
    assert.deepEqual(clamdAddress('[::1]:3310'), { host: '::1', port: 3310 })
    assert.deepEqual(clamdAddress('av.internal:3310'), { host: 'av.internal', port: 3310 })
    assert.deepEqual(clamdAddress('/run/clamav/clamd.ctl'), { path: '/run/clamav/clamd.ctl' })
  })
})
