/** C4: `response-…` parameters count only where the signature covers them, and no value of theirs breaks an answer. */
import { type Attache, startAttache } from '../server.ts'
import { signatureOf } from '../v1-signer.ts'
import { exchange, type RawAnswer } from './b-wire.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const NAMES = ['type', 'language', 'cache-control', 'disposition', 'encoding', 'expires']
const parameterOf = (name: string) =>
  name === 'cache-control' || name === 'expires' ? `response-${name}` : `response-content-${name}`
const headerNameOf = (parameter: string) => parameter.slice('response-'.length)

const GOOD = [
  'text/plain; charset=utf-8',
  `attachment; filename="发票.pdf"; filename*=UTF-8''%E5%8F%91%E7%A5%A8.pdf`,
  'inline',
  'zh-CN',
  'no-store',
  'Thu, 01 Jan 2026 00:00:00 GMT',
  'a\tb',
  'x'.repeat(4000),
  '😀',
]
const BAD = ['a\r\nSet-Cookie: x=1', 'a\nb', 'a\rb', 'a\0b', '\x1b[31m', 'a\x7fb', '\r\n\r\n<script>alert(1)</script>']

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const uploaded = await attache.upload('x.pdf', Buffer.from('%PDF-1.4\n%%EOF\n'))
  const { url } = await attache.linkOf(uploaded)
  const wrong: string[] = []
  let asked = 0
  const check = (what: string, held: boolean) => {
    asked++
    if (!held) wrong.push(what)
  }
  for (const name of NAMES.map(parameterOf)) {
    for (const value of [...GOOD, ...BAD]) {
      const unsigned = await get(`${url}&${new URLSearchParams({ [name]: value })}`)
      check(`unsigned ${name}=${value.slice(0, 30)}: ${unsigned.status}`, unsigned.status === 403)
      const answer = await get(signed(attache, uploaded.key, { [name]: value }))
      if (BAD.includes(value)) {
        check(`${name}=${JSON.stringify(value)}: ${answer.status}`, answer.status === 400 && isWhole(answer))
      } else {
        const sent = Buffer.from(headerOf(answer, headerNameOf(name)) ?? '', 'latin1').toString('utf8')
        // What is no media type is not sent as one.
        const wanted = name === 'response-content-type' && !value.includes('/') ? 'application/octet-stream' : value
        check(
          `${name}=${value.slice(0, 30)}: ${answer.status} ${sent.slice(0, 30)}`,
          answer.status === 200 && sent === wanted && guarded(answer),
        )
      }
    }
  }
  const page = await get(
    signed(attache, uploaded.key, { 'response-content-type': 'text/html', 'response-content-disposition': 'inline' }),
  )
  check('a page that the signer asked for', page.status === 200 && guarded(page))
  for (const line of wrong) console.log(line)
  return {
    ok: wrong.length === 0,
    figure: `${asked - wrong.length} of ${asked} held: unsigned 403, signed as it says, control characters 400; a signed text/html still comes sandboxed`,
  }
}

/** By the pair that the operator was shown: callers of the API have no way to sign. */
function signed({ url, bucket, link }: Attache, key: string, overrides: Record<string, string>): string {
  const expires = String(Math.ceil(Date.now() / 1000) + 60)
  const subs: [string, string][] = [['security-token', link.securityToken], ...Object.entries(overrides)]
  const signature = signatureOf(link.accessKeySecret, { bucket, key, expires, signed: [...subs] })
  const query = new URLSearchParams({
    Expires: expires,
    OSSAccessKeyId: link.accessKeyId,
    Signature: signature,
    ...Object.fromEntries(subs),
  })
  return `${url}/${bucket}/${encodeURIComponent(key)}?${query}`
}

async function get(address: string): Promise<RawAnswer> {
  const { port, pathname, search, host } = new URL(address)
  const request = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  const answers = await exchange(Number(port), Buffer.from(request))
  return answers.length === 1 && answers[0] ? answers[0] : { status: 0, head: '', body: Buffer.alloc(0) }
}

function isWhole({ head, body }: RawAnswer): boolean {
  return !/set-cookie/i.test(head) && body.toString().startsWith('<?xml') && !body.includes('<script')
}

function guarded(answer: RawAnswer): boolean {
  return (
    headerOf(answer, 'x-content-type-options') === 'nosniff' &&
    /sandbox/.test(headerOf(answer, 'content-security-policy') ?? '') &&
    (answer.head.match(/^content-(type|disposition):/gim) ?? []).length === 2
  )
}

function headerOf({ head }: RawAnswer, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1]
}

await row('C4', prove)
