import type { Environment } from './words.ts'

const NAMES = [
  'HTTPS_PROXY',
  'https_proxy',
  'HTTP_PROXY',
  'http_proxy',
  'ALL_PROXY',
  'all_proxy',
  'NO_PROXY',
  'no_proxy',
]

/** The proxy variables that are set, without the passwords that may stand in them. */
export function proxyVariables(env: Environment): [string, string][] {
  return NAMES.flatMap((name) => {
    const value = env[name]
    return value ? [[name, value.replace(/\/\/[^@/]*@/, '//…@')] as [string, string]] : []
  })
}

export function isLoopback(url: string): boolean {
  return /^https?:\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(?=[:/]|$)/i.test(url)
}

/** Goes through the proxy of the environment, as curl does, where this Node can (24.14 and 25.4 on); a server on this machine needs none. */
export async function proxyFromEnvironment(url: string, env: Environment): Promise<boolean> {
  if (isLoopback(url) || proxyVariables(env).every(([name]) => /no_proxy/i.test(name))) return false
  const http: { setGlobalProxyFromEnv?: () => unknown } = await import('node:http')
  if (http.setGlobalProxyFromEnv === undefined) return env['NODE_USE_ENV_PROXY'] === '1'
  http.setGlobalProxyFromEnv()
  return true
}
