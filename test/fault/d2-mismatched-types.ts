/**
 * D2: a file whose bytes and name disagree is served by its bytes, to be saved unless the bytes are a picture or a PDF; the
 * name alone never makes it more. Nothing is written down of the disagreement. Where uploads are looked through, EICAR is
 * refused, and all of them while the scanner is gone.
 */

import { halfTransparentPng, plain, threeFrameGif, twoPagePdf } from '../pictures.ts'
import { bytesOf, startAttache } from '../server.ts'
import { row, type Stage, type Verdict } from './stage.ts'
import { suites } from './suites.ts'

const NAMES = [
  'a.jpg',
  'a.png',
  'a.gif',
  'a.webp',
  'a.pdf',
  'a.html',
  'a.htm',
  'a.svg',
  'a.xml',
  'a.js',
  'a.css',
  'a.txt',
  'a.csv',
  'a.json',
  'a.md',
  'a.docx',
  'a.xlsx',
  'a.zip',
  'a.exe',
  'a.sh',
  'a.ofd',
  'a',
  'a.constructor',
  'a.',
  'a.PNG',
  'a.jpg.html',
  'a.html.jpg',
]
const SHOWN = /^(image\/(jpeg|png|gif|webp)|application\/pdf)$/
const ACTIVE = /html|svg|javascript|ecmascript|css|xslt|x-sh|x-msdownload|text\/xml|application\/xml/

async function contents(): Promise<[string, string | undefined, Buffer][]> {
  return [
    ['a JPEG', 'image/jpeg', await plain(40, 30).jpeg().toBuffer()],
    ['a PNG', 'image/png', await halfTransparentPng()],
    ['a GIF', 'image/gif', await threeFrameGif()],
    ['a WebP', 'image/webp', await plain(40, 30).webp().toBuffer()],
    ['a PDF', 'application/pdf', twoPagePdf()],
    ['a page', undefined, Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['an SVG', undefined, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>')],
    ['a script', undefined, Buffer.from('#!/bin/sh\nrm -rf /\n')],
    ['a program of Windows', undefined, Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200)])],
    ['a program of Linux', undefined, Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(200)])],
    ['a ZIP', undefined, Buffer.from('PK\x03\x04\x14\0\x06\0\x08\0', 'latin1')],
    ['a script that begins as a GIF', 'image/gif', Buffer.from('GIF89a/*\0\0*/=alert(1)')],
    [
      'EICAR',
      undefined,
      Buffer.from(['X5O!P%@AP[4\\PZX54(P^)7CC)7}$', 'EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('')),
    ],
    ['nothing', undefined, Buffer.alloc(0)],
    ['text', undefined, Buffer.from('发票')],
  ]
}

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory, env: { ATTACHE_DURABILITY: 'relaxed' } })
  defer(() => attache.stop())
  const wrong: string[] = []
  let [asked, mismatched] = [0, 0]
  for (const [what, shownAs, bytes] of await contents()) {
    for (const name of NAMES) {
      asked++
      const response = await fetch((await attache.linkOf(await attache.upload(name, Buffer.from(bytes)))).url)
      const got = await bytesOf(response)
      const type = response.headers.get('content-type') ?? ''
      const inline = response.headers.get('content-disposition')?.startsWith('inline') ?? true
      const faults = [
        inline !== (shownAs !== undefined) && (inline ? 'is shown' : 'is not shown'),
        shownAs !== undefined && type !== shownAs && `is said to be ${type}`,
        shownAs === undefined && SHOWN.test(type) && `is said to be ${type}`,
        ACTIVE.test(type) && `is said to be ${type}`,
        response.headers.get('x-content-type-options') !== 'nosniff' && 'may be sniffed',
        !got.equals(bytes) && 'came back otherwise',
      ].filter(Boolean)
      if (shownAs !== undefined && !name.toLowerCase().endsWith(shownAs.slice(-3))) mismatched++
      if (faults.length > 0) wrong.push(`${what} called ${name} ${faults.join(', ')}`)
    }
  }
  const scan = await suites({ files: ['test/scan.test.ts'], alone: true })
  for (const line of wrong) console.log(line)
  const figure = `${asked} combinations of bytes and names, ${mismatched} pictures and PDFs under other names: ${wrong.length} served as more than their bytes are; EICAR refused, nothing taken in while a scanner is gone: ${scan.figure}`
  return { ok: wrong.length === 0 && scan.ok, figure }
}

await row('D2', prove)
