import { setTimeout as delay } from 'node:timers/promises'
import { type ClientOptions, createClient, type Fetch, type LogEntry, type NodeClient } from '@attache/client/node'
import { rateOf, secondsOf, wholeOf } from './arguments.ts'
import type { Context } from './context.ts'
import { EXIT } from './exit-codes.ts'
import { CliError } from './failures.ts'
import { proxyFromEnvironment } from './proxies.ts'
import { readSettings, type Settings } from './settings.ts'

/** A client with the settings in force. */
export async function session(context: Context): Promise<NodeClient> {
  return clientFor(await readSettings(context), context)
}

export async function clientFor(settings: Settings, context: Context): Promise<NodeClient> {
  const { values, say, output, env } = context
  const { url, appKey, appSecurity } = settings
  if (appKey.value === undefined || appSecurity.value === undefined) {
    const absent = appKey.value === undefined ? 'appKey' : 'appSecurity'
    throw new CliError(
      say({
        en: `there is no ${absent}: run \`attache login\`, or set ATTACHE_APP_KEY and ATTACHE_APP_SECURITY`,
        zh: `缺少 ${absent}：请运行 attache login，或设置 ATTACHE_APP_KEY 和 ATTACHE_APP_SECURITY`,
      }),
      { exitCode: EXIT.auth },
    )
  }
  const rate = rateOf(values, 'rate', say)
  const concurrency = wholeOf(values, 'concurrency', say) ?? 4
  // The SDK's clocks run while a request waits for its turn.
  const waiting = rate === undefined ? 0 : ((concurrency + 2) / rate) * 1000
  const timeout = secondsOf(values, 'timeout', say)
  const silence = (timeout ?? 30) * 1000 + waiting
  const tries = wholeOf(values, 'tries', say)
  await proxyFromEnvironment(url.value ?? '', env)
  const options: ClientOptions = {
    baseUrl: url.value ?? '',
    appKey: appKey.value,
    appSecurity: appSecurity.value,
    timeoutMilliseconds: silence,
    uploadTimeoutMilliseconds: (timeout ?? UPLOAD_SECONDS) * 1000 + waiting,
    stallMilliseconds: silence,
    ...(rate !== undefined && { fetch: paced(globalThis.fetch, rate) }),
    ...(tries !== undefined && { retry: { tries } }),
    ...(values['verbose'] === true && { logger: (entry: LogEntry) => output.note(wordsOf(entry)) }),
  }
  return createClient(options)
}

// Its last bytes may wait in buffers on the way, and the server looks through the whole before it answers.
const UPLOAD_SECONDS = 300

/** Lets requests begin at most so often, evenly. */
function paced(fetch: Fetch, perSecond: number): Fetch {
  let next = 0
  return async (url, init) => {
    const now = performance.now()
    const turn = Math.max(now, next)
    next = turn + 1000 / perSecond
    if (turn > now) await delay(turn - now, undefined, init.signal ? { signal: init.signal } : {})
    return fetch(url, init)
  }
}

function wordsOf({ event, operation, ...rest }: LogEntry): string {
  return [event, operation, ...Object.entries(rest).map(([name, value]) => `${name}=${value}`)].join(' ')
}
