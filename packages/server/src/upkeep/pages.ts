import type { AttachmentRecord, AttachmentRecords } from '../records/record-store.ts'

const PAGE = 500

/** Every attachment by its id, a page at a time; one that comes or goes meanwhile may be seen or not. */
export async function* attachmentPages(records: Pick<AttachmentRecords, 'page'>): AsyncGenerator<AttachmentRecord[]> {
  for (let after: string | undefined; ; ) {
    const page = await records.page(after, PAGE)
    if (page.length === 0) return
    yield page
    after = page.at(-1)?.fileId
  }
}

/** Works on all of `items`, at most `limit` at a time; the first failure ends it once those under way have ended. */
export async function inParallel<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  const failures: unknown[] = []
  async function lane(): Promise<void> {
    for (let next = rest.next(); !next.done && failures.length === 0; next = rest.next()) {
      await work(next.value).catch((failure: unknown) => failures.push(failure))
    }
  }
  await Promise.all(Array.from({ length: limit }, lane))
  if (failures.length > 0) throw failures[0]
}
