/** C3: Content-Disposition of 10,000 names: one header, and other people's parsers read back what was uploaded. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import { exists, run } from '../programs.ts'
import { inChromium } from './b-chromium.ts'
import { openInside } from './b-inside.ts'
import { answersIn } from './b-wire.ts'
import { NotHere, row, type Stage, type Verdict } from './stage.ts'

/** So many names are saved, too. */
const SAMPLE = 120

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
  for (const program of ['python3', 'curl']) if (!(await exists(program))) throw new NotHere(`no ${program}`)
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
  const wrong = python.filter((read, n) => read !== names[n]).length
  const local = (n: number) => `http://127.0.0.1:${port}${links[n]?.url.replace('http://attache.test', '')}`
  const sample = names
    .keys()
    .filter((n) => n % Math.floor(names.length / SAMPLE) === 0)
    .toArray()
  const saved = await savedByCurl(sample.map(local), join(directory, 'saved'))
  const curl = saved.filter((files, at) => files.join('/') !== asCurlSaves(names[sample[at] ?? 0] ?? '')).length
  const chromium = await inChromium(async (page) => {
    let other = 0
    for (const n of sample) {
      const download = page.waitForEvent('download')
      await page.goto(local(n)).catch(() => {})
      const suggested = (await download).suggestedFilename()
      if (suggested.normalize() !== asChromiumSaves(names[n] ?? '').normalize()) {
        other++
        console.log(`Chromium saves ${escape(names[n] ?? '')} as ${escape(suggested)}`)
      }
    }
    return other
  })
  if (chromium === undefined)
    throw new NotHere('no /usr/bin/chromium: apt-get install --no-install-recommends chromium')
  const figure = `${names.length} names: ${twice} answers without exactly one header, ${broken.length} out of grammar, ${wrong} read otherwise by Python; of ${sample.length} curl -J saved ${curl} under another name than the uploaded one in plain characters, Chromium ${chromium} under another than the uploaded one, but for what it takes for no file's name`
  return { ok: twice + broken.length + wrong + curl + chromium === 0, figure }
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

async function readByPython(values: readonly string[], directory: string): Promise<unknown[]> {
  const file = join(directory, 'headers')
  await writeFile(file, values.map((value) => `${JSON.stringify(value)}\n`).join(''))
  const { stdout } = await run('python3', ['-c', PYTHON, file], { maxBuffer: 1 << 28 })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

/** What there is then, each in a directory of its own, so that none can go elsewhere unseen. */
async function savedByCurl(urls: readonly string[], directory: string): Promise<string[][]> {
  const saved: string[][] = []
  for (const [n, url] of urls.entries()) {
    const cwd = join(directory, String(n))
    await mkdir(cwd, { recursive: true })
    await run('curl', ['-sSfOJ', url], { cwd })
    saved.push(await readdir(cwd))
  }
  return saved
}

/**
 * What Chromium may make of a name by its own rules for files: dots at the ends go; what some file system does not take,
 * control and format characters, and white space, dots and tildes at the ends become `_`; dots, dashes and `_` alone are no name.
 * Letters may come composed, or as the one that they are only another spelling of.
 */
function asChromiumSaves(uploaded: string): string {
  if (/^[-._]*$/.test(uploaded)) return 'download'
  return uploaded
    .replace(/^\.+|\.+$/g, '')
    .replace(/["*/:<>?\\|]|\p{Cc}|(?![\u200c\u200d])\p{Cf}|\p{Noncharacter_Code_Point}/gu, '_')
    .replace(/^[\p{White_Space}.~]|[\p{White_Space}.~]$/gu, '_')
}

/** curl keeps to `filename`, where one `_` stands for each character that is not plain; a percent sign would be read as an escape. */
function asCurlSaves(uploaded: string): string {
  return uploaded.replace(/[^ -~]|%/gu, '_')
}

await row('C3', prove)
