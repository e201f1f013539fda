import { join } from 'node:path'
import { type ArchivedFile, attachmentsOf, type NodeClient } from '@attache/client/node'
import { textOf, wholeOf } from '../arguments.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode, exitCodeOf, worst } from '../exit-codes.ts'
import { CliError, isClientError, toldOf } from '../failures.ts'
import { type Progress, progress } from '../progress.ts'
import type { FileRow } from '../rows.ts'
import { session } from '../session.ts'
import { sizeOf } from '../sizes.ts'
import { printable } from '../words.ts'

interface Run {
  client: NodeClient
  directory: string
  shown: Progress
  counts: Record<FileRow['status'], number>
  bytes: number
  codes: Set<ExitCode>
}

/** `archive CODE…`: the SDK keeps the manifest and resumes; this shows it and sums it up. */
export async function archive(context: Context): Promise<ExitCode> {
  const { operands, values, say, output } = context
  if (operands.length === 0)
    throw new CliError(
      say({ en: 'name at least one document: archive CODE…', zh: '请至少给出一个单号：archive 单号…' }),
    )
  const client = await session(context)
  const directory = textOf(values, 'output') ?? '.'
  const counts = { saved: 0, kept: 0, planned: 0, missing: 0, failed: 0 }
  const run: Run = { client, directory, counts, bytes: 0, codes: new Set(), shown: progress(context) }
  try {
    for (const code of new Set(operands)) await oneDocument(code, run, context)
  } finally {
    run.shown.stop()
  }
  const exitCode = worst(run.codes)
  if (!output.json) summary(run, exitCode, context)
  return exitCode
}

async function oneDocument(code: string, run: Run, context: Context): Promise<void> {
  const { values, say, signal, output } = context
  const { client, shown } = run
  try {
    // The SDK does not tell how many there will be.
    if (output.progress) shown.expect({ files: attachmentsOf(await client.document(code, { signal })).length })
    const files = client.archive(code, run.directory, {
      concurrency: wholeOf(values, 'concurrency', say) ?? 4,
      dryRun: values['dry-run'] === true,
      signal,
      onProgress: ({ path, bytes, total }) => shown.file(path, bytes, total),
    })
    for await (const file of files) settle(file, run, context)
  } catch (error) {
    if (signal.aborted || !isClientError(error) || !STOPS_ONE.has(error.kind)) throw error
    run.codes.add(exitCodeOf(error))
    output.failure(toldOf(error, say), printable(code))
  }
}

// With these the next document may well work; with the others it won't.
const STOPS_ONE = new Set(['not-found', 'not-allowed', 'invalid', 'server', 'timeout'])

function settle(file: ArchivedFile, run: Run, { output, say, values }: Context): void {
  const { status, key, fileId, fileName, code, flowId, path, size, sha256, reason, resumedFrom, error } = file
  run.counts[status]++
  run.shown.done(path, size)
  if (status === 'saved') run.bytes += size
  const told = error && toldOf(error, say)
  const row: FileRow = {
    type: 'file',
    status,
    id: fileId,
    key,
    fileName,
    code,
    flowId,
    ...(path && { path }),
    ...(sha256 && { size, sha256 }),
    ...(resumedFrom && { resumedFrom }),
    ...(reason !== undefined && { reason }),
    ...(told && { message: told.message }),
  }
  const tells = status === 'planned' || values['verbose'] === true
  output.result(row, tells ? `${status}\t${printable(path || key)}` : undefined)
  if (status === 'missing') {
    run.codes.add(EXIT.notFound)
    output.note(`${say({ en: 'not found', zh: '不存在' })}: ${printable(fileName)} (${printable(key)})`)
  }
  if (status === 'failed') {
    // Whatever it was, the next run tries it again; only wrong bytes ask for more.
    run.codes.add(reason === 'integrity' ? EXIT.integrity : EXIT.partial)
    output.note(`${say({ en: 'failed', zh: '失败' })}: ${printable(path)}: ${told?.message ?? reason}`)
  }
}

function summary({ counts, bytes, directory }: Run, exitCode: ExitCode, { output, say, values }: Context): void {
  const { saved, kept, planned, missing, failed } = counts
  if (values['dry-run'] === true) {
    output.note(
      say({
        en: `${planned} to fetch, ${kept} there already; nothing was written`,
        zh: `将下载 ${planned} 个，已有 ${kept} 个；未写入任何内容`,
      }),
    )
    return
  }
  const parts = [
    say({ en: `${saved} saved (${sizeOf(bytes)})`, zh: `已保存 ${saved} 个（${sizeOf(bytes)}）` }),
    kept > 0 && say({ en: `${kept} kept`, zh: `已有 ${kept} 个` }),
    missing > 0 && say({ en: `${missing} not found`, zh: `不存在 ${missing} 个` }),
    failed > 0 && say({ en: `${failed} failed`, zh: `失败 ${failed} 个` }),
  ]
  output.note(`${parts.filter(Boolean).join(say({ en: ', ', zh: '，' }))} → ${join(directory, 'manifest.jsonl')}`)
  if (exitCode === EXIT.partial || exitCode === EXIT.integrity)
    output.note(say({ en: 'run the same command again to go on', zh: '再次运行同一命令即可继续' }))
}
