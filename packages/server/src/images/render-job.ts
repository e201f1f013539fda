import type { OssFailureCode } from '../oss/failure.ts'
import type { ImageOperation } from '../oss/process.ts'

/** What a renderer is started with. */
export interface RendererSettings {
  /** Width × height × frames that a source may decode to. */
  maxPixels: number
  /** AVIF decodes at up to 20 bytes a pixel, so it is off unless asked for, and bounded more tightly. */
  avif: boolean
}

/** `size` is in bytes and not nought; `bytes` is called at most once, each of its chunks good until the next one is asked for. */
export interface JobSource {
  size: number
  /** Lower-case hex. Of bytes that have another one nothing is made. */
  sha256: string | undefined
  bytes(): AsyncIterable<Uint8Array>
}

/**
 * To the renderer, which then finds exactly `size` bytes on its standard input: as a message, 30 MiB would stand in the
 * server's memory several times and hold up its loop for 36 ms.
 */
export interface JobHeader {
  size: number
  sha256: string | undefined
  operations: ImageOperation[]
}

/** From the renderer: once when it can work, then one reply for each job. */
export type RendererMessage = { kind: 'ready' } | RenderReply

export type RenderReply =
  | { kind: 'image'; body: Uint8Array; contentType: string }
  | { kind: 'failure'; code: OssFailureCode; message: string; elements: Record<string, string> }
  | { kind: 'fault'; message: string }
