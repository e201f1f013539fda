/** C3: Content-Disposition of 10,000 names: one header, and other people's parsers read back what was uploaded. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { exists, run } from '../programs.ts'
import { inChromium } from './b-chromium.ts'
import { openInside } from './b-inside.ts'
import { answersIn } from './b-wire.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const PYTHON = `
import email, email.utils, json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    message = email.message_from_string("Content-Disposition: " + json.loads(line))
    found = [value for name, value in message.get_params(header="content-disposition") if name == "filename" and isinstance(value, tuple)]
    print(json.dumps(email.utils.collapse_rfc2231_value(found[0]) if len(found) == 1 else None))
`

const name = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(...".-_ ~'`!@#$%^&()+=[]{};,=简é😀\u202e\u00a0\u2028"),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    ),
    minLength: 1,
    maxLength: 40,
  })
  .filter(
    (text) =>
      !/[?\\/*<>:"|\x00-\x1f\x7f-\x9f]/.test(text) &&
      text.isWellFormed() &&
      Buffer.byteLength(text) <= 255 &&
      !/^\.\.?$/.test(text),
  )

async function prove({ directory, seed, full, defer }: Stage): Promise<Verdict> {
  const on = await openInside({ directory: join(directory, 'data') })
  defer(() => on.close())
  const own = await on.corporation('own')
  const [record] = await on.service.stores.records.attachments.byFileIds([
    (await own.upload('x', Buffer.from('x'))).fileId,
  ])
  if (record === undefined) throw new Error('the upload left no record')
  const names = fc.sample(name, { seed, numRuns: full ? 100_000 : 10_000 })
  // Records of one blob: what counts here is the name.
  const { attachments } = on.service.stores.records
  const refs = names.map((fileName, n) => ({ ...record, fileName, fileId: `id${n}`, key: `openapi-0-0-0-0-${n}` }))
  await Promise.all(refs.map((one) => attachments.add(one)))
  const links = await inSlices(refs, 10_000, (slice) =>
    own.links(slice.map(({ fileId: id, key }) => ({ id, key, expiration: 3600 }))),
  )
  const { port } = on
  const headers = await dispositions(
    port,
    links.map(({ url }) => url.replace('http://attache.test', '')),
  )
  const twice = headers.filter((found) => found.length !== 1).length
  const values = headers.map(([value = '']) => value)
  const broken = values.filter(
    (value) => !/^(attachment|inline); filename="[ -~]*"; filename\*=UTF-8''[\w%.~-]+$/.test(value),
  )
  const python = await readByPython(values, directory)
  const wrong = python?.filter((read, n) => read !== names[n]).length
  const local = (n: number) => `http://127.0.0.1:${port}${links[n]?.url.replace('http://attache.test', '')}`
  const sample = names
    .keys()
    .filter((n) => n % Math.floor(names.length / 60) === 0)
    .toArray()
  const curl = await savedByCurl(sample.map(local), join(directory, 'saved'))
  const chromium = await inChromium(async (page) => {
    let other = 0
    for (const n of sample) {
      const download = page.waitForEvent('download')
      await page.goto(local(n)).catch(() => {})
      const suggested = (await download).suggestedFilename()
      if (!sameAsSaved(suggested, names[n] ?? '')) {
        other++
        console.log(`Chromium saves ${JSON.stringify(names[n])} as ${JSON.stringify(suggested)}`)
      }
    }
    return other
  })
  const figure = `${names.length} names: ${twice} answers without exactly one header, ${broken.length} out of grammar, ${wrong ?? 'no Python here;'} read otherwise by Python; of ${sample.length} curl -J saved ${curl ?? 'none (no curl here)'} each inside its directory, Chromium named ${chromium ?? 'none (no Chromium here)'} otherwise`
  return {
    ok: twice + broken.length + (wrong ?? 0) + (chromium ?? 0) === 0 && (curl ?? sample.length) === sample.length,
    figure,
  }
}

async function inSlices<T, U>(all: readonly T[], size: number, work: (slice: T[]) => Promise<U[]>): Promise<U[]> {
  const found: U[] = []
  for (let from = 0; from < all.length; from += size) found.push(...(await work(all.slice(from, from + size))))
  return found
}

/** Every Content-Disposition line of each answer, read off one connection. */
async function dispositions(port: number, targets: readonly string[]): Promise<string[][]> {
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  for (const [n, target] of targets.entries()) {
    const last = n === targets.length - 1 ? 'Connection: close\r\n' : ''
    if (!socket.write(`GET ${target} HTTP/1.1\r\nHost: attache.test\r\n${last}\r\n`))
      await new Promise((resolve) => socket.once('drain', resolve))
  }
  await new Promise((resolve) => socket.once('close', resolve))
  const answers = answersIn(Buffer.concat(chunks))
  if (answers.length !== targets.length) throw new Error(`${answers.length} answers to ${targets.length} requests`)
  return answers.map(({ head }) => [...head.matchAll(/^content-disposition: (.*)$/gim)].map(([, value = '']) => value))
}

async function readByPython(values: readonly string[], directory: string): Promise<unknown[] | undefined> {
  if (!(await exists('python3'))) return undefined
  const file = join(directory, 'headers')
  await writeFile(file, values.map((value) => `${JSON.stringify(value)}\n`).join(''))
  const { stdout } = await run('python3', ['-c', PYTHON, file], { maxBuffer: 1 << 28 })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** How many files there are, each in a directory of its own, so that none can go elsewhere unseen. */
async function savedByCurl(urls: readonly string[], directory: string): Promise<number | undefined> {
  if (!(await exists('curl'))) return undefined
  let saved = 0
  for (const [n, url] of urls.entries()) {
    const cwd = join(directory, String(n))
    await mkdir(cwd, { recursive: true })
    await run('curl', ['-sSfOJ', url], { cwd })
    const files = await readdir(cwd)
    if (files.length === 1) saved++
    else console.log(`curl left ${JSON.stringify(files)}`)
  }
  return saved
}

/** A browser may replace what its file system or its rules for dangerous names do not take, one for one, and cut the ends. */
function sameAsSaved(suggested: string, uploaded: string): boolean {
  const plain = (text: string) => text.normalize('NFC').replace(/[^\p{L}\p{N}]/gu, '')
  return plain(suggested) === plain(uploaded) || plain(uploaded) === ''
}

await row('C3', prove)
