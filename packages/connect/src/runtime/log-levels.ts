import type { Clock, LogFields, Logger } from '@khlong/core'
import { ConnectError } from '../errors.ts'

const order = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'OFF'] as const
type Level = (typeof order)[number]

/** Java's other names of levels. */
const aliases: Readonly<Record<string, Level>> = { ALL: 'TRACE', FATAL: 'ERROR' }

/** A level as REST shows it. */
export interface LevelInfo {
  readonly level: string
  readonly last_modified: number | null
}

interface Threshold {
  readonly level: Level
  readonly modifiedMs: number | null
}

/**
 * What is logged, by the names of Java's loggers: the worker's are under `org.apache.kafka.connect`,
 * those of connectors have the names of their classes. A name without a level of its own has that of
 * the longest name it begins with, and in the end that of `root`.
 */
export class LogLevels {
  readonly #base: Logger
  readonly #clock: Clock
  readonly #levels = new Map<string, Threshold>([['root', { level: 'INFO', modifiedMs: null }]])
  readonly #names = new Set<string>()
  /** Effective levels by name, until one changes. */
  readonly #known = new Map<string, number>()

  constructor(base: Logger, clock: Clock) {
    this.#base = base
    this.#clock = clock
  }

  /** The logger of a name. What is below INFO and asked for comes out as INFO of the log below. */
  logger(name: string): Logger {
    this.#names.add(name)
    const say = (level: Level, log: (fields: LogFields, message: string) => void) => {
      const weight = order.indexOf(level)
      return (fields: LogFields, message: string): void => {
        if (weight >= this.#weight(name)) log(fields, message)
      }
    }
    const base = this.#base
    return {
      error: say('ERROR', (fields, message) => base.error(fields, message)),
      warn: say('WARN', (fields, message) => base.warn(fields, message)),
      info: say('INFO', (fields, message) => base.info(fields, message)),
      debug: say('DEBUG', (fields, message) => base.info({ ...fields, logger: name }, message)),
      trace: say('TRACE', (fields, message) => base.info({ ...fields, logger: name }, message)),
    }
  }

  /** The names that have a level of their own. */
  all(): Record<string, LevelInfo> {
    return Object.fromEntries(
      [...this.#levels.keys()].sort().map((name) => [name, this.#infoOf(this.#levels.get(name)!)]),
    )
  }

  /** @throws ConnectError `CONNECT_NOT_FOUND` */
  get(name: string): LevelInfo {
    const isKnown = this.#levels.has(name) || [...this.#names].some((known) => isUnder(known, name))
    if (!isKnown) throw new ConnectError('CONNECT_NOT_FOUND', `Logger ${name} not found.`)
    return this.#infoOf(this.#levels.get(name) ?? this.#threshold(name))
  }

  /**
   * Sets the level of a name and of all that begin with it, and gives those that changed.
   *
   * @throws ConnectError `CONNECT_NOT_FOUND` where there is no such level, as in Java.
   */
  set(name: string, text: string): string[] {
    const level = levelOf(text)
    const names = [name, ...[...this.#levels.keys()].filter((own) => isUnder(own, name))]
    const changed = [...new Set(names)].filter((one) => this.#threshold(one).level !== level)
    for (const one of changed) this.#levels.set(one, { level, modifiedMs: this.#clock.nowMs() })
    this.#known.clear()
    return changed.sort()
  }

  #weight(name: string): number {
    let weight = this.#known.get(name)
    if (weight === undefined) {
      weight = order.indexOf(this.#threshold(name).level)
      this.#known.set(name, weight)
    }
    return weight
  }

  #threshold(name: string): Threshold {
    for (
      let prefix = name;
      prefix !== '';
      prefix = prefix.slice(0, Math.max(0, prefix.lastIndexOf('.')))
    ) {
      const threshold = this.#levels.get(prefix)
      if (threshold) return threshold
    }
    return this.#levels.get('root')!
  }

  #infoOf({ level, modifiedMs }: Threshold): LevelInfo {
    return { level, last_modified: modifiedMs }
  }
}

/** @throws ConnectError `CONNECT_NOT_FOUND` */
export function levelOf(text: string): Level {
  const name = text.toUpperCase()
  const level = aliases[name] ?? order.find((one) => one === name)
  if (level) return level
  throw new ConnectError('CONNECT_NOT_FOUND', `invalid log level '${text}'.`)
}

function isUnder(name: string, prefix: string): boolean {
  return name === prefix || name.startsWith(`${prefix}.`)
}
