import { text } from 'node:stream/consumers'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { CliError } from '../failures.ts'
import { DAMAGES, type Damage, type LinkReading, readLink } from '../link-grammar.ts'
import { proxyFromEnvironment } from '../proxies.ts'
import { nameIn } from '../refs.ts'
import type { InspectionRow } from '../rows.ts'
import { timeOf } from '../sizes.ts'
import { printable, type Say } from '../words.ts'

/** `inspect URL`: what a link says of itself; its server is asked only with `--check`. */
export async function inspect(context: Context): Promise<ExitCode> {
  const { operands, output, say, values, stdin } = context
  const [given, ...more] = operands
  if (given === undefined || more.length > 0)
    throw new CliError(
      say({
        en: "name one link in quotes: inspect 'URL' (or - to read it from stdin)",
        zh: "请给出一个带引号的链接：inspect 'URL'（- 为标准输入）",
      }),
    )
  const url = given === '-' ? await text(stdin) : given
  const reading = readLink(url)
  if (reading === undefined)
    throw new CliError(say({ en: 'this is no http or https URL', zh: '这不是 http 或 https 链接' }))
  const check = values['check'] === true ? await asked(url.trim(), context) : undefined
  const row = rowOf(reading, { now: Date.now(), say, check })
  output.result(row, wordsOf(row, say).join('\n'))
  return exitCodeFor(row)
}

function rowOf(
  { process, expiresAt, damage, ...reading }: LinkReading,
  { now, say, check }: { now: number; say: Say; check: InspectionRow['check'] | undefined },
): InspectionRow {
  const moment = expiresAt === undefined ? undefined : new Date(expiresAt)
  return {
    type: 'inspection',
    ...reading,
    thumbnail: process !== undefined && /(^|\/)resize(,|\/|$)/.test(process),
    ...(process !== undefined && { process }),
    // A link may live longer than a Date can tell.
    ...(moment && !Number.isNaN(moment.getTime()) && { expiresAt: moment.toISOString() }),
    ...(expiresAt !== undefined && { secondsLeft: Math.floor((expiresAt - now) / 1000), expired: expiresAt < now }),
    damage: damage.map((one) => ({ what: one.what, message: sentence(one, say) })),
    ...(check && { check }),
  }
}

function sentence({ what, where }: Damage, say: Say): string {
  return `${where === undefined ? say({ en: 'the link', zh: '链接' }) : where} ${say(DAMAGES[what])}`
}

function wordsOf(row: InspectionRow, say: Say): string[] {
  const yes = (is: boolean) => (is ? say({ en: 'yes', zh: '是' }) : say({ en: 'no', zh: '否' }))
  const lines: [string, string | undefined][] = [
    [say({ en: 'signature', zh: '签名' }), row.signature],
    [say({ en: 'host', zh: '主机' }), row.host],
    [say({ en: 'bucket', zh: '存储桶' }), row.bucket || '-'],
    ['key', row.key],
    [say({ en: 'file name', zh: '文件名' }), nameIn(row.key.split('/').at(-1) ?? '')],
    [
      say({ en: 'thumbnail', zh: '缩略图' }),
      row.process ? `${yes(row.thumbnail)} (${row.process})` : yes(row.thumbnail),
    ],
    [say({ en: 'token', zh: '安全令牌' }), yes(row.securityToken)],
    [say({ en: 'expires', zh: '失效时间' }), expiryWords(row, say)],
    [
      say({ en: 'server', zh: '服务器' }),
      row.check && `${row.check.status}${row.check.code ? ` ${row.check.code}` : ''}`,
    ],
  ]
  const told = lines.flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${printable(value)}`]))
  const damage = row.damage.map(({ message }) => `✗ ${printable(message)}`)
  if (damage.length > 0)
    damage.push(
      say({
        en: '  fix: pass links on exactly as they came; ask for a new one with `attache links ID:KEY`',
        zh: '  解决：请原样传递链接；可用 attache links ID:KEY 重新获取',
      }),
    )
  else if (row.expired)
    damage.push(
      say({
        en: '  fix: ask for a new one with `attache links ID:KEY`',
        zh: '  解决：用 attache links ID:KEY 重新获取',
      }),
    )
  return [...told, ...damage]
}

function expiryWords({ expiresAt, secondsLeft = 0, expired }: InspectionRow, say: Say): string {
  if (expired === undefined) return say({ en: 'not told', zh: '未说明' })
  const time = timeOf(Math.abs(secondsLeft))
  const distance = expired
    ? say({ en: `expired ${time} ago`, zh: `已过期 ${time}` })
    : say({ en: `${time} left`, zh: `剩余 ${time}` })
  return `${expiresAt ?? say({ en: 'beyond all dates', zh: '超出日期范围' })} (${distance})`
}

function exitCodeFor({ damage, expired, check }: InspectionRow): ExitCode {
  if (check !== undefined && check.status < 300) return EXIT.ok
  if (damage.length > 0) return EXIT.integrity
  if (check?.status === 404) return EXIT.notFound
  // A refusal of what reads well and has time left: signed for something else.
  if (check !== undefined && check.status < 500 && !expired && check.code !== 'AccessDenied') return EXIT.integrity
  return expired || check !== undefined ? EXIT.partial : EXIT.ok
}

const LONGEST_ANSWER = 16_384

/** One byte by GET, not by HEAD: the method is signed. Of the answer only status and code are told: the rest repeats the signature. */
async function asked(url: string, { env, say, signal }: Context): Promise<NonNullable<InspectionRow['check']>> {
  await proxyFromEnvironment(url, env)
  try {
    const init = { headers: { range: 'bytes=0-0' }, redirect: 'manual' as const }
    const response = await fetch(url, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]) })
    const { status, ok, headers } = response
    const wordy = !ok && Number(headers.get('content-length') ?? 0) <= LONGEST_ANSWER
    const code = wordy ? /<Code>(\w+)<\/Code>/.exec(await response.text())?.[1] : undefined
    await response.body?.cancel().catch(() => {})
    return { status, ...(code && { code }) }
  } catch (cause) {
    signal.throwIfAborted()
    throw new CliError(
      say({
        en: 'the server of the link could not be reached: check the network and the proxy',
        zh: '无法连接链接所在的服务器：请检查网络与代理',
      }),
      {
        exitCode: EXIT.partial,
        cause,
      },
    )
  }
}
