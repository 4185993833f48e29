import { printFloat, printValue, type TemplateValue } from './value.ts'

const widthMax = 1_000

/** Go's `printf`, with the verbs that templates use; a wrong value is marked as Go marks it. */
export function formatValues(format: string, values: readonly TemplateValue[]): string {
  let at = 0
  return format.replace(
    /%([-+ 0#]*)(\d*)(?:\.(\d*))?(.)/g,
    (_all, flags: string, width: string, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      if (at >= values.length) return `%!${verb}(MISSING)`
      const value = values[at++]
      const digits = precision === undefined ? undefined : Math.min(100, Number(precision || 0))
      let text = formatOne(verb, value, digits)
      if (flags.includes('+') && typeof value === 'number' && value >= 0) text = `+${text}`
      const length = Math.min(widthMax, Number(width || 0))
      if (flags.includes('-')) return text.padEnd(length)
      if (!flags.includes('0') || typeof value !== 'number') return text.padStart(length)
      const sign = /^[+-]/.exec(text)?.[0] ?? ''
      return sign + text.slice(sign.length).padStart(length - sign.length, '0')
    },
  )
}

function formatOne(verb: string, value: TemplateValue, digits: number | undefined): string {
  const isNumber = typeof value === 'number'
  switch (verb) {
    case 'v':
      return isNumber && digits !== undefined ? general(value, digits) : printValue(value)
    case 's':
      return isNumber ? `%!s(float64=${printFloat(value)})` : printValue(value).slice(0, digits)
    case 'q':
      return JSON.stringify(printValue(value))
    case 't':
      return typeof value === 'boolean' ? String(value) : wrong(verb, value)
    case 'd':
      return Number.isInteger(value) ? String(value) : wrong(verb, value)
    case 'f':
    case 'F':
      if (!isNumber) return wrong(verb, value)
      return Number.isFinite(value) ? fixed(value, digits ?? 6) : printFloat(value)
    case 'e':
      return isNumber
        ? value.toExponential(digits ?? 6).replace(/e([+-])(\d)$/, 'e$10$2')
        : wrong(verb, value)
    case 'g':
      return isNumber ? general(value, digits) : wrong(verb, value)
    case 'x':
      if (typeof value === 'string') return Buffer.from(value).toString('hex')
      return Number.isInteger(value) ? (value as number).toString(16) : wrong(verb, value)
  }
  return wrong(verb, value)
}

/** `%.4g`: that many digits that count, without zeros at the end. */
export function general(value: number, digits: number | undefined): string {
  if (digits === undefined || !Number.isFinite(value)) return printFloat(value)
  const count = Math.max(1, digits)
  const exponent = value === 0 ? 0 : Number(value.toExponential(count - 1).split('e')[1])
  if (exponent < -4 || exponent >= count) {
    const [mantissa = '', power = ''] = value.toExponential(count - 1).split('e')
    const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa
    return `${short}e${power[0]}${power.slice(1).padStart(2, '0')}`
  }
  return String(Number(value.toPrecision(count)))
}

/** As `toFixed`, but a number just between two goes to the even one, as in Go. */
function fixed(value: number, digits: number): string {
  const long = Math.abs(value).toFixed(Math.min(100, digits + 30))
  const at = long.indexOf('.') + 1 + digits
  const isTie = /^50*$/.test(long.slice(at))
  if (!isTie) return value.toFixed(digits)
  const below = long.slice(0, at).replace(/\.$/, '')
  const isEven = Number(below.at(-1)) % 2 === 0
  return isEven ? `${value < 0 ? '-' : ''}${below}` : value.toFixed(digits)
}

function wrong(verb: string, value: TemplateValue): string {
  const type = typeof value === 'number' ? 'float64' : typeof value
  return `%!${verb}(${type}=${printValue(value)})`
}
