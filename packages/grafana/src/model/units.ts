/** A formatted value: the figure, and the unit that stands beside it. */
export interface FormattedValue {
  readonly prefix: string
  readonly text: string
  readonly suffix: string
}

type Unit =
  | { kind: 'fixed'; suffix: string; prefix?: string; factor?: number }
  | {
      kind: 'scaled'
      base: 1000 | 1024
      suffix: string
      from?: number
      prefixes?: readonly string[]
    }
  | { kind: 'duration'; factorMs: number }
  | { kind: 'date'; style: 'iso' | 'ago' | 'local' }
  | { kind: 'bool'; words: readonly [string, string] }

const metric = ['', 'k', 'M', 'G', 'T', 'P', 'E']
const short = ['', 'k', 'M', 'G', 'T', 'P', 'E']
const binary = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

const scaled = (suffix: string, from = 0): Unit => ({
  kind: 'scaled',
  base: 1000,
  suffix,
  from,
  prefixes: metric,
})
const bytes = (suffix: string, from = 0): Unit => ({
  kind: 'scaled',
  base: 1024,
  suffix,
  from,
  prefixes: binary,
})
const fixed = (suffix: string, prefix = ''): Unit => ({ kind: 'fixed', suffix, prefix })

/** Grafana's unit ids that dashboards use, and how each is written. */
const units: Readonly<Record<string, Unit>> = {
  none: fixed(''),
  string: fixed(''),
  short: { kind: 'scaled', base: 1000, suffix: '', prefixes: short },
  sishort: scaled(''),
  percent: fixed('%'),
  percentunit: { kind: 'fixed', suffix: '%', factor: 100 },
  humidity: fixed('%'),
  dB: fixed('dB'),
  dBm: fixed('dBm'),
  celsius: fixed('°C'),
  fahrenheit: fixed('°F'),
  kelvin: fixed('K'),
  lumens: scaled('lm'),
  lux: scaled('lx'),
  candela: fixed('cd'),
  pressurembar: fixed('mbar'),
  pressurebar: scaled('bar'),
  pressurekbar: fixed('kbar'),
  pressurehpa: fixed('hPa'),
  pressurekpa: fixed('kPa'),
  pressurepa: fixed('Pa'),
  pressurehg: fixed('inHg'),
  pressurepsi: fixed('psi'),
  bytes: bytes('B'),
  decbytes: scaled('B'),
  bits: bytes('b'),
  decbits: scaled('b'),
  kbytes: bytes('B', 1),
  deckbytes: scaled('B', 1),
  mbytes: bytes('B', 2),
  decmbytes: scaled('B', 2),
  gbytes: bytes('B', 3),
  decgbytes: scaled('B', 3),
  Bps: scaled('B/s'),
  binBps: bytes('B/s'),
  bps: scaled('b/s'),
  binbps: bytes('b/s'),
  KiBs: bytes('B/s', 1),
  KBs: scaled('B/s', 1),
  MiBs: bytes('B/s', 2),
  MBs: scaled('B/s', 2),
  pps: scaled('p/s'),
  ns: { kind: 'duration', factorMs: 1e-6 },
  µs: { kind: 'duration', factorMs: 1e-3 },
  ms: { kind: 'duration', factorMs: 1 },
  s: { kind: 'duration', factorMs: 1000 },
  m: { kind: 'duration', factorMs: 60_000 },
  h: { kind: 'duration', factorMs: 3_600_000 },
  d: { kind: 'duration', factorMs: 86_400_000 },
  dtdurationms: { kind: 'duration', factorMs: 1 },
  dtdurations: { kind: 'duration', factorMs: 1000 },
  timeticks: { kind: 'duration', factorMs: 10 },
  ops: scaled('ops/s'),
  reqps: scaled('req/s'),
  rps: scaled('reads/s'),
  wps: scaled('writes/s'),
  iops: scaled('io/s'),
  cps: scaled('/s'),
  eps: scaled('events/s'),
  mps: scaled('msg/s'),
  recps: scaled('rec/s'),
  opm: scaled('ops/min'),
  rpm: fixed('rpm'),
  cpm: scaled('/min'),
  hertz: scaled('Hz'),
  watt: scaled('W'),
  kwatt: scaled('W', 1),
  watth: scaled('Wh'),
  kwatth: scaled('Wh', 1),
  volt: scaled('V'),
  amp: scaled('A'),
  mamp: fixed('mA'),
  ohm: scaled('Ω'),
  farad: scaled('F'),
  lengthm: scaled('m'),
  lengthmm: fixed('mm'),
  lengthkm: fixed('km'),
  velocityms: fixed('m/s'),
  velocitykmh: fixed('km/h'),
  degree: fixed('°'),
  ppm: fixed('ppm'),
  conppm: fixed('ppm'),
  conppb: fixed('ppb'),
  µgNm3: fixed('µg/m³'),
  conmgm3: fixed('mg/m³'),
  litre: scaled('L'),
  flowlpm: fixed('L/min'),
  massg: scaled('g'),
  masskg: fixed('kg'),
  currencyUSD: fixed('', '$'),
  currencyEUR: fixed('', '€'),
  currencyTHB: fixed('', '฿'),
  dateTimeAsIso: { kind: 'date', style: 'iso' },
  dateTimeAsIsoNoDateIfToday: { kind: 'date', style: 'iso' },
  dateTimeAsLocal: { kind: 'date', style: 'local' },
  dateTimeFromNow: { kind: 'date', style: 'ago' },
  bool: { kind: 'bool', words: ['False', 'True'] },
  bool_yes_no: { kind: 'bool', words: ['No', 'Yes'] },
  bool_on_off: { kind: 'bool', words: ['Off', 'On'] },
}

