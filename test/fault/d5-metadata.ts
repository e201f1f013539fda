/** D5: what a camera wrote into a picture is not in its thumbnail. */
import sharp, { type Sharp } from 'sharp'
import { plain } from '../pictures.ts'
import { bytesOf, startAttache } from '../server.ts'
import { row, type Stage, type Verdict } from './stage.ts'

const OWNER = 'canary-owner-of-the-camera'
const XMP = `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="${OWNER}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`

function marked(picture: Sharp): Sharp {
  const exif = {
    IFD0: { Copyright: OWNER, Artist: OWNER, Make: OWNER },
    IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '31/1 13/1 49/1', GPSLongitudeRef: 'E', GPSLongitude: '121/1 28/1 25/1' },
  }
  return picture.withExif(exif).withXmp(XMP)
}

const SOURCES: [string, () => Promise<Buffer>][] = [
  ['a.jpg', () => marked(plain(400, 300)).jpeg().toBuffer()],
  ['a.png', () => marked(plain(400, 300)).png().toBuffer()],
  ['a.webp', () => marked(plain(400, 300)).webp().toBuffer()],
  ['small.jpg', () => marked(plain(50, 30)).jpeg().toBuffer()],
  [
    'turned.jpg',
    () =>
      marked(plain(300, 200))
        .withMetadata({ orientation: 6 })
        .withExifMerge({ IFD0: { Copyright: OWNER } })
        .jpeg()
        .toBuffer(),
  ],
  ['commented.jpg', async () => commented(await plain(400, 300).jpeg().toBuffer())],
]

/** With a comment segment behind the first two bytes. */
function commented(jpeg: Buffer): Buffer {
  const text = Buffer.from(OWNER)
  const head = Buffer.from([0xff, 0xfe, 0, text.length + 2])
  return Buffer.concat([jpeg.subarray(0, 2), head, text, jpeg.subarray(2)])
}

async function prove({ directory, defer }: Stage): Promise<Verdict> {
  const attache = await startAttache({ data: directory })
  defer(() => attache.stop())
  const wrong: string[] = []
  for (const [name, make] of SOURCES) {
    const original = await make()
    if (!original.includes(OWNER) && !original.includes(Buffer.from(OWNER).toString('latin1')))
      throw new Error(`${name} carries no mark`)
    const { thumbUrl } = await attache.linkOf(await attache.upload(name, Buffer.from(original)))
    const response = await fetch(thumbUrl)
    const thumbnail = await bytesOf(response)
    if (response.status !== 200) wrong.push(`${name}: ${response.status}`)
    const { exif, xmp, iptc, icc, orientation } = await sharp(thumbnail).metadata()
    const kept = Object.entries({ exif, xmp, iptc, orientation }).flatMap(([kind, value]) =>
      value === undefined ? [] : [kind],
    )
    if (thumbnail.includes('canary') || thumbnail.includes('GPS') || thumbnail.includes('Exif')) kept.push('a mark')
    if (kept.length > 0) wrong.push(`${name}: ${kept}${icc ? ', icc' : ''}`)
  }
  for (const line of wrong) console.log(line)
  return {
    ok: wrong.length === 0,
    figure: `${SOURCES.length} pictures with owner, place, XMP or a comment: ${wrong.length} thumbnails that keep any of it`,
  }
}

await row('D5', prove)
