import { type ConnectValue, isObject } from '../../data/schema.ts'

/** What a JSON Pointer (RFC 6901) points at; `/` alone stands for the whole, as castorm's source has it. */
export function pointed(value: ConnectValue, pointer: string): ConnectValue | undefined {
  if (pointer === '' || pointer === '/') return value
  let found: ConnectValue | undefined = value
  for (const part of pointer.slice(1).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    if (Array.isArray(found)) found = found[Number(name)]
    else if (isObject(found)) found = Object.hasOwn(found, name) ? found[name] : undefined
    else return undefined
  }
  return found
}
