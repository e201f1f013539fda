import { type PDFiumDocument, PDFiumLibrary } from '@hyzyla/pdfium'
import { OssFailure } from '../oss/failure.ts'

/** RGBA on white. */
export interface Raster {
  data: Uint8Array
  width: number
  height: number
}

/** The page is drawn into this box, whatever size it claims to be. */
export const PDF_LONG_SIDE = 1600

/**
 * Page one. Plain errors of the library are the document's: damaged, or encrypted. Each document gets its own memory, so
 * nothing of one is left for the next.
 */
export async function renderFirstPage(bytes: Uint8Array): Promise<Raster> {
  const library = await PDFiumLibrary.init()
  const document = await library.loadDocument(bytes)
  try {
    return await renderPage(document)
  } finally {
    document.destroy()
    library.destroy()
  }
}

async function renderPage(document: PDFiumDocument): Promise<Raster> {
  if (document.getPageCount() < 1) throw new OssFailure('ImageDamage')
  const page = document.getPage(0)
  const { originalWidth, originalHeight } = page.getOriginalSize()
  const scale = PDF_LONG_SIDE / Math.max(originalWidth, originalHeight)
  if (!Number.isFinite(scale)) throw new OssFailure('ImageDamage')
  const width = Math.max(1, Math.round(originalWidth * scale))
  const height = Math.max(1, Math.round(originalHeight * scale))
  return page.render({ width, height })
}

/** A trap of WebAssembly: the library's memory can't be trusted after it. */
export function isTrap(error: unknown): boolean {
  return error instanceof Error && error.name === 'RuntimeError'
}
