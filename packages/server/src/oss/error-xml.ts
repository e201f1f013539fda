import type { OssFailure } from './failure.ts'
import { xmlOf } from './xml.ts'

export interface ErrorContext {
  requestId: string
  /** The request's own Host header. */
  host: string
  now: number
}

/** The error body of OSS (OSS.md 1.6). */
export function errorXml(failure: OssFailure, context: ErrorContext): string {
  const elements: [string, string][] = [
    ['Code', failure.wireCode],
    ['Message', failure.message],
    ['RequestId', context.requestId],
    ['HostId', context.host],
    ...Object.entries(failure.elements),
  ]
  if (failure.code === 'Expired') elements.push(['ServerTime', new Date(context.now).toISOString()])
  if (failure.ec) {
    elements.push(['EC', failure.ec], ['RecommendDoc', `https://api.aliyun.com/troubleshoot?q=${failure.ec}`])
  }
  return xmlOf('Error', elements)
}
