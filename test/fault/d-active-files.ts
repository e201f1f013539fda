/** Files that would run a script where a browser is careless; each tells the witness that it ran. */

export interface ActiveFile {
  name: string
  bytes: Buffer
}

/**
 * A PDF's own script runs in the browser's viewer, whatever the headers say. There it has neither a page nor a network: it shows
 * what it found of them, and tries to get out.
 */
export const VIEWER_SAYS = 'VIEWER'
const REACH = ['document', 'window', 'fetch', 'XMLHttpRequest', 'localStorage', 'WebSocket', 'importScripts', 'require']

/** `witness` is an address; what is asked for there has run. */
export function activeFiles(witness: string): ActiveFile[] {
  const script = `try{console.log('RAN')}catch(e){};try{fetch('${witness}?fetch')}catch(e){};try{new Image().src='${witness}?image'}catch(e){};try{alert('RAN')}catch(e){}`
  const escaped = script.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="${escaped.replaceAll('"', '&quot;')}"><script>${escaped}</script><foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x" onerror="${escaped}"/></body></foreignObject><a xlink:href="javascript:${escaped}"><text y="20">x</text></a></svg>`
  const html = `<!doctype html><title>x</title><script>${script}</script><img src=x onerror="${script}"><iframe srcdoc="<script>${script}</script>"></iframe><meta http-equiv=refresh content="0;url=javascript:${script}">`
  const xhtml = `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><script>${escaped}</script></head><body onload="${escaped}"/></html>`
  const xslt = `<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="#s"?><!DOCTYPE d [<!ATTLIST xsl:stylesheet id ID #REQUIRED>]><d><xsl:stylesheet id="s" version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/"><html><script>${escaped}</script></html></xsl:template></xsl:stylesheet></d>`
  const mhtml = `From: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\nContent-Type: text/html\r\nContent-Location: http://x/\r\n\r\n${html}\r\n--b--\r\n`
  const gifScript = Buffer.concat([Buffer.from('GIF89a/*', 'latin1'), Buffer.alloc(20), Buffer.from(`*/=1;${script}`)])
  const jpegHtml = Buffer.concat([Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'), Buffer.from(html)])
  const bmpScript = Buffer.concat([Buffer.from('BM/*', 'latin1'), Buffer.alloc(20), Buffer.from(`*/=1;${script}`)])
  const reach = REACH.map((name) => `typeof ${name}=='undefined'?'':'${name}'`).join(`)+' '+(`)
  const out = ['submitForm', 'getURL', 'mailDoc', 'importTextData'].map(
    (call) => `try{this.${call}('${witness}?pdf')}catch(e){}`,
  )
  const pdf = pdfWith(
    `app.alert(('${VIEWER_SAYS} '+(${reach})).trim());${out.join(';')};try{app.launchURL('${witness}?pdf')}catch(e){}`,
  )
  const named = (bytes: Buffer | string, ...names: string[]) =>
    names.map((name) => ({ name, bytes: Buffer.from(bytes) }))
  return [
    ...named(svg, 'a.svg', 'a.svgz', 'a.xml', 'svg.png', 'svg.txt', 'svg.html'),
    ...named(
      html,
      'a.html',
      'a.htm',
      'html.png',
      'html.jpg',
      'html.pdf',
      'html.txt',
      'html.csv',
      'html.json',
      'html.md',
      'html',
      'a.html.docx',
      'a.shtml',
    ),
    ...named(`\ufeff${html}`, 'bom.html', 'bom.txt'),
    ...named(Buffer.from(html, 'utf16le'), 'utf16.html', 'utf16.txt'),
    ...named(`  \n<!-- x -->${html}`, 'spaced.gif', 'spaced.xls'),
    ...named(xhtml, 'a.xhtml', 'a.xht', 'xhtml.xml', 'xhtml.png'),
    ...named(xslt, 'a.xsl', 'a.xslt', 'xslt.xml'),
    ...named(mhtml, 'a.mht', 'a.mhtml', 'a.eml'),
    ...named(pdf, 'a.pdf', 'pdf.html', 'pdf.js'),
    ...named(gifScript, 'gif.gif', 'gif.js', 'gif.html'),
    ...named(jpegHtml, 'jpeg.jpg', 'jpeg.html'),
    ...named(bmpScript, 'bmp.bmp', 'bmp.js'),
    ...named(script, 'a.js', 'a.mjs', 'script.png', 'script.json', 'script.txt', 'script.css'),
    ...named(`self.addEventListener('fetch',()=>{});${script}`, 'sw.js'),
    ...named(`PK\x03\x04${html}`, 'zip.zip', 'zip.html', 'zip.docx'),
    ...named(`%PDF-1.4\n${html}`, 'pdfhtml.pdf', 'pdfhtml.html'),
    ...named(`CACHE MANIFEST\n${html}`, 'a.appcache', 'a.manifest', 'a.swf', 'a.hta', 'a.url'),
  ]
}

function pdfWith(script: string): Buffer {
  const objects = [
    `<</Type/Catalog/Pages 2 0 R/OpenAction<</S/JavaScript/JS(${script.replace(/[()\\]/g, '\\$&')})>>>>`,
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>',
  ]
  const body = objects.map((object, n) => `${n + 1} 0 obj\n${object}\nendobj\n`).join('')
  return Buffer.from(`%PDF-1.4\n${body}trailer\n<</Size 4/Root 1 0 R>>\n%%EOF\n`)
}
