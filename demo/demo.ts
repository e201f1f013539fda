/** The whole job on four files: upload → links → download → thumbnail, against a server that starts and ends with it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { type DemoFile, demoFiles } from './files.ts'

const PROGRAM = fileURLToPath(new URL('../packages/server/bin/attache-server.cjs', import.meta.url))
const BOX = 120

const chinese = process.env['LANG']?.startsWith('zh') ?? false
const say = (zh: string, en: string) => (chinese ? zh : en)

interface Facts {
  url: string
  appKey: string
  appSecurity: string
}

interface Token {
  value: { accessToken: string }
}

interface Upload {
  value: { fileId: string; key: string }
}

interface Link {
  url: string
  thumbUrl: string
}

/** One line of the table; `fits` is whether all of it is as it must be. */
interface Line {
  cells: string[]
  fits: boolean
}

const data = await mkdtemp(join(tmpdir(), 'attache-demo-'))
const server = spawn(process.execPath, [PROGRAM, 'start', '--json'], {
  env: { ...plainEnvironment(), ATTACHE_PORT: '0', ATTACHE_DATA: data, ATTACHE_LOG_LEVEL: 'warn' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  process.exitCode = (await demonstrate(await factsOf(server))) ? 0 : 1
} finally {
  server.kill('SIGTERM')
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit')
  await rm(data, { recursive: true, force: true })
}

/** Without the settings of a service of yours. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ATTACHE_')))
}

async function factsOf({ stdout }: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<Facts> {
  for await (const line of createInterface({ input: stdout })) return JSON.parse(line)
  throw new Error(say('服务未能启动', 'the server did not start'))
}

async function demonstrate({ url, appKey, appSecurity }: Facts): Promise<boolean> {
  console.log(`${say('Attaché 演示服务', 'Attaché, for this demo, at')} ${url}\n`)
  const api = `${url}/api/openapi`
  const { value } = await post<Token>(`${api}/v1/auth/getAccessToken`, { appKey, appSecurity })
  const query = `accessToken=${value.accessToken}`
  const lines: Line[] = []
  for (const file of await demoFiles()) lines.push(await lineOf(file, api, query))

  const heads = [say('文件', 'file'), say('字节', 'bytes'), 'SHA-256', say('缩略图', 'thumbnail'), say('毫秒', 'ms')]
  printTable([heads, ...lines.map(({ cells }) => cells)])
  const wrong = lines.filter(({ fits }) => !fits).length
  if (wrong === 0) console.log(`\n${say('全部符合预期。', 'All as expected.')}`)
  else console.error(`\n${say(`${wrong} 个文件不符合预期。`, `${wrong} of ${lines.length} files not as expected.`)}`)
  return wrong === 0
}

async function lineOf(file: DemoFile, api: string, query: string): Promise<Line> {
  const started = performance.now()
  const form = new FormData()
  form.append('name', file.name)
  form.append('file', new Blob([new Uint8Array(file.bytes)]), file.name)
  const { value } = await post<Upload>(`${api}/v2/attachment/upload?${query}`, form)
  const asked = [{ id: value.fileId, key: value.key, expiration: 1000 }]
  const [link] = await post<Link[]>(`${api}/v2/attachment/downloadurls?${query}`, asked)
  if (link === undefined) throw new Error(say(`没有 ${file.name} 的链接`, `no link for ${file.name}`))

  const bytes = await (await fetch(link.url)).bytes()
  const same = hash('sha256', bytes) === hash('sha256', file.bytes)
  const thumbnail = await thumbnailOf(link.thumbUrl, file)
  const ms = Math.round(performance.now() - started)
  const verdict = same ? '✓' : say('✗ 不一致', '✗ differs')
  return {
    cells: [file.name, String(file.bytes.length), verdict, thumbnail.text, String(ms)],
    fits: same && thumbnail.fits,
  }
}

/** A picture as it was foretold, a page that fills its box, or for what is no picture a refusal in XML. */
async function thumbnailOf(url: string, file: DemoFile): Promise<{ text: string; fits: boolean }> {
  const response = await fetch(url)
  const body = Buffer.from(await response.arrayBuffer())
  if (response.status !== 200) {
    const code = /<Code>(\w+)<\/Code>/.exec(body.toString())?.[1]
    const foretold = file.expectedThumb === undefined && file.contentType !== 'application/pdf'
    return { text: `${response.status} ${code}`, fits: foretold && response.status === 400 && code !== undefined }
  }
  const { width, height, format } = await sharp(body).metadata()
  const { expectedThumb: wanted } = file
  const fits = wanted
    ? width === wanted.width && height === wanted.height && format === wanted.format
    : file.contentType === 'application/pdf' && Math.max(width, height) === BOX
  return { text: `${width}×${height} ${format}`, fits }
}

/** Success is 200 and nothing else. */
async function post<Answer>(url: string, body: FormData | object): Promise<Answer> {
  const json = { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(url, { method: 'POST', ...(body instanceof FormData ? { body } : json) })
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return (await response.json()) as Answer
}

/** Numbers to the right, words to the left. */
function printTable(rows: string[][]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => columnsOf(row[column] ?? ''))))
  for (const row of rows) {
    const cells = row.map((cell, column) => {
      const space = ' '.repeat((widths[column] ?? 0) - columnsOf(cell))
      return column === 1 || column === 4 ? space + cell : cell + space
    })
    console.log(`  ${cells.join('   ')}`.trimEnd())
  }
}

/** A Chinese character takes two columns of a terminal. */
function columnsOf(text: string): number {
  return [...text].reduce((sum, character) => sum + (/[\u2e80-\uffef]/.test(character) ? 2 : 1), 0)
}
