import type { FailureDetail } from '../errors.ts'

interface SchemaError {
  instancePath: string
  keyword: string
  message: string
  params: object
}

/** What a schema found wrong, with paths as in `attachments[2].base64`. */
export function wrongFields(errors: Iterable<SchemaError>): FailureDetail[] {
  return [...errors].map(({ instancePath, keyword, message, params }) => {
    const path = pathOf(instancePath)
    const [missing] = 'requiredProperties' in params ? [params.requiredProperties].flat() : []
    if (missing !== undefined)
      return { path: path === '' ? String(missing) : `${path}.${missing}`, message: 'is missing' }
    // An additional property is checked against the schema `false`.
    return { path, message: keyword === 'boolean' ? 'no such field' : message }
  })
}

function pathOf(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '')
}
