import { PATHS } from '@attache/protocol'
import type { FastifyRequest } from 'fastify'
import type { FailureDetail } from '../errors.ts'
import { type Hint, hint, quoted, timeOf } from './hint.ts'

export function contentTypeHint({ headers }: FastifyRequest, path: string): Hint {
  const sent = headers['content-type']
  const wanted = path === PATHS.upload ? 'multipart/form-data' : 'application/json'
  const [en, zh] =
    wanted === 'application/json'
      ? ['', '']
      : [', with the boundary that your HTTP library writes itself', '（boundary由HTTP库自动生成，不要手写）']
  return hint(
    'content-type',
    `the Content-Type is ${sent === undefined ? 'missing' : quoted(sent)}: send ${wanted}${en}`,
    `${sent === undefined ? '缺少Content-Type' : `Content-Type是${quoted(sent)}`}：请使用${wanted}${zh}`,
  )
}

export function formHint({ headers }: FastifyRequest, message: string): Hint {
  if (!/boundary=/i.test(headers['content-type'] ?? '')) {
    return hint(
      'boundary-missing',
      'the Content-Type has no boundary: do not set it yourself, the HTTP library writes it',
      'Content-Type缺少boundary：不要自己设置该请求头，由HTTP库生成',
    )
  }
  return hint('form-malformed', `the form could not be read (${message})`, `表单无法读取：${message}`)
}

export function missingPartHints(details: readonly FailureDetail[]): Hint[] {
  return details.map(({ path }) =>
    hint('part-missing', `the form has no part called "${path}"`, `表单缺少名为“${path}”的部分`),
  )
}

const NAME_FAULTS: [RegExp, (found: RegExpExecArray) => string][] = [
  [/为空/, () => 'it is empty'],
  [/为\.或/, () => 'it is "." or ".."'],
  [
    /字符(U\+[0-9A-F]+(?: "."?)?"?)（第(\d+)/,
    ([, character, place]) =>
      `character ${place} is ${character}; none of ? \\ / * < > : " | and no control characters`,
  ],
  [/现为(\d+)字节/, ([, bytes]) => `it has ${bytes} bytes of UTF-8, 255 are the most`],
  [/UTF-8/, () => 'it is not UTF-8: encode the form as UTF-8, not as GBK'],
]

export function nameHint(details: readonly FailureDetail[]): Hint {
  const message = details[0]?.message ?? ''
  const en = NAME_FAULTS.map(([pattern, words]) => [pattern.exec(message), words] as const).find(([found]) => found)
  const said = en?.[0] ? en[1](en[0]) : message
  return hint('name-invalid', `the part "name" is no file name: ${said}`, `name不是合法的文件名：${message}`)
}

/** Why a body is no JSON, from its text. Only places are told: the text may hold secrets. */
export function jsonHint(text: string | undefined, details: readonly FailureDetail[]): Hint {
  const [detail] = details
  if (detail) {
    const wanted = detail.message.includes('数组')
      ? 'an array'
      : detail.message.includes('对象')
        ? 'an object'
        : undefined
    const en = wanted === undefined ? `the JSON is refused (${detail.message})` : `the JSON body must be ${wanted}`
    return hint(wanted === undefined ? 'json-refused' : 'json-type', en, `JSON请求体${detail.message}`)
  }
  const [en, zh] = whyNoJson(text)
  return hint('json-invalid', `the body is not JSON: ${en}`, `请求体不是JSON：${zh}`)
}

function whyNoJson(text: string | undefined): [string, string] {
  if (text === undefined) return ['it is empty, or too long to say more', '为空，或过长无法说明']
  if (text.trim() === '') return ['it is empty', '为空']
  if (text.startsWith('\ufeff')) return ['it begins with a byte order mark', '开头带有BOM']
  if (/^[\w.%-]+=/.test(text)) return ['it looks form-encoded', '看起来是表单编码']
  if (/^[\s[{]*'/.test(text)) return ['strings need double quotes', '字符串必须使用双引号']
  if (/,\s*[\]}]/.test(text)) return ['there is a comma before a closing bracket', '右括号前多了逗号']
  const place = /position (\d+)/.exec(errorOf(text))?.[1]
  return place === undefined
    ? ['it ends too early, or holds what JSON does not know', '内容不完整，或含有JSON不允许的写法']
    : [`it goes wrong at character ${Number(place) + 1}`, `第${Number(place) + 1}个字符处有误`]
}

function errorOf(text: string): string {
  try {
    JSON.parse(text)
    return ''
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
}

/** What is wrong with the items of downloadurls, one hint for each. */
export function itemHints(body: unknown, details: readonly FailureDetail[]): Hint[] {
  return details.map(({ path, message }) => {
    const [, index = '0', field] = /^\[(\d+)\](?:\.(\w+))?$/.exec(path) ?? []
    const item: unknown = Array.isArray(body) ? body[Number(index)] : undefined
    const value = isObject(item) && field !== undefined ? item[field] : undefined
    if (typeof value === 'string' && field === 'expiration') {
      return hint(
        'expiration-string',
        `${path} is the string ${quoted(value)}: send a number, seconds from now`,
        `${path}是字符串${quoted(value)}：请传数字，单位为秒`,
      )
    }
    if (value === undefined && field !== undefined) {
      const other = field === 'id' && isObject(item) && 'fileId' in item
      const [en, zh] = other
        ? [': what upload calls fileId is called id here', '：上传返回的fileId在这里叫id']
        : ['', '']
      return hint('field-missing', `${path} is missing${en}`, `缺少${path}${zh}`)
    }
    return hint(
      'item-invalid',
      `${path} is ${quoted(value ?? item)} and can't be used (${message})`,
      `${path}${message}`,
    )
  })
}

const FIFTY_YEARS_SECONDS = 50 * 365 * 86_400

/** An `expiration` that is most likely a time, not a duration; the contract takes it. */
export function suspectExpirations(body: unknown, now: number): Hint[] {
  const items = Array.isArray(body) ? body : []
  const index = items.findIndex(
    (item) => isObject(item) && typeof item['expiration'] === 'number' && item['expiration'] > FIFTY_YEARS_SECONDS,
  )
  if (index === -1) return []
  const { expiration } = items[index] as { expiration: number }
  const until = timeOf(now + expiration * 1000)
  return [
    hint(
      'expiration-looks-like-time',
      `[${index}].expiration is ${expiration} seconds from now, until ${until}: a duration is meant, no Unix time and no milliseconds`,
      `[${index}].expiration为${expiration}秒，即有效至${until}：应传有效时长（秒），而不是时间戳或毫秒`,
    ),
  ]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
