import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { exists, run } from './programs.ts'
import { bytesOf, formOf, postForm, startAttache, UPLOAD } from './server.ts'

const BAD_NAME = '参数name不能为空，且必须为合法的文件名'

const attache = await startAttache()
after(() => attache.stop())
const token = attache.token()

const NAMES: [string, string][] = [
  ['with all that URLs escape', "a b+c%20d&e=f(1)~'!.pdf"],
  ['with what URLs, headers and shells read as their own', '#100%;a=b,c@d$e[f]{g}^`h.txt'],
  ['that is an emoji family', '👨‍👩‍👧‍👦🧾.png'],
  ['of 250 bytes of Chinese', `${'附'.repeat(82)}.txt`],
  ['of the longest 255 bytes', `${'a'.repeat(251)}.txt`],
  ['in composed form', 'café é.txt'.normalize('NFC')],
  ['in decomposed form', 'café é.txt'.normalize('NFD')],
  ['with hyphens of its own', '-2020-09-03-发票-.docx'],
  ['without an extension', 'README'],
  ['that begins with a dot', '.hidden'],
  ['with spaces at both ends', ' 空格 .txt '],
  ['of right-to-left letters', 'فاتورة-חשבונית.pdf'],
]

for (const [what, name] of NAMES) {
  test(`keeps a name ${what}, byte by byte`, async () => {
    const bytes = randomBytes(100)
    const uploaded = await attache.upload(name, bytes)
    assert.equal(uploaded.fileName, name)
    assert.equal(uploaded.key.split('-').slice(5).join('-'), name)
    const link = await attache.linkOf(uploaded)
    assert.equal(link.key, uploaded.key)
    assert.ok(/^[\w:/.?&=%-]+$/.test(link.url), link.url)
    const response = await fetch(link.url)
    assert.equal(response.status, 200)
    assert.ok(bytes.equals(await bytesOf(response)))
    const disposition = response.headers.get('content-disposition') ?? ''
    const written = /^(?:inline|attachment); filename="[ -~]*"; filename\*=UTF-8''([\w.~%-]+)$/.exec(disposition)?.[1]
    assert.equal(decodeURIComponent(written ?? ''), name, disposition)
  })
}

test('tells names apart that differ in composition alone', async () => {
  const twins = ['é.txt'.normalize('NFC'), 'é.txt'.normalize('NFD')]
  const contents = twins.map((name) => Buffer.from(`${name.length}`))
  const uploads = await Promise.all(twins.map((name, i) => attache.upload(name, Buffer.from(`${i}${contents[i]}`))))
  const read = await Promise.all(uploads.map(async (one) => bytesOf(await fetch((await attache.linkOf(one)).url))))
  assert.deepEqual(read.map(String), ['05', '16'])
})

const BAD_NAMES: [string, string][] = [
  ...[...'?\\/*<>:"|'].map((character): [string, string] => [`with ${character}`, `a${character}b.txt`]),
  ['of nothing', ''],
  ['of one dot', '.'],
  ['of two dots', '..'],
  ['with a NUL', 'a\0b.txt'],
  ['with a tab', 'a\tb.txt'],
  ['with a line break', 'a\r\nb.txt'],
  ['of 256 bytes', `${'a'.repeat(252)}.txt`],
  ['of 86 Chinese characters, 258 bytes', '附'.repeat(86)],
]

for (const [what, name] of BAD_NAMES) {
  test(`refuses a name ${what} with the published sentence`, async () => {
    const response = await postForm(attache.url, await token, formOf(name, Buffer.from('x')))
    const body = (await response.json()) as { errorCode: number; errorMessage: string }
    assert.deepEqual([response.status, body.errorCode, body.errorMessage], [400, 400, BAD_NAME])
  })
}

test('refuses a name in GBK rather than store another one', async () => {
  const gbk = Buffer.from([0xb7, 0xa2, 0xc6, 0xb1]) // 发票
  const response = await fetch(`${attache.url}${UPLOAD}?accessToken=${await token}`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=edge' },
    body: Buffer.concat([
      Buffer.from('--edge\r\nContent-Disposition: form-data; name="name"\r\n\r\n'),
      gbk,
      Buffer.from('\r\n--edge\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nx\r\n--edge--\r\n'),
    ]),
  })
  assert.equal(response.status, 400)
  assert.equal(((await response.json()) as { errorMessage: string }).errorMessage, BAD_NAME)
})

test('names a saved file for curl in ASCII, for Python in full', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'attache-saved-'))
  t.after(() => rm(directory, { recursive: true }))
  const bytes = randomBytes(100_000)
  const { url } = await attache.linkOf(await attache.upload('kotlin简介.docx', bytes))
  if (await exists('curl')) {
    await run('curl', ['-sSfOJ', url], { cwd: directory })
    assert.deepEqual(await readdir(directory), ['kotlin__.docx'])
    assert.ok(bytes.equals(await readFile(join(directory, 'kotlin__.docx'))))
  } else t.diagnostic('no curl on this machine')
  if (await exists('python3')) {
    const { stdout } = await run('python3', ['-c', PYTHON, url])
    assert.equal(stdout.trim(), `'kotlin\\u7b80\\u4ecb.docx' ${bytes.length}`)
  } else t.diagnostic('no python3 on this machine')
})

const PYTHON = `
import sys, urllib.parse, urllib.request
response = urllib.request.urlopen(sys.argv[1])
name = response.headers["Content-Disposition"].partition("filename*=UTF-8''")[2]
print(ascii(urllib.parse.unquote(name)), len(response.read()))`
