import { isSubResource } from '../oss/signature.ts'
import { encodeKey, encodeValue } from '../oss/target.ts'
import { decoded } from './why-not.ts'

/** A guess at the link that was given, by undoing one change that callers make. */
export interface Repair {
  target: string
  method?: string
  /** What was changed. */
  en: string
  zh: string
}

const THUMBNAIL = encodeValue('image/resize,w_120,h_120')

/** All guesses, likeliest first. Which one is right the signature decides. */
export function repairsOf(target: string): Repair[] {
  const mark = target.indexOf('?')
  const [path, query] = mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
  // What undoes less comes first: it says more.
  return [...pathRepairs(path, query), ...queryRepairs(path, query), ...wholeRepairs(target, query)]
    .filter((repair) => repair.target !== target)
    .concat({ target, ...HEADERS }, { target, method: 'GET', ...METHOD })
}

// The guesses are tried without headers.
const HEADERS = {
  en: 'the headers: Content-MD5, Content-Type and x-oss-… are signed, and the link was signed without them',
  zh: '请求头：Content-MD5、Content-Type和x-oss-…参与签名，而链接签名时没有这些请求头',
}
const METHOD = { en: 'the method: links are good for GET and HEAD', zh: '请求方法：链接只能用于GET和HEAD' }

function wholeRepairs(target: string, query: string): Repair[] {
  const second = target.indexOf('?', target.indexOf('?') + 1)
  return [
    {
      target: target.replaceAll('&amp;', '&'),
      en: 'every "&": they were written as "&amp;" of HTML',
      zh: '“&”：被写成了HTML的“&amp;”',
    },
    ...(query.includes('?')
      ? [
          {
            target: target.slice(0, second),
            en: 'the end: a second "?" was appended',
            zh: '末尾：被追加了第二个“?”',
          },
        ]
      : []),
    { target: target.replaceAll('%25', '%'), en: 'the whole of it: encoded twice', zh: '整个URL：被重复编码' },
    {
      target: target.replace(/(?:["'),;>\]]|%22|%20|%0[AaDd]|\\n)+$/, ''),
      en: 'the end: a quote, a bracket or a line break was appended',
      zh: '末尾：多了引号、括号或换行',
    },
  ]
}

function pathRepairs(path: string, query: string): Repair[] {
  const slash = path.indexOf('/', 1) + 1
  const [bucket, key] = [path.slice(0, slash), path.slice(slash)]
  const plain = decoded(key)
  const respelt = (name: string) => `${bucket}${encodeKey(name)}?${query}`
  const latin1 = Buffer.from(plain, 'latin1').toString('utf8')
  return [
    { target: `${bucket}${key.replaceAll('%25', '%')}?${query}`, en: 'the key: encoded twice', zh: 'key：被重复编码' },
    {
      target: `${bucket}${key.replace(/%(?![0-9A-Fa-f]{2})/g, '%25')}?${query}`,
      en: 'the key: a "%" in it was left unencoded',
      zh: 'key：其中的“%”没有编码',
    },
    { target: respelt(key), en: 'the key: decoded once too often', zh: 'key：被多解码了一次' },
    ...spacings(plain).map((name) => ({
      target: respelt(name),
      en: 'the key: a "+" in it became a space, or a space became "+"',
      zh: 'key：其中的“+”变成了空格，或空格变成了“+”',
    })),
    { target: respelt(latin1), en: 'the key: UTF-8 that was read as Latin-1', zh: 'key：UTF-8被当作Latin-1' },
    ...(['NFC', 'NFD'] as const).map((form) => ({
      target: respelt(plain.normalize(form)),
      en: 'the key: its Unicode normalisation was changed',
      zh: 'key：Unicode规范化形式被改变',
    })),
  ]
}

const MOST_GAPS = 6

/** The name with each of its spaces as a space or as `+`. */
function spacings(name: string): string[] {
  const pieces = name.split(/[ +]/)
  if (pieces.length - 1 > MOST_GAPS) return [name.replaceAll(' ', '+'), name.replaceAll('+', ' ')]
  const [first = '', ...others] = pieces
  return others.reduce((names, piece) => names.flatMap((start) => [`${start} ${piece}`, `${start}+${piece}`]), [first])
}

function queryRepairs(path: string, query: string): Repair[] {
  const pairs = query.split('&')
  const nameOf = (pair: string) => decoded(pair.split('=', 1)[0] ?? '')
  const joined = (parts: string[]) => `${path}?${parts.join('&')}`
  const repairs: Repair[] = []
  for (const [index, pair] of pairs.entries()) {
    const name = nameOf(pair)
    const once = pairs.with(index, pair.replaceAll('%25', '%'))
    repairs.push({ target: joined(once), en: `the parameter ${name}: encoded twice`, zh: `参数${name}：被重复编码` })
    if (!isSubResource(name) || name === 'security-token') continue
    repairs.push({
      target: joined(pairs.toSpliced(index, 1)),
      en: `the parameter ${name}: it was added after the link was signed`,
      zh: `参数${name}：是在签名之后添加的`,
    })
  }
  const others = pairs.filter((pair) => nameOf(pair) !== 'x-oss-process')
  const words = {
    en: 'the parameter x-oss-process: its value was changed or taken away',
    zh: '参数x-oss-process：被修改或删除',
  }
  return [...repairs, { target: joined([...others, `x-oss-process=${THUMBNAIL}`]), ...words }]
}