/** The unit as it stands beside a title: `°C`. Empty where it depends on the value. */
export function unitLabel(id: string): string {
  const unit = lookUp(id)
  if (unit.kind === 'fixed') return unit.prefix || unit.suffix
  return unit.kind === 'scaled' && unit.from === 0 ? unit.suffix : ''
}

/**
 * Writes a value in one of Grafana's units. Without `decimals` the figure keeps about three
 * significant digits, and no more than a reader can use.
 */
export function formatValue(
  value: number | null | undefined,
  id = '',
  decimals?: number,
): FormattedValue {
  if (value === null || value === undefined || Number.isNaN(value)) return plain('–')
  const unit = lookUp(id)
  switch (unit.kind) {
    case 'fixed': {
      const text = formatNumber(value * (unit.factor ?? 1), decimals)
      return { prefix: unit.prefix ?? '', text, suffix: unit.suffix }
    }
    case 'scaled': {
      const prefixes = unit.prefixes ?? metric
      let scale = unit.from ?? 0
      let rest = value
      while (Math.abs(rest) >= unit.base && scale < prefixes.length - 1) {
        rest /= unit.base
        scale++
      }
      // A rate below one of its smallest unit stays as it is: 0.2 B/s is what it says.
      const text = formatNumber(rest, decimals)
      return { prefix: '', text, suffix: `${prefixes[scale] ?? ''}${unit.suffix}` }
    }
    case 'duration':
      return formatDurationValue(value * unit.factorMs, decimals)
    case 'date':
      return plain(formatDate(value, unit.style))
    case 'bool':
      return plain(unit.words[value === 0 ? 0 : 1])
  }
}

/** A figure with its unit in one text. */
export function formatText(value: number | null | undefined, id = '', decimals?: number): string {
  const { prefix, text, suffix } = formatValue(value, id, decimals)
  return `${prefix}${text}${suffix === '' ? '' : suffix.startsWith('°') || suffix === '%' ? `\u202f${suffix}` : ` ${suffix}`}`
}

/** Digits grouped by thousands; about three significant digits unless told otherwise. */
export function formatNumber(value: number, decimals?: number): string {
  if (!Number.isFinite(value)) return value > 0 ? '∞' : value < 0 ? '-∞' : '–'
  const size = Math.abs(value)
  if (decimals === undefined && size !== 0 && size < 0.001) return value.toExponential(1)
  const digits = decimals ?? naturalDecimals(value)
  const text = size.toFixed(Math.min(12, Math.max(0, digits)))
  const [whole = '0', fraction] = text.split('.')
  const grouped = whole.replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',')
  const sign = value < 0 && Number(text) !== 0 ? '-' : ''
  return `${sign}${grouped}${fraction === undefined ? '' : `.${fraction}`}`
}

function naturalDecimals(value: number): number {
  const size = Math.abs(value)
  if (Number.isInteger(value)) return 0
  if (size >= 1000) return 0
  if (size >= 100) return 1
  if (size >= 10) return 1
  if (size >= 1) return 2
  return 3
}

const durationSteps: readonly (readonly [number, string])[] = [
  [31_557_600_000, 'y'],
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
  [1, 'ms'],
  [1e-3, 'µs'],
  [1e-6, 'ns'],
]

function formatDurationValue(durationMs: number, decimals: number | undefined): FormattedValue {
  if (durationMs === 0) return { prefix: '', text: '0', suffix: 's' }
  const size = Math.abs(durationMs)
  const [stepMs, suffix] = durationSteps.find(([step]) => size >= step) ?? durationSteps.at(-1)!
  return { prefix: '', text: formatNumber(durationMs / stepMs, decimals), suffix }
}

function formatDate(epochMs: number, style: 'iso' | 'ago' | 'local'): string {
  const date = new Date(epochMs)
  if (Number.isNaN(date.getTime())) return '–'
  if (style === 'ago') {
    const { text, suffix } = formatDurationValue(Math.abs(Date.now() - epochMs), 0)
    return `${text} ${suffix}`
  }
  const two = (part: number): string => String(part).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

function lookUp(id: string): Unit {
  const known = units[id]
  if (known) return known
  // A unit of the author's own: `suffix:frames`, `prefix:n=`, or just the text.
  const [kind, ...rest] = id.split(':')
  const text = rest.join(':')
  if (rest.length > 0) {
    if (kind === 'prefix') return fixed('', text)
    if (kind === 'si') return scaled(text.replace(/^[kMGTmµn]/, ''))
    return fixed(text)
  }
  return id === '' ? fixed('') : fixed(id)
}

const plain = (text: string): FormattedValue => ({ prefix: '', text, suffix: '' })
