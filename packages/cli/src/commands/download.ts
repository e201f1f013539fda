import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type DownloadLink, type NodeClient, safeFileName } from '@attache/client/node'
import { textOf, wholeOf } from '../arguments.ts'
import type { Context } from '../context.ts'
import { eachOf } from '../each.ts'
import { EXIT, type ExitCode, exitCodeOf, worst } from '../exit-codes.ts'
import { CliError, isClientError, toldOf } from '../failures.ts'
import { type Progress, progress } from '../progress.ts'
import { type NamedRef, refsOf } from '../refs.ts'
import { session } from '../session.ts'
import { printable } from '../words.ts'

interface Target extends NamedRef {
  path: string
  exists: boolean
  link?: DownloadLink
}

/** `download`: each attachment whole and checked, or not at all; a `.part` that broke off is gone on with. */
export async function download(context: Context): Promise<ExitCode> {
  const { output, say, values, signal } = context
  const concurrency = wholeOf(values, 'concurrency', say) ?? 4
  const client = await session(context)
  const all = await targetsOf(await refsOf(client, context), textOf(values, 'output') ?? '.')
  refuseExisting(all, context)
  const wanted = all.filter(({ exists }) => !exists || values['force'] === true)
  for (const { id, key, fileName, path } of all.filter((target) => !wanted.includes(target)))
    output.result({ type: 'file', status: 'kept', id, key, fileName, path })
  const { links, missing } = await client.downloadUrls(wanted, { signal })
  const codes = new Set<ExitCode>()
  for (const { id, key, fileName } of missing) {
    codes.add(EXIT.notFound)
    output.result({ type: 'file', status: 'missing', id, key, fileName })
    output.note(`${say({ en: 'not found', zh: '不存在' })}: ${printable(`${id}:${key}`)}`)
  }
  const unknown = new Set(missing)
  const found = wanted.filter((target) => !unknown.has(target))
  const shown = progress(context)
  shown.expect({ files: found.length })
  try {
    await eachOf(
      found.map((target, index) => ({ target, link: links[index] })),
      concurrency,
      async ({ target, link }) => {
        codes.add(await save(target, { client, link, shown }, context))
      },
    )
  } finally {
    shown.stop()
  }
  return worst(codes)
}

async function save(
  { id, key, fileName, path }: Target,
  { client, link, shown }: { client: NodeClient; link: DownloadLink | undefined; shown: Progress },
  { output, say, signal }: Context,
): Promise<ExitCode> {
  const ref = { id, key }
  try {
    const onProgress = ({ bytes, total }: { bytes: number; total: number | undefined }) =>
      shown.file(path, bytes, total)
    const { size, sha256, resumedFrom } = await client.downloadFile(link ?? ref, path, { signal, onProgress })
    shown.done(path, size)
    const facts = { fileName, path, size, sha256, ...(resumedFrom > 0 && { resumedFrom }) }
    output.result({ type: 'file', status: 'saved', ...ref, ...facts }, path)
    return EXIT.ok
  } catch (error) {
    if (signal.aborted || !isClientError(error) || error.kind === 'unauthorized') throw error
    shown.done(path)
    const told = toldOf(error, say)
    const status = error.kind === 'not-found' ? 'missing' : 'failed'
    output.result({ type: 'file', status, ...ref, fileName, path, reason: error.kind, message: told.message })
    output.note(`${say({ en: 'failed', zh: '失败' })}: ${printable(path)}: ${told.message}`)
    const code = exitCodeOf(error)
    return code === EXIT.notFound || code === EXIT.integrity ? code : EXIT.partial
  }
}

/** A path for each attachment, once; two of the same name get two paths. */
async function targetsOf(refs: readonly NamedRef[], directory: string): Promise<Target[]> {
  const taken = new Set<string>()
  const once = new Map(refs.map((ref) => [`${ref.id}\0${ref.key}`, ref]))
  const targets: Target[] = []
  for (const ref of once.values()) {
    const path = join(directory, freeName(safeFileName(ref.fileName), taken))
    const exists = await stat(path).then(
      () => true,
      () => false,
    )
    targets.push({ ...ref, path, exists })
  }
  return targets
}

function freeName(name: string, taken: Set<string>): string {
  const dot = name.lastIndexOf('.')
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${stem} (${number})${extension}`
    // As file systems compare that keep no case.
    const folded = candidate.normalize('NFC').toLowerCase()
    if (taken.has(folded)) continue
    taken.add(folded)
    return candidate
  }
}

function refuseExisting(targets: readonly Target[], { values, say }: Context): void {
  const there = targets.filter(({ exists }) => exists)
  if (there.length === 0 || values['force'] === true || values['skip-existing'] === true) return
  const paths = there.slice(0, 3).map(({ path }) => printable(path))
  const names = `${paths.join(', ')}${there.length > paths.length ? ', …' : ''}`
  throw new CliError(
    say({
      en: `${there.length} files exist: ${names}; --skip-existing keeps them, --force replaces them`,
      zh: `${there.length} 个文件已存在：${names}；--skip-existing 保留，--force 覆盖`,
    }),
  )
}
