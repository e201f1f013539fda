/**
 * D1: what users upload runs no script in Chromium, opened or embedded, and every answer carries the headers that see to it.
 * The script of a PDF is told apart: it runs in the browser's own viewer, and must find neither a page nor a way out there.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Attache, type Link, startAttache } from '../server.ts'
import { signatureOf } from '../v1-signer.ts'
import { type ActiveFile, activeFiles, VIEWER_SAYS } from './d-active-files.ts'
import { type Hear, listening } from './d-browser.ts'
import { NotHere, row, type Stage, type Verdict } from './stage.ts'

/** How long an attack is listened to at least; longer where what must run takes longer to speak. */
const LEAST: Patience = { page: 60, viewer: 1500 }
/** Times as long for what must run, on a machine that is slow. */
const PATIENT = 10
/** Served with these types and no guard, their scripts must run: else the row would see nothing. */
const CARELESS: Record<string, string> = {
  'a.html': 'text/html',
  'a.svg': 'image/svg+xml',
  'a.xhtml': 'application/xhtml+xml',
  'xslt.xml': 'application/xml',
  'a.pdf': 'application/pdf',
}
const GUARDS: Record<string, RegExp> = {
  'x-content-type-options': /^nosniff$/,
  'content-security-policy': /^default-src 'none'; sandbox$/,
  'cross-origin-resource-policy': /./,
  'referrer-policy': /^no-referrer$/,
}
const SHOWN = /^(image\/(jpeg|png|gif|webp)|application\/pdf)$/

/** A server of ours on another origin: keeps who called, and gives pages that embed what they are told to. */
interface Witness {
  url: string
  calls: string[]
  page: string | Buffer
  type: string
}

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const witness = await openWitness(defer)
  const files = activeFiles(`${witness.url}/ran`)
  const links: Link[] = []
  for (const { name, bytes } of files) links.push(await attache.linkOf(await attache.upload(name, Buffer.from(bytes))))
  const bare = await unguarded(links)
  const controls = await listening(witness.calls, (hear) => carelessly(hear, { witness, files }))
  if (controls === undefined)
    throw new NotHere('no /usr/bin/chromium: apt-get install --no-install-recommends chromium')
  const { unheard, patience } = controls
  if (unheard.length > 0) throw new Error(`not heard, though it must run: ${unheard.join(', ')}`)
  // Another browser: nothing of those can still be running in it.
  const seen = await listening(witness.calls, (hear) => opened(hear, { attache, witness, links, files, patience }))
  if (seen === undefined) throw new Error('Chromium has gone')
  for (const line of [...seen.ran, ...bare]) console.log(line)
  const figure = `${files.length} active files, ${seen.visits} visits (opened, embedded 7 ways, opened as a signed text/html): ${seen.ran.length} scripts ran; ${seen.inViewer} visits ran a PDF's script in the viewer, where it reached nothing; ${bare.length} answers without a guard; ${Object.keys(CARELESS).length} of the files served carelessly all ran, at the latest after ${Math.round(controls.latest.page)} ms, in the viewer ${Math.round(controls.latest.viewer)} ms, and so long at least every attack was listened to`
  return { ok: seen.ran.length === 0 && bare.length === 0, figure }
}

async function openWitness(defer: Stage['defer']): Promise<Witness> {
  const witness: Witness = { url: '', calls: [], page: '', type: 'text/html' }
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/ran')) witness.calls.push(request.url)
    response
      .setHeader('content-type', witness.type)
      .setHeader('access-control-allow-origin', '*')
      .end(request.url === '/page' ? witness.page : '')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  defer(() => {
    server.closeAllConnections()
    server.close()
  })
  witness.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return witness
}

