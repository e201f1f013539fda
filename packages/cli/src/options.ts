import type { Words } from './words.ts'

export interface OptionInfo {
  /** What stands after it; without, it is a switch. */
  value?: string
  short?: string
  about: Words
}

/** Understood by every command. */
export const GLOBAL: Record<string, OptionInfo> = {
  json: { about: { en: 'one JSON object a line on stdout', zh: '标准输出每行一个 JSON 对象' } },
  quiet: { short: 'q', about: { en: 'no progress', zh: '不显示进度' } },
  verbose: { short: 'v', about: { en: 'tell every request on stderr', zh: '在标准错误输出每次请求' } },
  lang: { value: 'zh|en', about: { en: 'language (default: the locale)', zh: '语言（默认随系统）' } },
  help: { short: 'h', about: { en: 'this help', zh: '显示帮助' } },
}

/** Of the commands that talk to a server. */
export const REMOTE: Record<string, OptionInfo> = {
  url: { value: 'URL', about: { en: 'root of the API (ATTACHE_URL)', zh: 'API 根地址（ATTACHE_URL）' } },
  'app-key': { value: 'KEY', about: { en: 'appKey (ATTACHE_APP_KEY)', zh: 'appKey（ATTACHE_APP_KEY）' } },
  'app-security-file': {
    value: 'FILE',
    about: {
      en: 'file with appSecurity, or JSON with both; - is stdin (ATTACHE_APP_SECURITY holds it directly)',
      zh: '存放 appSecurity 的文件，或含两者的 JSON；- 为标准输入（ATTACHE_APP_SECURITY 可直接给出）',
    },
  },
  profile: {
    value: 'NAME',
    about: { en: 'profile (ATTACHE_PROFILE; default “default”)', zh: '配置档（ATTACHE_PROFILE，默认 default）' },
  },
  timeout: {
    value: 'TIME',
    about: {
      en: 'longest silence before a try is given up (default 30s, of an upload 5m)',
      zh: '无响应多久放弃本次尝试（默认 30s，上传为 5m）',
    },
  },
  tries: { value: 'N', about: { en: 'tries of each request (default 3)', zh: '每个请求的尝试次数（默认 3）' } },
}

/** Of the commands that make many requests. */
export const RATE: Record<string, OptionInfo> = {
  rate: { value: 'N/s', about: { en: 'most requests a second, or N/m a minute', zh: '每秒最多请求数，或 N/m 每分钟' } },
}
