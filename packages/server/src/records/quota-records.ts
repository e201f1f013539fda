/** What corporations may use, and what they do. */
export interface QuotaRecords {
  /** Corporations with limits of their own; there are few. */
  all(): Promise<CorporationQuota[]>
  /** False when there is no such corporation. */
  set(quota: CorporationQuota, at: number): Promise<boolean>
  /** What the records of all nodes say at this moment; zeros for a corporation without attachments. */
  usage(corporationId: string): Promise<CorporationUsage>
  /** Counts anew, where something wrote without counting; uploads wait for it. */
  recount(corporationId: string): Promise<CorporationUsage>
}

/** `null` is the default of the settings, `UNLIMITED` no limit. */
export interface CorporationQuota {
  corporationId: string
  bytes: number | null
  attachments: number | null
  requestsPerMinute: number | null
  linksPerMinute: number | null
  thumbnailsPerMinute: number | null
}

export const UNLIMITED = -1

export interface CorporationUsage {
  corporationId: string
  bytes: number
  attachments: number
}
