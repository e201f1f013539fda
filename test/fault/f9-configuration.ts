/** F9: every setting with a value that can't be used, and the permissions of all that the service writes. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readConfig } from '../../packages/server/src/config.ts'
import { SETTINGS } from '../../packages/server/src/settings.ts'
import { plain } from '../pictures.ts'
import { startAttache, statusOf } from '../server.ts'
import { verb } from '../verbs.ts'
import { row, type Stage } from './stage.ts'

// One of these is refused by every setting that refuses anything.
const BAD = ['no such value', '-1', '/none/none', 'http://', '999999999999999999999']

// Paths, names and commands: whether there is such a one is seen when it is used.
const ANY_TEXT = [
  'ATTACHE_HOST',
  'ATTACHE_DATA',
  'ATTACHE_ROOT_SECRET_FILE',
  'ATTACHE_DATABASE_CA_FILE',
  'ATTACHE_S3_BUCKET',
  'ATTACHE_OSS_BUCKET',
  'ATTACHE_OSS_ROLE_ARN',
  'ATTACHE_SCAN_CLAMD',
  'ATTACHE_SCAN_COMMAND',
]

await row('F9', async (stage) => {
  const faults: string[] = []
  const { takesAnyText, all } = refusedByName(faults)
  const spawned = await refusedByTheProcess(stage, faults)
  const files = await permissions(stage, faults)
  for (const fault of faults.slice(0, 20)) console.log(fault)
  const figure = `${all - takesAnyText.length} of ${all} settings refuse a bad value by name (any text is taken by ${takesAnyText.join(', ')}), ${spawned} starts end with 2 and a sentence, ${files} files and directories for their owner alone; ${faults.length} faults`
  return { ok: faults.length === 0, figure }
})

function refusedByName(faults: string[]): { takesAnyText: string[]; all: number } {
  const takesAnyText: string[] = []
  const settings = Object.values(SETTINGS)
  for (const { env } of settings) {
    const sentences = BAD.flatMap((value) => refusalOf({ [env]: value }))
    if (sentences.length === 0) takesAnyText.push(env)
    for (const sentence of sentences) if (!sentence.includes(env)) faults.push(`${env}: ${sentence}`)
    // Environment variables are seen by other processes of the user; files have permissions.
    if (/SECRET|PASSWORD/.test(env) && !/_FILE$|_PER_MINUTE$/.test(env))
      faults.push(`${env}: a secret in the environment`)
  }
  for (const env of takesAnyText.filter((name) => !ANY_TEXT.includes(name))) faults.push(`${env} takes any text`)
  return { takesAnyText, all: settings.length }
}

function refusalOf(env: Record<string, string>): string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (error instanceof Error && error.name === 'ConfigError') return [error.message]
    throw error
  }
}

async function refusedByTheProcess(stage: Stage, faults: string[]): Promise<number> {
  const data = join(stage.directory, 'refused')
  const starts: [string[], Record<string, string>, string][] = [
    [['serve'], { ATTACHE_PORT: '70000' }, 'ATTACHE_PORT'],
    [['serve'], { ATTACHE_NONE: 'x' }, 'ATTACHE_NONE'],
    [['serve'], { ATTACHE_ROOT_SECRET_FILE: '/none' }, 'ATTACHE_ROOT_SECRET_FILE'],
    [['serve'], { ATTACHE_DATA: '/dev/null/none' }, 'ATTACHE_DATA'],
    [['start'], { ATTACHE_HOST: '0.0.0.0' }, 'ATTACHE_HOST'],
    [['dev'], { ATTACHE_HOST: '0.0.0.0' }, 'ATTACHE_HOST'],
  ]
  for (const [args, env, name] of starts) {
    const { code, stdout, stderr } = await verb(args, { env: { ATTACHE_DATA: data, ...env } })
    const lines = stderr.trimEnd().split('\n')
    if (code !== 2 || stdout !== '' || lines.length !== 1 || !stderr.includes(name)) {
      faults.push(`${args.join(' ')} with ${JSON.stringify(env)}: ${code} ${stderr}`)
    }
  }
  return starts.length
}

async function permissions(stage: Stage, faults: string[]): Promise<number> {
  const [data, copy] = [join(stage.directory, 'data'), join(stage.directory, 'copy')]
  const attache = await startAttache({ data })
  stage.defer(() => attache.kill())
  const picture = await attache.upload('a.jpg', Buffer.from(await plain(400, 300).jpeg().toBuffer()))
  await statusOf((await attache.linkOf(picture)).thumbUrl)
  const { code, stderr } = await verb(['backup', '--to', copy], { env: { ATTACHE_DATA: data } })
  if (code !== 0) faults.push(stderr)
  let count = 0
  for (const root of [data, copy]) {
    const entries = await readdir(root, { recursive: true, withFileTypes: true })
    for (const path of [root, ...entries.map((entry) => join(entry.parentPath, entry.name))]) {
      count++
      const { mode } = await stat(path)
      if ((mode & 0o077) !== 0) faults.push(`${path.slice(stage.directory.length)}: ${(mode & 0o777).toString(8)}`)
    }
  }
  await attache.stop()
  return count
}
