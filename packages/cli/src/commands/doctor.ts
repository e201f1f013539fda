import type { Context } from '../context.ts'
import { type Examination, examinations } from '../examinations.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { isClientError, toldOf } from '../failures.ts'
import type { CheckRow } from '../rows.ts'
import { printable } from '../words.ts'

const MARKS: Record<CheckRow['result'], string> = { ok: '✓', failed: '✗', note: '·', skipped: '-' }

/** `doctor`: one examination after the other; those that build on a failed one are skipped. */
export async function doctor(context: Context): Promise<ExitCode> {
  const { output, say, signal } = context
  const failed = new Set<string>()
  let exitCode: ExitCode = EXIT.ok
  const tell = (row: CheckRow) => {
    const fix = row.fix ? `\n  ${say({ en: 'fix', zh: '解决' })}: ${row.fix}` : ''
    output.result(row, `${MARKS[row.result]} ${row.name}: ${printable(row.detail)}${fix}`)
  }
  for (const { name, needs, examine, exitCode: code } of examinations(context)) {
    const cause = needs.find((one) => failed.has(one))
    if (cause !== undefined) {
      failed.add(name)
      tell({ type: 'check', name, result: 'skipped', detail: say({ en: `needs ${cause}`, zh: `依赖 ${cause}` }) })
      continue
    }
    const found = await examined(examine, code ?? EXIT.fatal)
    tell({ type: 'check', name, ...found })
    if (found.result === 'failed') failed.add(name)
  }
  return exitCode

  async function examined(
    examine: Examination['examine'],
    ownCode: ExitCode,
  ): Promise<Omit<CheckRow, 'type' | 'name'>> {
    try {
      const found = await examine()
      if (found.result === 'failed' && exitCode === EXIT.ok) exitCode = ownCode
      return found
    } catch (error) {
      signal.throwIfAborted()
      const { message, fix, exitCode: code } = toldOf(error, say)
      if (exitCode === EXIT.ok) exitCode = code
      const next = fix ?? (isClientError(error) ? undefined : message)
      return { result: 'failed', detail: message, fix: next ?? say({ en: 'see the message', zh: '见上述信息' }) }
    }
  }
}
