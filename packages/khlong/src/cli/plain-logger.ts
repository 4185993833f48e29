import type { Logger } from '@khlong/core'
import pino from 'pino'

/** Fields that pino adds and a line of text has no use for. */
const left = new Set(['level', 'time', 'msg', 'pid', 'hostname'])

/**
 * Pino, writing lines that a person reads: `08:00:01.234 info  part is ready part=kafka`. With
 * `KHLONG_LOG=json` pino's own lines. `KHLONG_LOG_LEVEL` is `info` by default.
 */
export function makeLogger(write: (line: string) => void, level = 'info'): Logger {
  const options = { level: process.env.KHLONG_LOG_LEVEL ?? level }
  if (process.env.KHLONG_LOG === 'json') return pino(options, { write })
  return pino(options, { write: (line: string) => write(`${toText(line)}\n`) })
}

function toText(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>
  const time = new Date(Number(entry.time)).toISOString().slice(11, 23)
  const level = pino.levels.labels[Number(entry.level)] ?? ''
  const fields = Object.entries(entry)
    .filter(([name]) => !left.has(name))
    .map(([name, value]) => ` ${name}=${fieldText(value)}`)
    .join('')
  return `${time} ${level.padEnd(5)} ${String(entry.msg)}${fields}`
}

function fieldText(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'message' in value)
    return JSON.stringify(String(value.message))
  return typeof value === 'string' ? value : JSON.stringify(value)
}