/** Answers of every kind about each file that lack a header, or show what may not be shown. */
async function unguarded(links: readonly Link[]): Promise<string[]> {
  const wrong: string[] = []
  for (const { key, url, thumbUrl } of links) {
    const kinds: [string, string, RequestInit][] = [
      ['whole', url, {}],
      ['part', url, { headers: { range: 'bytes=0-3' } }],
      ['head', url, { method: 'HEAD' }],
      ['unchanged', url, { headers: { 'if-none-match': '*' } }],
      ['beyond', url, { headers: { range: 'bytes=99999999-' } }],
      ['thumbnail', thumbUrl, {}],
      ['forged', url.replace('Signature=', 'Signature=x'), {}],
      ['unsigned', url.replace(/\?.*/, ''), {}],
    ]
    for (const [kind, address, init] of kinds) {
      const response = await fetch(address, init)
      await response.arrayBuffer()
      for (const [name, wanted] of Object.entries(GUARDS)) {
        if (!wanted.test(response.headers.get(name) ?? ''))
          wrong.push(`${kind} of ${key.slice(-12)}: ${name} is ${response.headers.get(name)}`)
      }
      const type = response.headers.get('content-type') ?? ''
      const inline = /^inline/.test(response.headers.get('content-disposition') ?? '')
      if (inline && !SHOWN.test(type)) wrong.push(`${kind} of ${key.slice(-12)}: ${type} inline`)
      if (/html|svg|javascript|xhtml|x-shockwave/.test(type)) wrong.push(`${kind} of ${key.slice(-12)}: ${type}`)
    }
  }
  return wrong
}

interface Visit {
  attache: Attache
  witness: Witness
  files: readonly ActiveFile[]
  /** In the order of the files. */
  links: readonly Link[]
  patience: Patience
}

/** How long to listen, in milliseconds. */
interface Patience {
  page: number
  viewer: number
}

/** The files that must run and were not heard, and how long those took that were. */
async function carelessly(hear: Hear, { witness, files }: Pick<Visit, 'witness' | 'files'>) {
  const unheard: string[] = []
  const latest: Patience = { page: 0, viewer: 0 }
  for (const { name, bytes } of files) {
    const type = CARELESS[name]
    if (type === undefined) continue
    ;[witness.page, witness.type] = [bytes, type]
    const address = `${witness.url}/page`
    const where = placeOf(bytes)
    let heard = await hear(address, LEAST[where])
    if (heard.words === '') heard = await hear(address, PATIENT * LEAST[where])
    if (heard.words === '') unheard.push(name)
    else latest[where] = Math.max(latest[where], heard.afterMs)
  }
  const patience = {
    page: Math.max(LEAST.page, latest.page),
    viewer: Math.max(LEAST.viewer, latest.viewer),
  }
  return { unheard, latest, patience }
}

async function opened(hear: Hear, { attache, witness, files, links, patience }: Visit) {
  const ran: string[] = []
  let [visits, inViewer] = [0, 0]
  /** Keeps what was heard, but for a PDF's script that says that it found nothing. */
  const visit = async (what: string, { address, settleMs }: { address: string; settleMs: number }) => {
    visits++
    const { words } = await hear(address, settleMs)
    const rest = words.replaceAll(`dialog ${VIEWER_SAYS} `, '')
    if (rest !== words) inViewer++
    if (rest !== '') ran.push(`${what}: ${rest}`)
  }

  witness.type = 'text/html'
  for (const [index, { key, url }] of links.entries()) {
    const { name, bytes } = files[index] as ActiveFile
    const settleMs = patience[placeOf(bytes)]
    await visit(`${name} opened`, { address: url, settleMs })
    await visit(`${name} opened as a page`, { address: asPage(attache, key), settleMs })
    witness.page = embedding(url)
    await visit(`${name} embedded`, { address: `${witness.url}/page`, settleMs })
  }
  return { ran, visits, inViewer }
}

function placeOf(bytes: Buffer): keyof Patience {
  return bytes.subarray(0, 4).equals(Buffer.from('%PDF')) ? 'viewer' : 'page'
}

function embedding(url: string): string {
  const address = url.replaceAll('&', '&amp;')
  return `<!doctype html><img src="${address}"><iframe src="${address}"></iframe><object data="${address}"></object><embed src="${address}">
    <script src="${address}"></script><link rel="stylesheet" href="${address}"><script type="module">import('${url}').catch(() => {})</script>`
}

/** Worse than any caller can: signed by the operator's pair to be shown as HTML. */
function asPage({ url, bucket, link }: Attache, key: string): string {
  const expires = String(Math.ceil(Date.now() / 1000) + 600)
  const signed: [string, string][] = [
    ['security-token', link.securityToken],
    ['response-content-type', 'text/html'],
    ['response-content-disposition', 'inline'],
  ]
  const signature = signatureOf(link.accessKeySecret, { bucket, key, expires, signed: [...signed] })
  const query = new URLSearchParams({
    Expires: expires,
    OSSAccessKeyId: link.accessKeyId,
    Signature: signature,
    ...Object.fromEntries(signed),
  })
  return `${url}/${bucket}/${encodeURIComponent(key)}?${query}`
}

await row('D1', prove)
