import type { Command } from './context.ts'
import { type OptionInfo, RATE, REMOTE } from './options.ts'
import type { Words } from './words.ts'

export interface CommandInfo {
  /** What stands after the name. */
  operands: string
  about: Words
  options: Record<string, OptionInfo>
  /** Late, so that `--help` loads nothing that it doesn't need. */
  load(): Promise<Command>
}

const OUTPUT: OptionInfo = {
  short: 'o',
  value: 'DIR',
  about: { en: 'directory to save to (default: the current one)', zh: '保存目录（默认当前目录）' },
}
const CONCURRENCY: OptionInfo = {
  value: 'N',
  about: { en: 'files at once (default 4)', zh: '同时处理的文件数（默认 4）' },
}
const DOCUMENT: OptionInfo = {
  value: 'CODE',
  about: { en: 'all attachments of this document', zh: '该单据的全部附件' },
}
const FROM: OptionInfo = {
  value: 'FILE',
  about: { en: 'ID:KEY or JSON, one a line; - is stdin', zh: '每行一个 ID:KEY 或 JSON；- 为标准输入' },
}

/** Every command, in the order of the help. If it isn't here, it doesn't exist. */
export const COMMANDS: Record<string, CommandInfo> = {
  login: {
    operands: '',
    about: { en: 'check a key pair and keep it in a profile (0600)', zh: '校验密钥对并保存到配置档（0600）' },
    options: REMOTE,
    load: async () => (await import('./commands/login.ts')).login,
  },
  upload: {
    operands: 'FILE…',
    about: { en: 'upload files; prints ID:KEY of each', zh: '上传文件，逐个输出 ID:KEY' },
    options: {
      ...REMOTE,
      ...RATE,
      concurrency: CONCURRENCY,
      name: {
        value: 'NAME',
        about: { en: 'name of a single file, or of stdin (-)', zh: '单个文件或标准输入（-）的名称' },
      },
    },
    load: async () => (await import('./commands/upload.ts')).upload,
  },
  links: {
    operands: 'ID:KEY… | --from FILE | --document CODE',
    about: { en: 'signed links, one a line', zh: '获取带签名的下载链接，每行一个' },
    options: {
      ...REMOTE,
      from: FROM,
      document: DOCUMENT,
      expiration: {
        value: 'TIME',
        about: { en: 'life of the links: 90s 10m 1h 7d (default 30m)', zh: '链接有效期：90s 10m 1h 7d（默认 30m）' },
      },
      thumb: { about: { en: 'print the thumbnails’ links instead', zh: '改为输出缩略图链接' } },
    },
    load: async () => (await import('./commands/links.ts')).links,
  },
  download: {
    operands: 'ID:KEY… | --from FILE | --document CODE',
    about: {
      en: 'save attachments, checked, each whole or not at all',
      zh: '下载并校验附件，要么完整保存，要么不保存',
    },
    options: {
      ...REMOTE,
      ...RATE,
      output: OUTPUT,
      from: FROM,
      document: DOCUMENT,
      concurrency: CONCURRENCY,
      'skip-existing': { about: { en: 'keep files that are there', zh: '保留已存在的文件' } },
      force: { about: { en: 'replace files that are there', zh: '覆盖已存在的文件' } },
    },
    load: async () => (await import('./commands/download.ts')).download,
  },
  archive: {
    operands: 'CODE…',
    about: { en: 'save documents with a manifest; run again to go on', zh: '归档单据附件并记录清单；再次运行即续传' },
    options: {
      ...REMOTE,
      ...RATE,
      output: OUTPUT,
      concurrency: CONCURRENCY,
      'dry-run': { about: { en: 'tell what would be fetched, write nothing', zh: '只列出将要下载的内容，不写入' } },
    },
    load: async () => (await import('./commands/archive.ts')).archive,
  },
  verify: {
    operands: 'DIR',
    about: { en: 'compare an archive with its manifest; needs no server', zh: '按清单校验归档目录，无需服务器' },
    options: {},
    load: async () => (await import('./commands/verify.ts')).verify,
  },
  ls: {
    operands: 'CODE…',
    about: { en: 'attachments of a document', zh: '列出单据的附件' },
    options: REMOTE,
    load: async () => (await import('./commands/ls.ts')).ls,
  },
  inspect: {
    operands: 'URL | -',
    about: {
      en: 'read a link: until when, of what, is it damaged; contacts nobody',
      zh: '解读链接：何时失效、指向何物、是否损坏；不联网',
    },
    options: { check: { about: { en: 'ask its server for one byte as well', zh: '同时向服务器请求一个字节' } } },
    load: async () => (await import('./commands/inspect.ts')).inspect,
  },
  doctor: {
    operands: '',
    about: { en: 'find out what is wrong, with a fix for each ✗', zh: '诊断问题，每个 ✗ 附解决办法' },
    options: {
      ...REMOTE,
      output: OUTPUT,
      'no-round-trip': { about: { en: 'upload nothing', zh: '不上传任何内容' } },
    },
    load: async () => (await import('./commands/doctor.ts')).doctor,
  },
  config: {
    operands: 'show',
    about: {
      en: 'the settings in force; --origin tells where each comes from',
      zh: '显示生效的设置；--origin 显示来源',
    },
    options: {
      ...REMOTE,
      origin: { about: { en: 'where each comes from', zh: '显示每项的来源' } },
    },
    load: async () => (await import('./commands/config.ts')).config,
  },
  completion: {
    operands: 'bash|zsh|fish',
    about: { en: 'a completion script for your shell', zh: '输出 shell 补全脚本' },
    options: {},
    load: async () => (await import('./commands/completion.ts')).completion,
  },
}
