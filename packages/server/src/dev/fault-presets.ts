import { PATHS } from '@attache/protocol'
import type { Fault } from './faults.ts'

export const PRESETS = ['expired-token', 'batch-too-big', 'storage-503', 'slow-link', 'stall'] as const

export type Preset = (typeof PRESETS)[number]

export function isPreset(name: unknown): name is Preset {
  return PRESETS.some((preset) => preset === name)
}

const { getAccessToken, location, updateDocument, ...WITH_TOKEN } = PATHS

/** What has gone wrong for real callers, under a name. */
export function presetFault(preset: Preset, bucket: string): Fault {
  const links = `/${bucket}/*`
  switch (preset) {
    // A token that was good a moment ago: callers have to take a new one and ask again.
    case 'expired-token':
      return { path: [...Object.values(WITH_TOKEN), updateDocument.replace(':dollarFlowId', '$*')], status: 403 }
    // A refusal that is no JSON: seen in the wild, where a parser's own error hid the sentence.
    case 'batch-too-big':
      return {
        path: [PATHS.downloadUrls, PATHS.documentAttachments],
        status: 400,
        as: 'text',
        message: '单次请求的数量超过上限100，请分批请求',
      }
    case 'storage-503':
      return { path: [PATHS.upload, links], status: 503, retryAfterSeconds: 1 }
    case 'slow-link':
      return { path: links, method: 'GET', bytesPerSecond: 64 * 1024 }
    case 'stall':
      return { path: links, method: 'GET', stallAfterBytes: 1024 }
  }
}
