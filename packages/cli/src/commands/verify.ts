import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type ManifestEntry, readManifest, verifyArchive } from '@attache/client/node'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { CliError } from '../failures.ts'
import { progress } from '../progress.ts'
import { sizeOf } from '../sizes.ts'
import { printable, type Words } from '../words.ts'

type Result = 'right' | 'changed' | 'truncated' | 'absent' | 'unfinished'

const RESULT_WORDS: Record<Result, Words> = {
  right: { en: 'right', zh: '正确' },
  changed: { en: 'other bytes than were saved', zh: '内容与保存时不同' },
  truncated: { en: 'truncated', zh: '被截断' },
  absent: { en: 'missing', zh: '缺失' },
  unfinished: { en: 'never finished', zh: '尚未下载完' },
}

/** `verify DIR`: every file that the manifest says was saved, by length and SHA-256. */
export async function verify(context: Context): Promise<ExitCode> {
  const { operands, output, say, signal } = context
  const [directory, ...more] = operands
  if (directory === undefined || more.length > 0)
    throw new CliError(say({ en: 'name one directory: verify DIR', zh: '请给出一个目录：verify 目录' }))
  const path = join(directory, 'manifest.jsonl')
  if (!(await exists(path)))
    throw new CliError(
      say({
        en: `there is no ${path}: give the directory that \`archive -o\` wrote to`,
        zh: `没有 ${path}：请给出 archive -o 写入的目录`,
      }),
    )
  const counts: Record<Result, number> = { right: 0, changed: 0, truncated: 0, absent: 0, unfinished: 0 }
  let bytes = 0
  const tell = (entry: ManifestEntry, result: Result) => {
    counts[result]++
    const { path, fileId: id, key, code, size, sha256 } = entry
    const words = `${say(RESULT_WORDS[result])}: ${printable(path || key)}`
    output.result(
      { type: 'checked', result, path, id, key, code, size, sha256 },
      result === 'right' ? undefined : words,
    )
  }
  const entries = [...(await readManifest(directory)).values()]
  const saved = entries.filter(({ status }) => status === 'saved')
  const shown = progress(context)
  shown.expect({ files: saved.length, bytes: saved.reduce((sum, { size }) => sum + size, 0) })
  try {
    for await (const { entry, result } of verifyArchive(directory)) {
      signal.throwIfAborted()
      tell(entry, result === 'changed' && (await isShort(directory, entry)) ? 'truncated' : result)
      if (result === 'right') bytes += entry.size
      shown.done(entry.path, entry.size)
    }
  } finally {
    shown.stop()
  }
  for (const entry of entries) if (entry.status === 'started' || entry.status === 'failed') tell(entry, 'unfinished')
  const wrong = counts.changed + counts.truncated + counts.absent
  const words = say({
    en: `${counts.right} right (${sizeOf(bytes)}), ${wrong} wrong, ${counts.unfinished} unfinished`,
    zh: `正确 ${counts.right} 个（${sizeOf(bytes)}），有误 ${wrong} 个，未完成 ${counts.unfinished} 个`,
  })
  output.note(words)
  if (wrong + counts.unfinished > 0)
    output.note(
      say({
        en: '  fix: run the same `attache archive` again; it fetches these only',
        zh: '  解决：再次运行同一 attache archive 命令，只会重新下载这些文件',
      }),
    )
  return wrong > 0 ? EXIT.integrity : counts.unfinished > 0 ? EXIT.partial : EXIT.ok
}

async function isShort(directory: string, { path, size }: ManifestEntry): Promise<boolean> {
  const facts = await stat(join(directory, path)).catch(() => undefined)
  return facts !== undefined && facts.size < size
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
