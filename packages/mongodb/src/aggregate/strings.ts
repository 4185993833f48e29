import { int32At } from '../bson/element.ts'
import { arrayValue } from '../bson/encode.ts'
import { numberOf } from '../bson/number.ts'
import { BsonType, typeName } from '../bson/types.ts'
import { boolValue, intValue, NULL, stringValue, type Value } from '../bson/value.ts'
import { codeError, type ErrorName } from '../errors.ts'
import { compileRegex } from '../query/regex.ts'
import { textOf } from './conversions.ts'
import {
  binary,
  namedOperands,
  type OperatorCompiler,
  type OperatorTable,
  unary,
  variadic,
} from './operator.ts'

function wantText(name: string, value: Value, code: ErrorName = 'Location34471'): string {
  if (value.type !== BsonType.string)
    throw codeError(code, `${name} requires a string argument, found: ${typeName(value.type)}`)
  return value.text
}

const changed = (name: string, change: (text: string) => string): OperatorCompiler =>
  unary(name, (value) => stringValue(value.isNullish ? '' : change(textOf(value))))

const lowerAscii = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())

const concat = variadic('$concat', (values) => {
  let text = ''
  for (const value of values) {
    if (value.isNullish) return NULL
    if (value.type !== BsonType.string)
      throw codeError('Location16702', `$concat only supports strings, not ${typeName(value.type)}`)
    text += value.text
  }
  return stringValue(text)
})

const substring = (name: string): OperatorCompiler =>
  variadic(
    name,
    ([text, start, length]) => {
      if (text!.isNullish) return stringValue('')
      const from = numberOf(start!)
      const count = numberOf(length!)
      if (from === undefined || count === undefined)
        throw codeError('Location16034', `${name}: starting index and length must be numeric types`)
      // Code points, as $substrCP counts them; $substrBytes counts bytes.
      if (name === '$substrCP') {
        const points = [...textOf(text!)]
        return stringValue(points.slice(from, from + count).join(''))
      }
      const bytes = Buffer.from(textOf(text!))
      if (from < 0) throw codeError('Location50752', `${name}: starting index must be non-negative`)
      const end = count < 0 ? bytes.length : Math.min(from + count, bytes.length)
      const isInside = (at: number): boolean => at < bytes.length && (bytes[at]! & 0xc0) === 0x80
      if (isInside(from) || isInside(end))
        throw codeError(
          'Location28656',
          `${name}:  Invalid range, starting or ending index is in the middle of a UTF-8 character.`,
        )
      return stringValue(bytes.toString('utf8', from, Math.max(from, end)))
    },
    3,
    3,
  )

const trimmed =
  (name: string, atStart: boolean, atEnd: boolean): OperatorCompiler =>
  (argument, compile) => {
    const named = namedOperands(name, argument, compile, { input: 'required', chars: 'optional' })
    return (root, variables) => {
      const input = named.input!(root, variables)
      const chars = named.chars?.(root, variables)
      if (input.isNullish || chars?.isNullish) return NULL
      const points = [...wantText(name, input, 'Location50699')]
      const set = chars ? new Set(wantText(name, chars, 'Location50700')) : undefined
      const isCut = (point: string): boolean => (set ? set.has(point) : /[\s\0]/u.test(point))
      let start = 0
      let end = points.length
      while (atStart && start < end && isCut(points[start]!)) start++
      while (atEnd && end > start && isCut(points[end - 1]!)) end--
      return stringValue(points.slice(start, end).join(''))
    }
  }

const regexMatch: OperatorCompiler = (argument, compile) => {
  const named = namedOperands('$regexMatch', argument, compile, {
    input: 'required',
    regex: 'required',
    options: 'optional',
  })
  return (root, variables) => {
    const input = named.input!(root, variables)
    const regex = named.regex!(root, variables)
    if (input.isNullish || regex.isNullish) return boolValue(false)
    const options = named.options?.(root, variables)
    const { pattern, flags } =
      regex.type === BsonType.regex
        ? regex.regex
        : { pattern: wantText('$regexMatch', regex, 'Location51105'), flags: '' }
    const text = wantText('$regexMatch', input, 'Location51104')
    return boolValue(
      compileRegex(pattern, options?.type === BsonType.string ? options.text : flags).test(text),
    )
  }
}

const replacing =
  (name: string, isAll: boolean): OperatorCompiler =>
  (argument, compile) => {
    const named = namedOperands(name, argument, compile, {
      input: 'required',
      find: 'required',
      replacement: 'required',
    })
    return (root, variables) => {
      const [input, find, by] = ['input', 'find', 'replacement'].map((field) =>
        named[field]!(root, variables),
      )
      if (input!.isNullish || find!.isNullish || by!.isNullish) return NULL
      const text = wantText(name, input!, 'Location51746')
      const wanted = wantText(name, find!, 'Location51745')
      const replacement = wantText(name, by!, 'Location51744')
      return stringValue(
        isAll
          ? text.replaceAll(wanted, () => replacement)
          : text.replace(wanted, () => replacement),
      )
    }
  }

const indexOf = binary('$indexOfCP', (text, part) => {
  if (text.isNullish) return NULL
  const at = wantText('$indexOfCP', text, 'Location40093').indexOf(
    wantText('$indexOfCP', part, 'Location40094'),
  )
  return intValue(at < 0 ? -1 : [...text.text.slice(0, at)].length)
})

/** Operators of text. */
export const stringOperators: OperatorTable = {
  $concat: concat,
  $toLower: changed('$toLower', lowerAscii),
  $toUpper: changed('$toUpper', (text) =>
    text.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase()),
  ),
  $substr: substring('$substrBytes'),
  $substrBytes: substring('$substrBytes'),
  $substrCP: substring('$substrCP'),
  $strLenCP: unary('$strLenCP', (value) => intValue([...wantText('$strLenCP', value)].length)),
  $strLenBytes: unary('$strLenBytes', (value) => {
    wantText('$strLenBytes', value, 'Location34473')
    return intValue(int32At(value.bytes, value.at) - 1)
  }),
  $strcasecmp: binary('$strcasecmp', (a, b) => {
    const left = a.isNullish ? '' : textOf(a).toLowerCase()
    const right = b.isNullish ? '' : textOf(b).toLowerCase()
    return intValue(left < right ? -1 : left > right ? 1 : 0)
  }),
  $split: binary('$split', (text, separator) => {
    if (text.isNullish || separator.isNullish) return NULL
    const by = wantText('$split', separator, 'Location40086')
    if (by === '') throw codeError('Location40087', '$split requires a non-empty separator')
    return arrayValue(wantText('$split', text, 'Location40085').split(by).map(stringValue))
  }),
  $trim: trimmed('$trim', true, true),
  $ltrim: trimmed('$ltrim', true, false),
  $rtrim: trimmed('$rtrim', false, true),
  $regexMatch: regexMatch,
  $replaceOne: replacing('$replaceOne', false),
  $replaceAll: replacing('$replaceAll', true),
  $indexOfCP: indexOf,
}
