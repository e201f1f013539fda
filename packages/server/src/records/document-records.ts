/** Documents and what stands beside their forms. A removed one stays as an empty shell, so that its id and code still say that it was there. */
export interface DocumentRecords {
  /**
   * Adds a document, with the code it brings or with the next free one of its series. Of two that are added at once each
   * gets a code of its own; a refused one uses none up. Says what is taken instead of adding.
   */
  add(document: NewDocument): Promise<DocumentRecord | 'code-taken' | 'outer-code-taken'>
  byId(flowId: string): Promise<DocumentRecord | undefined>
  byCode(corporationId: string, code: string): Promise<DocumentRecord | undefined>
  /** One query, whatever the number of ids, and no form is read; in no order, unknown ones left out. */
  listings(flowIds: readonly string[]): Promise<DocumentListing[]>
  /** Puts the document in the place of the version before its own; `stale` when that isn't the one there any more. */
  replace(document: DocumentRecord): Promise<'replaced' | 'stale' | 'outer-code-taken'>
  /** Empties the document and frees its outerCode; false when there is none that is still active. */
  remove(corporationId: string, code: string, at: number): Promise<boolean>
}

export interface DocumentRecord {
  flowId: string
  corporationId: string
  /** Unique in the corporation. */
  code: string
  /** Unique in the corporation. */
  outerCode: string | null
  state: 'draft' | 'approving'
  formType: string
  /** 1, then one more with each change. */
  version: number
  /** JSON, as it was spelt. */
  form: string
  /** JSON: the attachments in the form, the logs and the receipts, and where they stand. */
  attachments: string
  /** JSON, as it was spelt. */
  logs: string
  createdAt: number
  updatedAt: number
  deletedAt: number | null
}

export type DocumentListing = Pick<
  DocumentRecord,
  'flowId' | 'corporationId' | 'code' | 'formType' | 'attachments' | 'deletedAt'
>

export interface NewDocument extends Omit<DocumentRecord, 'code' | 'form' | 'version' | 'updatedAt' | 'deletedAt'> {
  code: string | CodeSeries
  form(code: string): string
}

/** Codes that are counted for each corporation from 1 up. */
export interface CodeSeries {
  year: number
  spell(count: number): string
}
